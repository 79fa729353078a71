//! Makes the topics of a federation's language.

use checks::about;
use scenarios::{
    Vocabulary,
    language::{
        CODES,
        faults::{self, Listed},
        ops,
        reference::{FILE, Key, Value},
    },
    vocabulary::{CheckKind, CheckName, Endpoint},
};

use super::{Block, Sort, Topic};

/// What a topic about the keys of no section is called.
const HEAD: &str = "file";

/// Returns everything that the scenarios of a federation can name, in the order of the page.
pub(crate) fn topics(vocabulary: &Vocabulary) -> Vec<Topic> {
    let mut topics = sections(vocabulary);
    if vocabulary.converses {
        topics.extend(kinds(Sort::Operation, &[ops::LISTED]));
    }
    topics.extend(kinds(Sort::Fault, faults::LISTED));
    topics.extend(vocabulary.checks.iter().map(check));
    topics.extend(vocabulary.endpoints.iter().map(endpoint));
    topics.extend(CODES.iter().map(|code| Topic {
        name: code.name().to_owned(),
        sort: Sort::Mistake,
        blocks: vec![Block::Text(sentence(code.means()))],
    }));
    topics
}

/// Returns the head of a file, and each section of it.
fn sections(vocabulary: &Vocabulary) -> Vec<Topic> {
    let own: Vec<&Key> = FILE.iter().filter(|key| vocabulary.has_section(key.key)).collect();
    let (sections, head): (Vec<&Key>, Vec<&Key>) =
        own.into_iter().partition(|key| is_section(&key.value));
    let about = "A scenario is a TOML file. These keys stand at its head, before any section; a duration \
                 is whole numbers with the units h, m, s, ms, us and ns, as in \"1h 5m\".";
    let keys = head.into_iter().flat_map(|key| flat("", key)).collect();
    let head = Topic {
        name: HEAD.to_owned(),
        sort: Sort::Section,
        blocks: vec![Block::Text(about.to_owned()), Block::Keys(keys)],
    };
    std::iter::once(head).chain(sections.into_iter().map(section)).collect()
}

fn is_section(value: &Value) -> bool {
    !value.keys().is_empty() && !matches!(value, Value::Either(_))
}

fn section(key: &Key) -> Topic {
    let below = key.value.keys();
    let keys = below.iter().flat_map(|key| flat("", key)).collect();
    let default = key.default.unwrap_or_default();
    let means = format!("{} (without it: {default}).", capital(key.means));
    let written = match key.value {
        Value::Operations(_) => entry("ops", "1s", &ops::LISTED[0]),
        Value::Faults(_) => entry("faults", "1s", &faults::LISTED[0][0]),
        _ => format!("{} = {}\n", key.key, key.example),
    };
    Topic {
        name: key.key.to_owned(),
        sort: Sort::Section,
        blocks: vec![Block::Text(means), Block::Keys(keys), Block::Example(written)],
    }
}

/// Returns a key, and after it those of the tables in it.
fn flat(place: &str, key: &Key) -> Vec<(String, Key)> {
    let path = format!("{place}{}", key.key);
    let name = if let Value::Named(_) = key.value { "NAME." } else { "" };
    let below = key.value.keys();
    let below = below.iter().flat_map(|it| flat(&format!("{path}.{name}"), it));
    std::iter::once((path.clone(), *key)).chain(below).collect()
}

/// Faults that take no `for`: how long they last they say themselves, or there is nothing to end.
const ENDLESS: [&str; 2] = ["rolling-restart", "clock-jump"];

/// Returns an entry of a list of operations or faults, as a file has it.
fn entry(list: &str, at: &str, kind: &Listed) -> String {
    let lasts = list == "faults" && !ENDLESS.contains(&kind.key);
    let lasts = if lasts { "for = \"5s\"\n" } else { "" };
    format!("[[{list}]]\nat = \"{at}\"\n{lasts}{} = {}\n", kind.key, kind.example)
}

/// Returns the kinds of operations or faults, each once.
fn kinds(sort: Sort, families: &[&[Listed]]) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for kind in families.iter().copied().flatten() {
        let list = if sort == Sort::Operation { "ops" } else { "faults" };
        let example = entry(list, "2s", kind);
        let blocks = [Block::Text(sentence(kind.means)), Block::Example(example)];
        if let Some(known) = topics.last_mut().filter(|last| last.name == kind.key) {
            // Another way of the same kind: the keys of all stand at the end.
            let keys = known.blocks.pop();
            known.blocks.extend(blocks);
            known.blocks.extend(keys);
        } else {
            let keys = kind.body.keys().iter().flat_map(|key| flat("", key)).collect();
            let blocks = blocks.into_iter().chain([Block::Keys(keys)]).collect();
            topics.push(Topic { name: kind.key.to_owned(), sort, blocks });
        }
    }
    topics
}

fn check(check: &CheckName) -> Topic {
    let when = match check.kind {
        CheckKind::Always => "It is judged at every moment of a run.",
        CheckKind::Eventually => "It is judged once everything is repaired and has settled.",
        CheckKind::Sometimes => {
            "This is a situation, for `sometimes` of `expect`: it must have come about."
        }
    };
    let precise = about(check.name).into_iter();
    let precise: Vec<String> = precise
        .flat_map(|text| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let example = format!("[expect]\n{} = [\"{}\"]\n", check.kind.word(), check.name);
    let mut blocks = vec![Block::Text(format!("{} {when}", sentence(check.means)))];
    blocks.extend(precise.into_iter().map(|text| Block::Text(capital(&text))));
    blocks.push(Block::Example(example));
    Topic { name: check.name.to_owned(), sort: Sort::Check, blocks }
}

fn endpoint((name, method, path): &Endpoint) -> Topic {
    let means = format!("`{method} {path}`, where `{{}}` is any one segment of the path.");
    let example = format!(
        "[[faults]]\nwhen = {{ sent = \"{name}\" }}\nfor = \"5s\"\nhang = {{ node = \"b\" }}\n"
    );
    let blocks = vec![Block::Text(means), Block::Example(example)];
    Topic { name: (*name).to_owned(), sort: Sort::Endpoint, blocks }
}

/// Returns a meaning as a sentence.
fn sentence(means: &str) -> String {
    format!("{}.", capital(means))
}

/// Returns a text that begins with an upper-case letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
