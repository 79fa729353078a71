//! Walks a TOML document: takes keys from tables, and reports those that nobody asked for.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    mistake::{Code, Mistake},
    names::closest,
    reader::Reader,
    reference,
};

/// One value of the document, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Item<'d> {
    /// Its key path.
    pub(super) at: String,
    pub(super) span: Range<usize>,
    pub(super) value: &'d DeValue<'d>,
}

impl<'d> Item<'d> {
    pub(super) fn new(at: String, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self { at, span: value.span(), value: value.get_ref() }
    }
}

/// A table that is being read: every key is asked for by name, then [`Table::done`] reports the
/// others.
#[derive(Debug)]
pub(super) struct Table<'d> {
    pub(super) at: String,
    pub(super) span: Range<usize>,
    entries: &'d DeTable<'d>,
    known: Vec<&'static str>,
    needed: Vec<&'static str>,
}

impl<'d> Table<'d> {
    pub(super) fn new(at: String, span: Range<usize>, entries: &'d DeTable<'d>) -> Self {
        Self { at, span, entries, known: Vec::new(), needed: Vec::new() }
    }

    /// Returns the path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    /// Takes a key that may be absent.
    pub(super) fn take(&mut self, key: &'static str, reader: &mut Reader) -> Option<Item<'d>> {
        self.known.push(key);
        let value = self.entries.get(key)?;
        let item = Item::new(self.path(key), value);
        reader.places.put(&item.at, item.span.clone());
        Some(item)
    }

    /// Takes a key that must be there.
    pub(super) fn need(&mut self, key: &'static str, reader: &mut Reader) -> Option<Item<'d>> {
        self.needed.push(key);
        self.take(key, reader)
    }

    /// Notes a key that means something elsewhere, and cannot be given here because of `why`.
    pub(super) fn refuse(&self, key: &str, why: &str, reader: &mut Reader) {
        let Some((written, _)) = self.entries.get_key_value(key) else { return };
        let at = self.path(key);
        let message = format!("a scenario cannot set `{key}`{}", self.inside());
        let mistake = Mistake::new(Code::UnknownKey, message)
            .label("a key of the configuration file alone")
            .help(format!("remove it: {why}"))
            .spanning(&at, written.span());
        reader.mistakes.push(mistake);
        reader.places.mark_broken(at);
    }

    /// Takes all entries of a table whose keys are names; their places are those of the keys.
    pub(super) fn named(self, reader: &mut Reader) -> Vec<(String, Item<'d>)> {
        let mut named = Vec::new();
        for (key, value) in self.entries {
            let at = self.path(key.get_ref());
            reader.places.put(&at, key.span());
            named.push((key.get_ref().clone().into_owned(), Item::new(at, value)));
        }
        named
    }

    /// Notes the keys that nobody asked for, and those that are needed and absent.
    pub(super) fn done(&self, reader: &mut Reader) {
        for key in self.entries.keys() {
            if !self.known.contains(&key.get_ref().as_ref()) {
                self.unknown(key, reader);
            }
        }
        #[cfg(test)]
        reader.tables.push((self.at.clone(), self.known.clone(), self.needed.clone()));
        let absent = self.needed.iter().filter(|key| !self.entries.contains_key(**key));
        for key in absent {
            let at = self.path(key);
            // A key that is misspelled is not missing as well.
            if !reader.places.is_broken(&at) {
                let message = format!("`{key}` is missing{}", self.inside());
                let mistake = Mistake::new(Code::MissingKey, message)
                    .label(format!("`{key}` is required here"))
                    .maybe_help(
                        reference::example(key, &self.at)
                            .map(|example| format!("add it, for example {example}")),
                    )
                    .spanning(&at, self.span.clone());
                reader.mistakes.push(mistake);
                reader.places.mark_broken(at);
            }
        }
    }

    fn unknown(&self, key: &Spanned<toml::de::DeString<'_>>, reader: &mut Reader) {
        let written = key.get_ref();
        let at = self.path(written);
        // This is called twice for a table that chooses one of several kinds.
        if reader.places.is_broken(&at) {
            return;
        }
        let meant = closest(written, self.known.iter().copied());
        if let Some(meant) = meant {
            reader.places.mark_broken(self.path(meant));
        }
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys allowed here are {}", listed(&self.known)),
        };
        let mistake =
            Mistake::new(Code::UnknownKey, format!("there is no key `{written}`{}", self.inside()))
                .label("unknown key")
                .help(help)
                .spanning(&at, key.span());
        reader.mistakes.push(mistake);
        reader.places.mark_broken(at);
    }

    fn inside(&self) -> String {
        if self.at.is_empty() { String::new() } else { format!(" in `{}`", self.at) }
    }
}

/// Returns words in backticks, separated by commas.
pub(super) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    quoted.join(", ")
}
