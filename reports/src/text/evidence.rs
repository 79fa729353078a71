//! The evidence: the journal entries that show the first violation, in order.

use std::path::Path;

use checks::record::Record;

use crate::{
    evidence::{find, path, result, shown, what},
    folder, shell,
    table::{Table, left, right},
    time::signed,
    words,
};

/// The most lines of the table.
const MOST: usize = 13;
/// The most characters of a command.
const COMMAND: usize = 78;

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
    lines.extend(ends(rows.concat(), &rest(record)));
    lines
}

/// Returns the command that shows all of the evidence. A run is known by the name of its folder.
fn rest(record: &Record) -> String {
    let folder = folder::of(Path::new(""), &record.scenario.name, record.seed);
    let program = words::program(record);
    let command = format!("{program} show {} --evidence", shell::word(&folder));
    if command.chars().count() > COMMAND { format!("{program} show . --evidence") } else { command }
}

/// Keeps how it began and how it ended; what does not fit in between is left out, and can be seen
/// by a command.
fn ends(mut rows: Vec<String>, command: &str) -> Vec<String> {
    if rows.len() > MOST {
        let tail = rows.split_off(rows.len() - MOST / 2);
        let left_out = rows.split_off(MOST - 1 - tail.len()).len();
        rows.push(format!("  … {left_out} more: {command} …"));
        rows.extend(tail);
    }
    rows
}
