//! The evidence: the journal entries that show the first violation, in order.

use checks::record::{CheckRecord, CheckVerdict, EventRecord, Record};

use crate::{
    line,
    table::{Table, left, right},
    time::exact,
};

/// The most lines of the table.
const MOST: usize = 13;

pub(super) fn lines(record: &Record) -> Vec<String> {
    let Some(check) = shown(record) else { return Vec::new() };
    let mut table =
        Table::new(vec![right(10), right(16), left(24), left(40), left(usize::MAX)]).wrapping(1);
    for n in &check.evidence {
        let Some(event) = find(&record.events, *n) else { continue };
        table.push(&[
            format!("#{n}"),
            since_ready(event.at_ns, record.ready_ns),
            path(event),
            what(event),
            event.result.clone().unwrap_or_default(),
        ]);
    }
    let rows = table.lines();
    if rows.is_empty() {
        return Vec::new();
    }
    let about = check.message.as_ref().map(|message| format!(", {message}")).unwrap_or_default();
    let mut lines = vec![format!("evidence: {}{about}", check.name)];
    lines.extend(ends(rows.concat()));
    lines
}

/// Keeps how it began and how it ended; what does not fit in between is left out.
fn ends(mut rows: Vec<String>) -> Vec<String> {
    if rows.len() > MOST {
        let tail = rows.split_off(rows.len() - MOST / 2);
        let left_out = rows.split_off(MOST - 1 - tail.len()).len();
        rows.push(format!("  … {left_out} more …"));
        rows.extend(tail);
    }
    rows
}

/// Returns the check that failed the run, or else the first one that was violated as it must be.
fn shown(record: &Record) -> Option<&CheckRecord> {
    line::first_failing(record)
        .filter(|check| !check.evidence.is_empty())
        .or_else(|| record.checks.iter().find(|check| check.verdict == CheckVerdict::Violated))
}

fn find(events: &[EventRecord], n: u64) -> Option<&EventRecord> {
    let index = events.binary_search_by_key(&n, |event| event.n).ok()?;
    events.get(index)
}

/// Counts a time as the rest of the report does, from the moment the cluster was ready; what led to
/// a fault may lie before that.
fn since_ready(at_ns: u64, ready_ns: u64) -> String {
    match at_ns.checked_sub(ready_ns) {
        Some(after) => exact(after),
        None => format!("-{}", exact(ready_ns - at_ns)),
    }
}

fn path(event: &EventRecord) -> String {
    match &event.to {
        Some(to) => format!("{} → {to}", event.node),
        None => event.node.clone(),
    }
}

fn what(event: &EventRecord) -> String {
    // A note's topic alone says what kind of thing it is.
    let kind = if event.kind == "note" { "" } else { &event.kind };
    let message = event.message.as_deref().unwrap_or_default();
    format!("{kind} {} {message}", event.what).trim().to_owned()
}
