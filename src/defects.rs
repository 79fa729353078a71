//! `fedsim defects`: plants each known defect in the servers, and shows how fast exploration finds
//! it.

use std::{fs, path::Path, sync::atomic::Ordering};

use defects::{CAN_PLANT, Defect};
use explore::hunt::{self, Found, Hunt};
use serde_json::json;

use crate::{
    arguments::Defects,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
    stopwatch::Stopwatch,
    threads,
};

/// The lines of a page between which the table stands.
const BEGIN: &str = "<!-- found: begin -->";
const END: &str = "<!-- found: end -->";

/// Looks for each defect that was asked for.
pub(crate) fn defects(wanted: &Defects, output: &mut Output) -> Result<Exit, Stop> {
    if !CAN_PLANT {
        let message = "no defect can be planted in this build\nbuild it with --features defects";
        return Err(Stop::because(Exit::Usage, message));
    }
    let is_known = |name: &&String| Defect::ALL.iter().any(|it| it.name().contains(name.as_str()));
    if let Some(unknown) = wanted.names.iter().find(|name| !is_known(name)) {
        let message =
            format!("no defect's name contains {unknown:?}\nleave it out to see them all");
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    if wanted.page.is_some() && !wanted.names.is_empty() {
        let message = "the table of a page is about all defects\nleave out the names, or --page";
        return Err(Stop::because(Exit::Usage, message));
    }
    let chosen = Defect::ALL.iter().copied().filter(|it| is_meant(*it, wanted));
    let chosen: Vec<Defect> = chosen.collect();
    let hunt = Hunt {
        bases: hunt::bases(),
        runs: wanted.runs,
        seed: wanted.seed,
        threads: threads::count(wanted.jobs),
    };
    let stop = interrupt::flag();
    let progress = output.begin_progress(chosen.len());
    let mut rows = Vec::new();
    for defect in chosen {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let began = Stopwatch::start();
        let found = threads::begun(hunt.find(defect, stop))?;
        if found.is_none() && stop.load(Ordering::Relaxed) {
            // It was not looked for to the end.
            break;
        }
        let row = Row { defect, found, wall_ms: began.elapsed_ms() };
        progress.inc(1);
        row.show(output)?;
        row.keep(&wanted.out)?;
        rows.push(row);
    }
    output.end_progress();
    conclude(&rows, wanted, output)
}

fn is_meant(defect: Defect, wanted: &Defects) -> bool {
    let mut names = wanted.names.iter();
    wanted.names.is_empty() || names.any(|name| defect.name().contains(name.as_str()))
}

/// What came of one defect.
struct Row {
    defect: Defect,
    found: Option<Found>,
    wall_ms: u64,
}

impl Row {
    fn show(&self, output: &mut Output) -> Result<(), Stop> {
        let name = self.defect.name();
        let Some(found) = &self.found else {
            output.word(Tone::Bad, "Not found", name)?;
            return Ok(output.object(&json!({ "type": "defect", "name": name, "found": false }))?);
        };
        let (check, run) = (&found.violation.check, found.run);
        let size = found.shrunk.as_ref().map(explore::Shrunk::size);
        let (faults, ops) = size.unwrap_or_default();
        let (method, wall) = (found.method, reports::line::wall(self.wall_ms));
        let text = format!(
            "[{wall:>8}] {name:<44} run {run:>3} ({method}), {faults} faults, {ops} operations: {check}"
        );
        output.word(Tone::Good, "Found", &text)?;
        output.object(&json!({
            "type": "defect",
            "name": name,
            "found": true,
            "run": run,
            "method": found.method.word(),
            "check": check,
            "sentence": found.violation.sentence,
            "faults": faults,
            "operations": ops,
            "wall_ms": self.wall_ms,
        }))?;
        Ok(())
    }

    /// Writes the scenario that shows it.
    fn keep(&self, out: &Path) -> Result<(), Stop> {
        let Some(shrunk) = self.found.as_ref().and_then(|found| found.shrunk.as_ref()) else {
            return Ok(());
        };
        let path = out.join(format!("{}.toml", self.defect.name()));
        let written = fs::create_dir_all(out).and_then(|()| fs::write(&path, shrunk.to_toml()));
        written.map_err(|error| {
            Stop::because(Exit::Usage, format!("cannot write {}: {error}", path.display()))
        })
    }

    /// Returns its line in a table.
    fn line(&self) -> String {
        let name = self.defect.name();
        match &self.found {
            None => format!("| `{name}` | not found | | | | |"),
            Some(found) => {
                let size = found.shrunk.as_ref().map(explore::Shrunk::size);
                let (faults, ops) = size.unwrap_or_default();
                let Found { run, method, violation, .. } = found;
                let (check, wall) = (&violation.check, reports::line::wall(self.wall_ms));
                format!("| `{name}` | {run} | {method} | {wall} | {faults}, {ops} | {check} |")
            }
        }
    }
}

fn conclude(rows: &[Row], wanted: &Defects, output: &mut Output) -> Result<Exit, Stop> {
    let mut runs: Vec<u64> =
        rows.iter().filter_map(|row| row.found.as_ref()).map(|found| found.run).collect();
    runs.sort_unstable();
    // Of all of them: what is not found takes more runs than any that is.
    let median = runs.get(rows.len() / 2);
    let told = median.map_or_else(|| "beyond that".to_owned(), u64::to_string);
    let summary = format!(
        "{} of {} found within {} runs, median {told}",
        runs.len(),
        rows.len(),
        wanted.runs
    );
    output.word(Tone::Plain, "Summary", &summary)?;
    output.object(&json!({
        "type": "defects",
        "found": runs.len(),
        "of": rows.len(),
        "median": median,
    }))?;
    if let Some(page) = wanted.page.as_ref().filter(|_| !interrupt::is_set()) {
        write_table(page, rows, &summary)?;
    }
    Ok(match rows {
        _ if interrupt::is_set() => Exit::Interrupted,
        rows if runs.len() < rows.len() => Exit::Violated,
        _ => Exit::Holds,
    })
}

/// Puts the table into a page.
fn write_table(page: &Path, rows: &[Row], summary: &str) -> Result<(), Stop> {
    let unusable = |why: &dyn std::fmt::Display| {
        Stop::because(Exit::Usage, format!("cannot write the table to {}: {why}", page.display()))
    };
    let text = fs::read_to_string(page).map_err(|error| unusable(&error))?;
    let parts =
        text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(unusable(&format!("it has no lines {BEGIN} and {END}")));
    };
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    let text = format!(
        "{before}{BEGIN}\n{summary}.\n\n| defect | found in run | by | within | faults, operations | check |\n|---|---|---|---:|---|---|\n{}\n{END}{after}",
        lines.join("\n")
    );
    fs::write(page, text).map_err(|error| unusable(&error))
}
