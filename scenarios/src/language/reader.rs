//! Reads single values of a document, and keeps the mistakes made in them.

use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::{
    mistake::{Code, Mistake},
    names::closest,
    places::Places,
    read::Online,
    table::{Item, Table, listed},
};
use crate::duration;

/// What reading has found so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) places: Places,
    /// Who is reachable only now and then.
    pub(super) online: Vec<Online>,
    /// The tables that were read, for a test: where each is, what it was asked for, and what of that
    /// must be there.
    #[cfg(test)]
    pub(super) tables: Vec<(String, Vec<&'static str>, Vec<&'static str>)>,
}

/// Every method returns none after it has noted a mistake.
impl Reader {
    pub(super) fn table<'d>(&mut self, item: &Item<'d>) -> Option<Table<'d>> {
        match item.value {
            DeValue::Table(entries) => {
                Some(Table::new(item.at.clone(), item.span.clone(), entries))
            }
            _ => self.wrong_type(item, "a table", "write a table, such as { key = value }"),
        }
    }

    pub(super) fn list<'d>(&mut self, item: &Item<'d>) -> Option<Vec<Item<'d>>> {
        let DeValue::Array(values) = item.value else {
            return self.wrong_type(
                item,
                "a list",
                "write a list in brackets, such as [\"a\", \"b\"]",
            );
        };
        let items = values
            .iter()
            .enumerate()
            .map(|(n, value)| Item::new(format!("{}[{n}]", item.at), value));
        Some(items.collect())
    }

    pub(super) fn text(&mut self, item: &Item<'_>) -> Option<String> {
        match item.value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.wrong_type(item, "a string", "write a string in double quotes, such as \"a\"")
            }
        }
    }

    /// Reads a list of texts; elements that are not texts are left out.
    pub(super) fn texts(&mut self, item: &Item<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.list(item).unwrap_or_default() {
            if let Some(text) = self.text(&element) {
                self.places.put(&format!("{}[{}]", item.at, texts.len()), element.span);
                texts.push(text);
            } else {
                // An incomplete list must not be called empty.
                self.places.mark_broken(&item.at);
            }
        }
        texts
    }

    pub(super) fn flag(&mut self, item: &Item<'_>) -> Option<bool> {
        match item.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type(item, "true or false", "write true or false, without quotes"),
        }
    }

    pub(super) fn whole<T: TryFrom<u64>>(&mut self, item: &Item<'_>) -> Option<T> {
        let DeValue::Integer(integer) = item.value else {
            return self.wrong_type(
                item,
                "a whole number",
                "write it in digits and without quotes, such as 7",
            );
        };
        let value = unsigned(integer).and_then(|value| T::try_from(value).ok());
        if value.is_none() {
            let message = format!("`{}` cannot be {integer}", item.at);
            let largest = u64::MAX >> (u64::BITS as usize - 8 * size_of::<T>());
            let mistake = Mistake::new(Code::BadValue, message)
                .label("out of range")
                .help(format!("write a whole number from 0 to {largest}"));
            self.broken(item, mistake);
        }
        value
    }

    pub(super) fn number(&mut self, item: &Item<'_>) -> Option<f64> {
        let number = match item.value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => None,
        };
        number.or_else(|| {
            self.wrong_type(item, "a number", "write a number without quotes, such as 0.01")
        })
    }

    pub(super) fn duration(&mut self, item: &Item<'_>) -> Option<Duration> {
        let DeValue::String(text) = item.value else {
            return self.wrong_type(
                item,
                "a duration",
                "write a number and a unit in double quotes, such as \"500ms\"",
            );
        };
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(help) => {
                let message = format!("\"{text}\" is not a duration");
                let mistake = Mistake::new(Code::BadDuration, message)
                    .label("expected a number and a unit")
                    .help(help);
                self.broken(item, mistake);
                None
            }
        }
    }

    /// Reads one of several words.
    pub(super) fn choice<T: Copy>(&mut self, item: &Item<'_>, choices: &[(&str, T)]) -> Option<T> {
        let written = self.text(item)?;
        let found = choices.iter().find(|(word, _)| *word == written);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let help = match closest(&written, words.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("write one of {}", listed(&words)),
            };
            let message = format!("`{}` cannot be \"{written}\"", item.at);
            let mistake = Mistake::new(Code::BadValue, message).label("unknown value").help(help);
            self.broken(item, mistake);
        }
        found.map(|(_, value)| *value)
    }

    /// Notes a mistake at an item, and that its value means nothing.
    pub(super) fn broken(&mut self, item: &Item<'_>, mistake: Mistake) {
        self.mistakes.push(mistake.spanning(&item.at, item.span.clone()));
        self.places.mark_broken(&item.at);
    }

    pub(super) fn wrong_type<T>(
        &mut self,
        item: &Item<'_>,
        expected: &str,
        help: &str,
    ) -> Option<T> {
        let message = format!("`{}` must be {expected}, not {}", item.at, type_name(item.value));
        let mistake =
            Mistake::new(Code::WrongType, message).label(format!("expected {expected}")).help(help);
        self.broken(item, mistake);
        None
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unsigned(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
