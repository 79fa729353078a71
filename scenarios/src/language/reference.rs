//! The reference of the language: every key of every table, with what it may be, its default, what it
//! means, and an example. What a mistake suggests, the JSON schema ([`super::schema`]) and the pages
//! that people read are made of it; a test holds it to what is read.
//!
//! `world`, `doings` and `expect` have the tables; the bodies of faults and operations stand with
//! their kinds, in [`super::faults`] and [`super::ops`].

mod doings;
mod expect;
mod world;

use super::{
    faults::{self, Listed},
    ops,
};
use crate::vocabulary::CheckKind;

pub(super) use self::{doings::TRIGGER, world::LATENCY};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub key: &'static str,
    /// What its value is.
    pub value: Value,
    /// What holds without it, in a few words; unset if it must be given.
    pub default: Option<&'static str>,
    /// What it means, in a sentence without a period.
    pub means: &'static str,
    /// A value, as it is written in a file.
    pub example: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A text; what it names, such as `a user`.
    Text(&'static str),
    /// A list of texts; what they name, such as `users`.
    Texts(&'static str),
    /// Several lists of texts.
    Groups,
    /// `true` or `false`.
    Flag,
    /// A whole number, from the first to the second.
    Whole(u64, u64),
    /// A number, from the first to the second.
    Number(f64, f64),
    /// A duration, such as `1h 5m`.
    Duration,
    /// A duration as servers are configured with it: in milliseconds at the least, days too.
    Milliseconds,
    /// A size, such as `32MiB`.
    Bytes,
    /// Two durations, the shorter one first.
    Range,
    /// One of several words.
    Words(&'static [&'static str]),
    /// One of several things.
    Either(&'static [Self]),
    /// The content of an event: any table of texts, whole numbers, flags, lists and tables.
    Content,
    /// Checks; of this kind, or of any.
    Checks(Option<CheckKind>),
    /// An endpoint, or a list of endpoints.
    Endpoints,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table with these keys, of which exactly one of the others is given as well.
    OneOf(&'static [Key], &'static [Key]),
    /// A table whose keys are names, and whose values are tables with these keys.
    Named(&'static [Key]),
    /// A list of operations: tables with these keys, and one kind each.
    Operations(&'static [Key]),
    /// A list of faults: tables with these keys, and one kind each.
    Faults(&'static [Key]),
}

impl Value {
    /// Says what it is, in a few words: `a duration`, `a list of users`.
    pub fn words(&self) -> String {
        match self {
            Self::Text(what) => (*what).to_owned(),
            Self::Texts(what) => format!("a list of {what}"),
            Self::Groups => "lists of machines".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(0, _) => "a whole number".to_owned(),
            Self::Whole(least, u64::MAX) => format!("a whole number, {least} at least"),
            Self::Whole(least, most) if *most == u64::from(u32::MAX) => {
                format!("a whole number, {least} at least")
            }
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Number(0.0, 1.0) => "a number from 0 to 1".to_owned(),
            Self::Number(..) => "a number above 0".to_owned(),
            Self::Duration => "a duration".to_owned(),
            Self::Milliseconds => "a duration of milliseconds or longer".to_owned(),
            Self::Bytes => "a size".to_owned(),
            Self::Range => "two durations".to_owned(),
            Self::Words(words) => {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
            }
            Self::Either(values) => {
                values.iter().map(Self::words).collect::<Vec<_>>().join(", or ")
            }
            Self::Content => "a table of anything".to_owned(),
            Self::Checks(None) => "a list of checks".to_owned(),
            Self::Checks(Some(kind)) => format!("a list of checks that are judged {}", kind.word()),
            Self::Endpoints => "an endpoint, or a list of them".to_owned(),
            Self::Table(_) | Self::OneOf(..) => "a table".to_owned(),
            Self::Named(_) => "a table by name".to_owned(),
            Self::Operations(_) => "a list of operations".to_owned(),
            Self::Faults(_) => "a list of faults".to_owned(),
        }
    }

    /// Returns the keys of a table, also of one that has some of several kinds, or of each of several
    /// tables; none for anything else.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Self::Table(keys) | Self::Named(keys) | Self::Operations(keys) | Self::Faults(keys) => {
                keys.to_vec()
            }
            Self::OneOf(keys, kinds) => [*kinds, *keys].concat(),
            Self::Either(values) => values.iter().flat_map(Self::keys).collect(),
            _ => Vec::new(),
        }
    }
}

/// Returns a key that must be given.
pub(super) const fn need(
    key: &'static str,
    value: Value,
    means: &'static str,
    example: &'static str,
) -> Key {
    Key { key, value, default: None, means, example }
}

/// Returns a key that may be left out.
pub(super) const fn may(
    key: &'static str,
    value: Value,
    default: &'static str,
    means: &'static str,
    example: &'static str,
) -> Key {
    Key { key, value, default: Some(default), means, example }
}

/// The keys of a whole file.
pub const FILE: &[Key] = world::FILE;

/// Returns the keys of the table at a place, such as `ops[2].send`, as far as they are known: those
/// of which one is chosen are among them.
pub(super) fn keys_at(at: &str) -> Option<Vec<Key>> {
    let mut keys = FILE.to_vec();
    let mut segments = at.split('.').filter(|segment| !segment.is_empty());
    while let Some(segment) = segments.next() {
        let name = segment.split('[').next().unwrap_or(segment);
        let value = keys.iter().find(|key| key.key == name)?.value;
        if let Value::Named(_) = value {
            // The name of a user, say.
            segments.next();
        }
        keys = match value {
            Value::Either(values) => values.iter().find_map(|value| below(*value))?,
            value => below(value)?,
        };
    }
    Some(keys)
}

/// Returns the keys of a value that is a table, or of those in it.
fn below(value: Value) -> Option<Vec<Key>> {
    let with_kinds = |keys: &[Key], kinds: Vec<&Listed>| {
        let bodies = kinds.into_iter().map(Listed::as_key);
        keys.iter().copied().chain(bodies).collect()
    };
    match value {
        Value::Table(keys) | Value::Named(keys) => Some(keys.to_vec()),
        Value::OneOf(keys, kinds) => Some([keys, kinds].concat()),
        Value::Operations(keys) => Some(with_kinds(keys, ops::LISTED.iter().collect())),
        Value::Faults(keys) => Some(with_kinds(keys, kinds_of_faults())),
        _ => None,
    }
}

/// Returns each kind of fault once, with its first meaning and example.
pub fn kinds_of_faults() -> Vec<&'static Listed> {
    let mut kinds: Vec<&Listed> = faults::LISTED.iter().copied().flatten().collect();
    kinds.dedup_by_key(|kind| kind.key);
    kinds
}

