//! Which situations of the protocol a run reached: states of links, machines and exchanges that
//! came together, not lines of code. A run that reached a new one is worth changing further.
//!
//! A situation is short text without names, so that the same one on two machines counts once:
//! - an exchange: its endpoint, how it ended, the kinds of faults that touched it, whether it was a
//!   repetition, and whether one of its machines started anew while it was under way:
//!   `prepare 200, under partition, repeated`;
//! - a fault that begins while an exchange is under way that it touches: `crash at decision
//!   arrived`; and one that begins while another is in force: `crash within partition`;
//! - a message: how its send ended, under which faults, and how many of the devices saw it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use checks::{
    history::{Exchange, History, Message, user_of},
    record::OpOutcome,
};
use journal::{Loss, fault::FaultReport};

/// A situation, as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Situation(String);

impl Situation {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Repetitions of a request are told apart up to this one.
const MOST_REPETITIONS: u64 = 3;

/// Returns every situation that a run reached. `reports` are its faults, by their number from 1.
pub fn reached(history: &History<'_>, reports: &[FaultReport]) -> BTreeSet<Situation> {
    let faults = Faults::of(history, reports);
    let mut found = BTreeSet::new();
    exchanges(history, &faults, &mut found);
    beginnings(history, &faults, &mut found);
    for message in &history.messages {
        found.insert(of_message(history, message, &faults));
    }
    found.into_iter().map(Situation).collect()
}

/// The faults of a run that began.
struct Faults<'h> {
    all: Vec<Begun<'h>>,
    /// Kinds by the request that they touched.
    by_request: BTreeMap<u64, BTreeSet<&'static str>>,
}

struct Begun<'h> {
    kind: &'static str,
    /// The journal entry that began it.
    from: u64,
    report: &'h FaultReport,
}

impl<'h> Faults<'h> {
    fn of(history: &History<'_>, reports: &'h [FaultReport]) -> Self {
        let begun = history.faults.iter().filter_map(|(moment, index, number)| {
            let kind = history.scenario.faults.get(*index)?.kind.key();
            let place = usize::try_from(*number).ok()?.checked_sub(1)?;
            Some(Begun { kind, from: moment.n, report: reports.get(place)? })
        });
        let all: Vec<Begun<'h>> = begun.collect();
        let mut by_request: BTreeMap<u64, BTreeSet<&'static str>> = BTreeMap::new();
        for fault in &all {
            for request in &fault.report.requests {
                by_request.entry(*request).or_default().insert(fault.kind);
            }
        }
        Self { all, by_request }
    }

    /// Returns the kinds that were in force at some time between two moments.
    fn between(
        &self,
        from: std::time::Duration,
        to: std::time::Duration,
    ) -> BTreeSet<&'static str> {
        let in_force = |fault: &&Begun<'_>| {
            fault.report.from <= to && fault.report.until.is_none_or(|until| until >= from)
        };
        self.all.iter().filter(in_force).map(|fault| fault.kind).collect()
    }
}

fn exchanges(history: &History<'_>, faults: &Faults<'_>, found: &mut BTreeSet<String>) {
    let ready = history.ready.map_or(0, |ready| ready.n);
    let mut sent: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for exchange in &history.exchanges {
        if exchange.endpoint.is_empty() || exchange.sent.n < ready {
            continue;
        }
        let times = sent.entry((exchange.from, exchange.to, &exchange.request.target)).or_default();
        *times += 1;
        // A poll is repeated by design.
        let is_poll = history.vocabulary.long_polls.contains(&exchange.endpoint);
        let times = if is_poll { 1 } else { (*times).min(MOST_REPETITIONS) };
        found.insert(of_exchange(history, exchange, times, faults));
    }
}

