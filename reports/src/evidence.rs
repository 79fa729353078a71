//! The journal entries that show the first violation, and how one entry reads.

use checks::record::{CheckRecord, CheckVerdict, EventRecord, Record};

use crate::line;

/// Returns the check that failed the run, or else the first one that was violated as it must be.
pub fn shown(record: &Record) -> Option<&CheckRecord> {
    line::first_failing(record)
        .filter(|check| !check.evidence.is_empty())
        .or_else(|| record.checks.iter().find(|check| check.verdict == CheckVerdict::Violated))
}

/// Returns the event numbered `n`.
pub fn find(events: &[EventRecord], n: u64) -> Option<&EventRecord> {
    let index = events.binary_search_by_key(&n, |event| event.n).ok()?;
    events.get(index)
}

/// Says where an event happened: `a`, or `a → b`.
pub fn path(event: &EventRecord) -> String {
    match &event.to {
        Some(to) => format!("{} → {to}", event.node),
        None => event.node.clone(),
    }
}

/// Says what an event is: `request_sent prepare m1`.
pub fn what(event: &EventRecord) -> String {
    // A note's topic alone says what kind of thing it is.
    let kind = if event.kind == "note" { "" } else { &event.kind };
    let message = event.message.as_deref().unwrap_or_default();
    format!("{kind} {} {message}", event.what).trim().to_owned()
}

/// Says how an event ended, and why: `200`, `lost: partition a | b`, `given up after 10s: crash b`.
pub fn result(event: &EventRecord) -> Option<String> {
    match (&event.result, &event.why) {
        (Some(result), Some(why)) => Some(format!("{result}: {why}")),
        (result, why) => result.clone().or_else(|| why.clone()),
    }
}

/// Returns whether an event says that something came to nothing.
pub fn is_loss(event: &EventRecord) -> bool {
    matches!(&*event.kind, "request_lost" | "request_dropped" | "connect_failed")
        || event.result.as_deref().is_some_and(|result| result.starts_with("lost"))
}

/// Returns the event at which the shown violation happened: the last of its evidence that is not
/// later than it.
pub fn violation(record: &Record) -> Option<&EventRecord> {
    let check = shown(record).filter(|check| check.verdict == CheckVerdict::Violated)?;
    let at_ns = i64::try_from(check.at_ns?).unwrap_or(i64::MAX);
    let mut evidence = check.evidence.iter().rev().filter_map(|n| find(&record.events, *n));
    evidence.find(|event| event.at_ns <= at_ns)
}
