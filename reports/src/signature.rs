//! Which failures are the same one: by the check, the sentence with its names folded, and the kinds
//! of the faults in force.

use std::collections::{BTreeMap, BTreeSet};

use checks::{
    Record,
    record::{MachineKind, Verdict},
};

use crate::{evidence, line};

/// Returns what two failures have in common that are the same one, as text for people; none for a
/// pass.
pub fn of(record: &Record) -> Option<String> {
    if record.verdict == Verdict::Pass {
        return None;
    }
    let sentence = folded(record, &bare_sentence(record));
    let touching = record.faults.iter().filter(|fault| fault.hits > 0);
    let kinds: BTreeSet<&str> =
        touching.map(|fault| fault.what.split(' ').next().unwrap_or_default()).collect();
    let under = if kinds.is_empty() {
        "without a fault".to_owned()
    } else {
        format!("under {}", kinds.into_iter().collect::<Vec<_>>().join(", "))
    };
    Some(format!("{sentence}, {under}"))
}

/// Returns the sentence without the time, in which no two runs agree.
fn bare_sentence(record: &Record) -> String {
    let failing = line::first_failing(record).or_else(|| evidence::shown(record));
    match failing {
        Some(check) if record.verdict == Verdict::Fail => {
            format!("{}: {}", check.name, check.sentence.as_deref().unwrap_or("does not hold"))
        }
        _ => line::sentence(record).unwrap_or_default(),
    }
}

/// Replaces the names of machines and messages by what they are, and numbers by `N`.
fn folded(record: &Record, sentence: &str) -> String {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for node in &record.nodes {
        let kind = match node.kind {
            MachineKind::Backend => "<backend>",
            MachineKind::Relay => "<relay>",
            MachineKind::Device => "<device>",
        };
        names.insert(&node.name, kind);
    }
    names.extend(record.messages.iter().map(|message| (&*message.id, "<message>")));
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let folded = names.get(bare).copied();
        let is_number = bare.starts_with(|c: char| c.is_ascii_digit());
        match folded.or(is_number.then_some("N")) {
            Some(kind) => word.replacen(bare, kind, 1),
            None => word.to_owned(),
        }
    };
    // One row of messages is `m1-1`, `m1-2` ..; lists of names become one.
    let mut words: Vec<String> = sentence.split_whitespace().map(word).collect();
    words.dedup_by(|one, other| {
        one.trim_end_matches(',') == other.trim_end_matches(',') && one.starts_with('<')
    });
    words.join(" ")
}
