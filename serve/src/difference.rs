//! Two runs: what came of each that did not come of the other, where their journals part, and what is
//! the same in them again behind that.

mod alignment;

use std::{collections::BTreeMap, iter::zip};

use checks::record::{CheckRecord, EventRecord, Record};
use reports::{
    line::{self, Status},
    time::exact,
};
use serde::Serialize;

use self::alignment::{Alignment, Piece};
use crate::{entries::message, shelf::Run};

/// The most differences of what came of them that are told.
const MOST: usize = 300;

/// What differs.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    left: Side,
    right: Side,
    /// Whether both were played from the same scenario, word for word.
    same_scenario: bool,
    /// How many entries at their beginning are the same byte for byte.
    same_bytes: usize,
    /// How many entries at their beginning say the same, whatever they carried and when.
    same_words: usize,
    /// Their entries beside each other, by places from 0.
    pieces: Vec<Piece>,
    /// Whether there was so much difference that the last piece is not aligned.
    is_cut: bool,
    /// What is not the same of what came of them.
    outcomes: Vec<Outcome>,
    more_outcomes: usize,
}

/// One of the two.
#[derive(Debug, Serialize)]
struct Side {
    scenario: String,
    seed: u64,
    status: &'static str,
    sentence: Option<String>,
    entries: usize,
}

/// Something that is not the same.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Outcome {
    what: String,
    left: String,
    right: String,
}

/// Returns how two runs differ.
pub(crate) fn of(left: &Run, right: &Run) -> Difference {
    let same_bytes = |(one, other): &(&EventRecord, &EventRecord)| one.line == other.line;
    let same_words =
        |(one, other): &(&EventRecord, &EventRecord)| words(left, one) == words(right, other);
    let (one, other) = (&left.record, &right.record);
    let mut outcomes = outcomes(one, other);
    let more_outcomes = outcomes.len().saturating_sub(MOST);
    outcomes.truncate(MOST);
    let Alignment { pieces, is_cut } = aligned(left, right);
    Difference {
        left: side(one),
        right: side(other),
        same_scenario: one.scenario.text == other.scenario.text,
        same_bytes: zip(&one.events, &other.events).take_while(same_bytes).count(),
        same_words: zip(&one.events, &other.events).take_while(same_words).count(),
        pieces,
        is_cut,
        outcomes,
        more_outcomes,
    }
}

/// Returns both journals beside each other: entries are the same that say the same.
fn aligned(left: &Run, right: &Run) -> Alignment {
    let mut numbers: BTreeMap<[Option<&str>; 7], u32> = BTreeMap::new();
    let mut numbered = Vec::new();
    for run in [left, right] {
        let events = run.record.events.iter().map(|event| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(words(run, event)).or_insert(next)
        });
        numbered.push(events.collect::<Vec<u32>>());
    }
    alignment::of(&numbered[0], &numbered[1])
}

/// Returns what an entry says of its own moment: not when that was, and not what comes later.
fn words<'r>(run: &'r Run, event: &'r EventRecord) -> [Option<&'r str>; 7] {
    let result = event.result.as_deref().filter(|_| event.kind != "request_sent");
    let (node, to) = (Some(&*event.node), event.to.as_deref());
    let why = event.why.as_deref();
    [node, to, Some(&event.kind), Some(&event.what), result, why, message(run, event)]
}

fn side(record: &Record) -> Side {
    Side {
        scenario: record.scenario.name.clone(),
        seed: record.seed,
        status: Status::of(record, &record.weaknesses()).word(),
        sentence: line::sentence(record),
        entries: record.events.len(),
    }
}

fn outcomes(left: &Record, right: &Record) -> Vec<Outcome> {
    let mut all = Vec::new();
    compare(&mut all, &checks(left), &checks(right));
    compare(&mut all, &faults(left), &faults(right));
    compare(&mut all, &messages(left), &messages(right));
    all
}

/// Takes in what is not the same on both sides, in the order in which the left one tells it; what
/// the right one alone tells comes last.
fn compare(all: &mut Vec<Outcome>, left: &[(String, String)], right: &[(String, String)]) {
    let of = |side: &[(String, String)], what: &str| {
        side.iter().find(|(known, _)| known == what).map(|(_, it)| it.clone())
    };
    let absent = || "not there".to_owned();
    for (what, one) in left {
        let other = of(right, what).unwrap_or_else(absent);
        if *one != other {
            all.push(Outcome { what: what.clone(), left: one.clone(), right: other });
        }
    }
    for (what, other) in right.iter().filter(|(what, _)| of(left, what).is_none()) {
        all.push(Outcome { what: what.clone(), left: absent(), right: other.clone() });
    }
}

fn checks(record: &Record) -> Vec<(String, String)> {
    let said = |check: &CheckRecord| {
        let verdict = format!("{:?}", check.verdict).to_lowercase();
        let at = check.at_ns.map(|at| format!(" at {}", exact(at))).unwrap_or_default();
        let why = check.sentence.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        (format!("check {}", check.name), format!("{verdict}{at}{why}"))
    };
    record.checks.iter().map(said).collect()
}

fn faults(record: &Record) -> Vec<(String, String)> {
    let said = |(place, fault): (usize, &checks::record::FaultRecord)| {
        let from = fault.from_ns.map_or("never began".to_owned(), exact);
        let until = fault.until_ns.map(|it| format!(" to {}", exact(it))).unwrap_or_default();
        let touched = format!("{from}{until}, touched {} requests", fault.requests);
        (format!("fault {} ({})", fault.what, place + 1), touched)
    };
    record.faults.iter().enumerate().map(said).collect()
}

fn messages(record: &Record) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for message in &record.messages {
        let outcome = format!("{:?}", message.outcome).to_lowercase();
        all.push((format!("{} sent by {}", message.id, message.from), outcome));
        all.extend(message.copies.iter().map(|copy| {
            let seen = copy.seen_ns.map_or("never".to_owned(), exact);
            let often =
                if copy.times > 1 { format!(", {} times", copy.times) } else { String::new() };
            (format!("{} seen by {}", message.id, copy.device), format!("{seen}{often}"))
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Outcome, compare};

    fn told(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(what, it)| ((*what).to_owned(), (*it).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_told_and_what_one_side_lacks_is_said_so() {
        let mut all = Vec::new();
        compare(&mut all, &told(&[("a", "1"), ("b", "2")]), &told(&[("a", "1"), ("c", "3")]));
        let outcome = |what: &str, left: &str, right: &str| Outcome {
            what: what.to_owned(),
            left: left.to_owned(),
            right: right.to_owned(),
        };
        assert_eq!(all, [outcome("b", "2", "not there"), outcome("c", "not there", "3")]);
    }
}
