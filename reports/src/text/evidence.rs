//! The evidence: the journal entries that show the first violation, in order.

use checks::record::Record;

use crate::{
    evidence::{find, path, result, shown, what},
    table::{Table, left, right},
    time::signed,
    words,
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
            signed(event.at_ns),
            path(event),
            what(event),
            result(event).unwrap_or_default(),
        ]);
    }
    let rows = table.lines();
    if rows.is_empty() {
        return Vec::new();
    }
    let about = check.message.as_ref().map(|message| format!(", {message}")).unwrap_or_default();
    let mut lines = vec![format!("evidence: {}{about}", check.name)];
    // The folder is the one place that is known wherever the report is read.
    let rest = format!("in this folder: {} show . --evidence", words::program(record));
    lines.extend(ends(rows.concat(), &rest));
    lines
}

/// Keeps how it began and how it ended; what does not fit in between is left out, and `rest` says how to
/// see it.
fn ends(mut rows: Vec<String>, rest: &str) -> Vec<String> {
    if rows.len() > MOST {
        let tail = rows.split_off(rows.len() - MOST / 2);
        let left_out = rows.split_off(MOST - 1 - tail.len()).len();
        rows.push(format!("  … {left_out} more; {rest} …"));
        rows.extend(tail);
    }
    rows
}