fn of_exchange(
    history: &History<'_>,
    exchange: &Exchange<'_>,
    times: u64,
    faults: &Faults<'_>,
) -> String {
    let mut text = format!("{} {}", exchange.endpoint, fate(exchange));
    if let Some(kinds) = faults.by_request.get(&exchange.sent.n) {
        write!(text, ", under {}", joined(kinds)).expect("a String takes all text");
    }
    match times {
        1 => {}
        2 => text.push_str(", repeated"),
        _ => text.push_str(", repeated again"),
    }
    let end = exchange.concluded().map_or(u64::MAX, |end| end.n);
    for (machine, role) in [(exchange.from, "asker"), (exchange.to, "answerer")] {
        if history.booted_between(machine, exchange.sent.n, end).is_some() {
            write!(text, ", {role} started anew").expect("a String takes all text");
        }
    }
    text
}

/// Returns how an exchange ended for whoever asked.
fn fate(exchange: &Exchange<'_>) -> String {
    if exchange.answer_arrived.is_some() {
        return exchange.status().to_string();
    }
    let reached = match (exchange.answer, exchange.arrived) {
        (Some(_), _) => "answered and",
        (None, Some(_)) => "arrived and",
        (None, None) => "never arrived and",
    };
    let why = match exchange.lost {
        None => "unanswered at the end",
        // Who let go first makes no difference to the protocol.
        Some((_, Loss::GivenUp)) => Loss::Closed.word(),
        Some((_, why)) => why.word(),
    };
    format!("{reached} {why}")
}

/// Notes what was under way when each fault began.
fn beginnings(history: &History<'_>, faults: &Faults<'_>, found: &mut BTreeSet<String>) {
    for fault in &faults.all {
        for number in &fault.report.requests {
            let Some(exchange) = history.exchange(*number) else { continue };
            if let Some(phase) = phase(exchange, fault.from) {
                found.insert(format!("{} at {} {phase}", fault.kind, exchange.endpoint));
            }
        }
        for other in &faults.all {
            let is_later = other.report.from > fault.report.from;
            if is_later && fault.report.until.is_none_or(|until| until > other.report.from) {
                found.insert(format!("{} within {}", other.kind, fault.kind));
            }
        }
    }
}

/// Returns how far an exchange had come at entry `n`; none if it was not under way.
fn phase(exchange: &Exchange<'_>, n: u64) -> Option<&'static str> {
    if exchange.sent.n > n || exchange.concluded().is_some_and(|end| end.n < n) {
        return None;
    }
    let answered = exchange.answer.is_some_and(|answer| answer.sent.n <= n);
    let arrived = exchange.arrived.is_some_and(|arrived| arrived.n <= n);
    Some(match (arrived, answered) {
        (_, true) => "answered",
        (true, false) => "arrived",
        (false, false) => "sent",
    })
}

fn of_message(history: &History<'_>, message: &Message, faults: &Faults<'_>) -> String {
    let ended = message.ended.as_ref();
    let outcome = match ended.map(|ended| ended.outcome) {
        Some(OpOutcome::Ok) => "accepted",
        Some(OpOutcome::Refused) => "refused",
        Some(OpOutcome::Indefinite) => "unanswered",
        None => "never ended",
    };
    let others: BTreeSet<&str> =
        history.sightings_of(&message.name).map(|it| &*it.device).collect();
    let users: BTreeSet<&str> = others.into_iter().map(user_of).collect();
    let members = history.scenario.conversations.get(&message.conversation);
    let members = members.map_or(0, |it| it.members.len() + 1);
    let seen = match users.len() {
        0 => "seen by nobody",
        seen if seen >= members => "seen by all",
        _ => "seen by some",
    };
    let until = ended.map_or(message.began.at, |ended| ended.at.at);
    let mut text = format!("message {outcome}, {seen}");
    let kinds = faults.between(message.began.at, until);
    if !kinds.is_empty() {
        write!(text, ", under {}", joined(&kinds)).expect("a String takes all text");
    }
    text
}

fn joined(kinds: &BTreeSet<&'static str>) -> String {
    kinds.iter().copied().collect::<Vec<_>>().join(" and ")
}
