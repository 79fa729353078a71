//! What a campaign found, grouped by what looks alike.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::{
    Scenario,
    scenario::{Op, OpKind},
};

use crate::{Candidate, Method, Violation};

/// One kind of failure: every run that violated the same check, in a way that reads the same once
/// names and numbers are taken out.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The smallest scenario that failed so, by its faults and operations: what is left of it is the
    /// easiest to find, and to read.
    pub smallest: Candidate,
    /// What the run of that scenario violated.
    pub violation: Violation,
    /// The number of the first run that failed so, from 1, and how it was found.
    pub found_at: u64,
    /// See `found_at`.
    pub found_by: Method,
    /// How many runs violated it.
    pub runs: u64,
}

/// The failures of a campaign, by signature.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    groups: BTreeMap<Signature, Failure>,
}

/// What failures of a kind have in common: the check, and its sentence with names and numbers
/// folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The check's name.
    pub check: String,
    /// Its sentence, folded.
    pub sentence: String,
}

impl Signature {
    /// Returns the signature of what a run of `scenario` violated.
    pub fn of(scenario: &Scenario, violation: &Violation) -> Self {
        Self { check: violation.check.clone(), sentence: folded(scenario, &violation.sentence) }
    }
}

impl Failures {
    /// Takes in what the run numbered `number` violated. Returns how many kinds of failures are
    /// new.
    pub fn add(&mut self, candidate: &Candidate, number: u64, violations: &[Violation]) -> usize {
        let before = self.groups.len();
        for violation in violations {
            let signature = Signature::of(&candidate.scenario, violation);
            let first = || Failure {
                smallest: candidate.clone(),
                violation: violation.clone(),
                found_at: number,
                found_by: candidate.method,
                runs: 0,
            };
            let group = self.groups.entry(signature).or_insert_with(first);
            group.runs += 1;
            if size(candidate) < size(&group.smallest) {
                group.smallest = candidate.clone();
                group.violation = violation.clone();
            }
        }
        self.groups.len() - before
    }

    /// Returns how many kinds there are.
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// Returns all kinds, in the order of their signatures.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.groups.values()
    }

    /// Returns all kinds, in the order in which they were found.
    pub fn into_list(self) -> Vec<Failure> {
        let mut list: Vec<Failure> = self.groups.into_values().collect();
        list.sort_by(|one, other| {
            let key = |it: &Failure| (it.found_at, it.violation.check.clone());
            key(one).cmp(&key(other))
        });
        list
    }
}

/// Returns how much there is to take out of a scenario.
fn size(candidate: &Candidate) -> usize {
    candidate.scenario.faults.len() + candidate.scenario.ops.len()
}

/// Returns `sentence` with what differs between runs alike taken out: every name of a machine,
/// user, room or message becomes the word for what it names, every number `N`.
fn folded(scenario: &Scenario, sentence: &str) -> String {
    let words = words(scenario);
    let mut text = String::new();
    let is_part = |c: char| c.is_alphanumeric() || "-/_$:@!".contains(c);
    let mut rest = sentence;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            text.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        text.push_str(&folded_word(&words, word));
        rest = after;
    }
    text
}

fn folded_word(words: &BTreeMap<String, &'static str>, word: &str) -> String {
    if let Some(kind) = words.get(word) {
        return (*kind).to_owned();
    }
    if word.starts_with(['$', '!', '@']) {
        return "ID".to_owned();
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return "N".to_owned();
    }
    word.to_owned()
}

/// Returns the word for each name of a scenario. A word that is also an ordinary one (`a`) folds
/// with it: both sides of a comparison are folded alike.
fn words(scenario: &Scenario) -> BTreeMap<String, &'static str> {
    let mut words = BTreeMap::new();
    words.extend(scenario.backends.keys().map(|name| (name.clone(), "BACKEND")));
    words.extend(scenario.relays.keys().map(|name| (name.clone(), "RELAY")));
    words.extend(scenario.users.keys().map(|name| (name.clone(), "USER")));
    words.extend(scenario.conversations.keys().map(|name| (name.clone(), "ROOM")));
    let devices: BTreeSet<String> =
        scenario.machines().into_iter().filter(|it| it.contains('/')).collect();
    words.extend(devices.into_iter().map(|name| (name, "DEVICE")));
    for op in scenario.ops.iter().flat_map(Op::occurrences) {
        if let OpKind::Send { id, .. } = op.kind {
            words.insert(id, "MESSAGE");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use scenarios::language;

    use super::*;

    const TEXT: &str =
        "name = 'test'\nlimit = '1s'\nbackends = { a = {} }\nusers = { alice = { backend = 'a' } }
conversations = { team = { creator = 'alice', members = [], delivery = 'eventual' } }\n";

    fn candidate(sends: usize, method: Method) -> Candidate {
        let send = |n: usize| {
            format!("[[ops]]\nat = '0s'\nsend = {{ id = 'm{n}', from = 'alice', to = 'team' }}\n")
        };
        let text = TEXT.to_owned() + &(0..sends).map(send).collect::<String>();
        Candidate { scenario: language::parse("test", &text).expect("a scenario"), method }
    }

    #[test]
    fn the_smallest_run_of_a_kind_is_kept_and_the_first_is_told() {
        let violation = Violation { check: "it".to_owned(), sentence: "broke".to_owned() };
        let mut failures = Failures::default();
        let runs = [(5, Method::Drawn), (1, Method::EveryLeg), (2, Method::Pairs)];
        for (number, (sends, method)) in (7..).zip(runs) {
            failures.add(&candidate(sends, method), number, std::slice::from_ref(&violation));
        }
        let failures = failures.into_list();
        let found = &failures[0];
        assert_eq!((failures.len(), found.runs, found.smallest.scenario.ops.len()), (1, 3, 1));
        assert_eq!((found.found_at, found.found_by), (7, Method::Drawn));
    }
}