/// Returns an example of a key of the table at a place, as `at = "1s"`.
pub(super) fn example(key: &str, at: &str) -> Option<String> {
    let keys = keys_at(at)?;
    let key = keys.iter().find(|known| known.key == key)?;
    Some(format!("{} = {}", key.key, key.example))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{super::tables_of, *};

    /// A file in which every table is, but for those of the kinds of faults and operations.
    const EVERY_TABLE: &str = include_str!("reference/every-table.toml");

    /// The tables that were read, by their place without numbers and names: what each was asked for,
    /// and what of that must be there.
    type Tables = BTreeMap<String, (BTreeSet<&'static str>, BTreeSet<&'static str>)>;

    fn read() -> Tables {
        let of = |list: &str, it: &Listed| format!("[[{list}]]\n{} = {}\n", it.key, it.example);
        let faults = faults::LISTED.iter().copied().flatten().map(|it| of("faults", it));
        let ops = ops::LISTED.iter().map(|it| of("ops", it));
        let mut tables = Tables::new();
        for text in faults.chain(ops).chain([EVERY_TABLE.to_owned()]) {
            for (at, known, needed) in tables_of(&text) {
                let (all, must) = tables.entry(place(&at)).or_default();
                all.extend(known);
                must.extend(needed);
            }
        }
        tables
    }

    /// Returns a place without its numbers, and without names, all of which are `x`.
    fn place(at: &str) -> String {
        let segments = at.split('.').map(|segment| segment.split('[').next().unwrap_or_default());
        segments.filter(|segment| *segment != "x").collect::<Vec<_>>().join(".")
    }

    /// Returns the same of the reference.
    fn told() -> Tables {
        let mut tables = Tables::new();
        let mut left = vec![(String::new(), FILE.to_vec())];
        while let Some((at, keys)) = left.pop() {
            for key in &keys {
                let values = match &key.value {
                    Value::Either(values) => *values,
                    value => std::slice::from_ref(value),
                };
                let dot = if at.is_empty() { "" } else { "." };
                let inner = values.iter().filter_map(|value| below(*value));
                left.extend(inner.map(|keys| (format!("{at}{dot}{}", key.key), keys)));
            }
            let needed = keys.iter().filter(|key| key.default.is_none());
            let needed = needed.map(|key| key.key).collect();
            tables.insert(at, (keys.iter().map(|key| key.key).collect(), needed));
        }
        tables
    }

    #[test]
    fn the_reference_has_every_key_that_is_read_and_no_other() {
        let (read, told) = (read(), told());
        assert_eq!(read.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
        for (at, keys) in &read {
            assert_eq!(Some(keys), told.get(at), "`{at}`");
        }
    }

    /// A world in which everything is that examples name.
    const WORLD: &str = include_str!("reference/world.toml");

    /// A world in which nothing is yet, and with time for what is generated.
    const EMPTY: &str = "name = \"x\"\nlimit = \"5m\"";

    /// Returns what is written in a file.
    fn parsed(text: &str) -> toml::Table {
        toml::from_str(text).expect("it is TOML")
    }

    /// Returns a table of those keys that must be there, and one more, each with its example.
    fn least(keys: &[Key], key: &Key) -> toml::Table {
        let needed = keys.iter().filter(|it| it.default.is_none() && it.key != key.key);
        let lines = needed.chain([key]).map(|it| format!("{} = {}\n", it.key, it.example));
        parsed(&lines.collect::<String>())
    }

    /// Returns whether one of these files has no mistake.
    fn any_is_right(files: impl IntoIterator<Item = toml::Table>) -> bool {
        let text = |file| toml::to_string(&file).expect("it was TOML");
        files.into_iter().any(|file| crate::language::parse("example", &text(file)).is_ok())
    }

    /// Returns a file with `entry` in the list `list`.
    fn with_entry(list: &str, entry: toml::Table) -> toml::Table {
        let mut file = parsed(WORLD);
        let entries = file[list].as_array_mut().expect("a list");
        entries.push(entry.into());
        file
    }

    /// Checks each key of a kind of operation or fault.
    fn check_kind(list: &str, kind: &Listed) {
        let (keys, others) = match kind.body {
            Value::OneOf(keys, others) => (keys, others),
            Value::Table(keys) => (keys, &[][..]),
            other => panic!("{other:?} is no body"),
        };
        for key in keys.iter().chain(others) {
            let mut example = parsed(&format!("it = {}", kind.example));
            example["it"].as_table_mut().expect("a table").extend(least(&[], key));
            let mut bodies = vec![least(keys, key), example["it"].as_table().expect("one").clone()];
            // A key that several kinds share has one example, which may be another kind's.
            let whole = parsed(&format!("it = {}", kind.example));
            let whole = whole["it"].as_table().expect("a table");
            bodies.extend(whole.contains_key(key.key).then(|| whole.clone()));
            bodies.extend(others.iter().chain(keys).map(|other| {
                let mut body = least(keys, key);
                body.extend(least(&[], other));
                body
            }));
            let files = bodies.into_iter().map(|body| {
                let mut entry = parsed("at = \"1s\"");
                entry.insert(kind.key.to_owned(), body.into());
                with_entry(list, entry)
            });
            assert!(any_is_right(files), "{list}: {}.{} = {}", kind.key, key.key, key.example);
        }
    }

    #[test]
    fn every_example_of_a_key_of_an_operation_or_a_fault_is_one() {
        for kind in ops::LISTED {
            check_kind("ops", kind);
        }
        faults::LISTED.iter().copied().flatten().for_each(|kind| check_kind("faults", kind));
        for (list, whole) in [
            ("ops", "send = { id = \"m9\", from = \"alice\", to = \"team\" }"),
            ("faults", "kill = { node = \"a\" }"),
        ] {
            let keys = FILE.iter().find(|key| key.key == list).expect("it is there").value;
            let (Value::Operations(keys) | Value::Faults(keys)) = keys else { panic!("{keys:?}") };
            for key in keys {
                let at = if key.key == "when" { "" } else { "at = \"1s\"\n" };
                let mut entry = parsed(&format!("{at}{whole}"));
                entry.extend(least(&[], key));
                // Some keys stand beside another one only.
                let beside = keys.iter().map(|other| {
                    let mut both = entry.clone();
                    both.extend(least(&[], other));
                    both
                });
                let files = beside.chain([entry.clone()]).map(|entry| with_entry(list, entry));
                assert!(any_is_right(files), "{list}: {}", key.key);
            }
        }
    }

    #[test]
    fn every_example_of_a_key_of_a_section_is_one() {
        for section in FILE {
            let mut whole = parsed(WORLD);
            whole.extend(least(&[], section));
            let mut alone = parsed("name = \"x\"");
            alone.extend(least(&[], section));
            // What names the users of that world is nothing to others.
            let mut bare = parsed("name = \"x\"\nbackends = { a = {}, b = {}, c = {} }");
            bare.extend(least(&[], section));
            let mut unexpecting = whole.clone();
            unexpecting.remove("expect");
            assert!(
                any_is_right([whole, unexpecting, alone, bare]),
                "{} = {}",
                section.key,
                section.example
            );
            let (keys, name) = match section.value {
                Value::Table(keys) => (keys, None),
                Value::Named(keys) => (keys, parsed(WORLD)[section.key].as_table().cloned()),
                _ => continue,
            };
            let name = name.and_then(|names| names.keys().next().cloned());
            for key in keys {
                let mut file = parsed(if section.key == "generate" { EMPTY } else { WORLD });
                let mut table = toml::Table::new();
                match &name {
                    Some(name) => drop(table.insert(name.clone(), least(keys, key).into())),
                    None => table = least(keys, key),
                }
                let old = file.remove(section.key).and_then(|old| old.as_table().cloned());
                table = old.unwrap_or_default().into_iter().chain(table).collect();
                file.insert(section.key.to_owned(), table.into());
                assert!(any_is_right([file]), "{}: {} = {}", section.key, key.key, key.example);
            }
        }
    }

    #[test]
    fn every_example_of_what_a_message_must_become_is_one() {
        for key in keys_at("expect.messages.m0").expect("a table") {
            let mut file = parsed(WORLD);
            file["expect"]["messages"]["m0"] = least(&[], &key).into();
            assert!(any_is_right([file]), "{} = {}", key.key, key.example);
        }
    }

    #[test]
    fn a_place_leads_to_the_keys_of_its_table() {
        let keys = |at: &str| keys_at(at).map(|keys| keys.iter().map(|key| key.key).collect());
        let latency: Vec<&str> = vec!["uniform"];
        assert_eq!(keys("faults[3].link.latency"), Some(latency));
        assert_eq!(keys("users.alice.online"), Some(vec!["for", "every"]));
        assert_eq!(keys("users.a.b.c"), None);
    }
}
