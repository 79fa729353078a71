//! `fedsim bench`: measures what a simulation costs, and shows each figure beside its goal.
//!
//! Reading order: [`table`] has the rows and their goals; [`row`] says what a row is, and [`turns`]
//! how one thing is measured against another. Then the measurements, a file each: `idle` for idle
//! worlds, `turmoil` and `request` for comparisons, `federation`, `share` and `threads` for whole
//! scenarios, `commit` for the disk, `load` for a real homeserver. The work that they measure is in the crate `workloads`, which
//! `benches/` measures too.
//!
//! Every goal is a ratio, so that it means the same on any machine: to stock turmoil, to the
//! loopback, to a file, or to a yardstick, which is a fixed amount of the kind of work that runs
//! spend their time on (`workloads::yardstick`). Both sides are measured in one run, in turns, and
//! the median round counts. Figures in seconds are in the details, for information. CPU time is
//! that of the process. Where two threads are compared with one, it has to be wall time, and the
//! best of several tries counts.

mod commit;
mod federation;
mod idle;
mod load;
mod request;
mod row;
mod share;
mod table;
mod threads;
mod turmoil;
mod turns;

use serde_json::json;

use self::{
    row::{Length, Measured, Row},
    table::ROWS,
};
use crate::{
    arguments::Bench,
    exit::{Exit, Stop},
    output::Output,
};

/// The widths of the columns: a row's name, what it measures, its goal, its figure.
const WIDTHS: (usize, usize, usize, usize) = (16, 50, 13, 13);

/// Measures every row whose name contains the filter, and prints each as soon as it is measured.
pub(crate) fn bench(wanted: &Bench, output: &mut Output) -> Result<Exit, Stop> {
    let meant = |row: &&Row| wanted.row.as_deref().is_none_or(|part| row.name.contains(part));
    let rows: Vec<&Row> = ROWS.iter().filter(meant).collect();
    if rows.is_empty() {
        let names = ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let message = format!("no row's name contains the filter\nthe rows are {names}");
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    let length = if wanted.quick { Length::Quick } else { Length::Full };
    heading(output)?;
    let mut exit = Exit::Holds;
    for row in rows {
        match (row.measure)(length) {
            Ok(measured) => show(row, &measured, output)?,
            Err(why) => {
                exit = Exit::Internal;
                output.refusal(&format!("{}: {why}", row.name))?;
            }
        }
    }
    Ok(exit)
}

fn heading(output: &mut Output) -> Result<(), Stop> {
    let (name, what, goal, figure) = WIDTHS;
    let columns = format!("{:<name$}  {:<what$}  {:>goal$}  ", "row", "measures", "goal");
    Ok(output.line(&format!("{columns}{:>figure$}", "measured"))?)
}

fn show(row: &Row, measured: &Measured, output: &mut Output) -> Result<(), Stop> {
    let falls_short = !row.goal.is_reached(measured.figure);
    let (name, what, goal, figure) = WIDTHS;
    let mut line = format!(
        "{:<name$}  {:<what$}  {:>goal$}  {:>figure$}",
        row.name,
        row.what,
        row.goal.text(row.unit),
        row.unit.text(measured.figure),
    );
    if falls_short {
        line.push_str("  falls short");
    }
    output.line(&line)?;
    if !output.quiet {
        output.line(&format!("{:<name$}  ({})", "", measured.detail))?;
    }
    output.object(&json!({
        "type": "bench",
        "row": row.name,
        "measures": row.what,
        "goal": row.goal.limit(),
        "goal_is": row.goal.word(),
        "measured": measured.figure,
        "unit": row.unit.word(),
        "detail": measured.detail,
        "falls_short": falls_short,
    }))?;
    Ok(())
}
