//! A page about many runs: failures that are the same one stand together, passes are counted.

use std::collections::BTreeMap;

use checks::Record;
use maud::{Markup, html};

use crate::{
    html::frame,
    line::{self, Status, wall},
    signature,
    time::coarse,
    words::{count, grouped},
};

/// The page's file, where the runs' folders are.
pub const FILE: &str = "index.html";
/// The most runs that the page counts.
pub const MOST: usize = 20_000;
/// The most groups of failures that are shown.
const GROUPS: usize = 100;
/// The most runs of one group or one scenario that are named.
const RUNS: usize = 25;
/// The most scenarios in the table.
const SCENARIOS: usize = 1_000;

/// A run, as far as the page shows it.
#[derive(Clone, Debug)]
pub struct Row {
    scenario: String,
    seed: u64,
    status: Status,
    sentence: Option<String>,
    signature: Option<String>,
    simulated_ns: u64,
    wall_ms: u64,
    folder: Option<String>,
}

impl Row {
    /// Returns what the page shows of a run, whose folder is there, seen from the page, or was not
    /// kept.
    pub fn of(record: &Record, folder: Option<&str>) -> Self {
        let weaknesses = record.weaknesses();
        Self {
            scenario: record.scenario.name.clone(),
            seed: record.seed,
            status: Status::of(record, &weaknesses),
            sentence: line::sentence(record).or_else(|| weaknesses.first().cloned()),
            signature: signature::of(record),
            simulated_ns: record.ended.at_ns,
            wall_ms: record.meta.wall_ms,
            folder: folder.map(str::to_owned),
        }
    }

    /// Returns it as one whose folder was not kept.
    #[must_use]
    pub fn without_a_page(self) -> Self {
        Self { folder: None, ..self }
    }
}

/// Runs of the same kind.
#[derive(Default)]
struct Tally<'r> {
    rows: Vec<&'r Row>,
}

/// Returns the page about these runs, which are the first of `runs`.
pub fn render(rows: &[Row], runs: u64) -> String {
    let failed: Vec<&Row> =
        rows.iter().filter(|row| matches!(row.status, Status::Fail | Status::Unknown)).collect();
    let weak: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Warn).collect();
    let body = html! {
        header.top {
            p.over { "fedsim" }
            h1 { (count(runs, "runs")) }
            p.facts {
                (facts(rows))
                @if runs > rows.len() as u64 { "; this page has the first " (grouped(rows.len() as u64)) }
            }
        }
        main {
            @let (class, sign, word) = match (failed.is_empty(), weak.is_empty()) {
                (false, _) => ("fail", "✕", "FAIL"),
                (true, false) => ("warn", "!", "WARN"),
                (true, true) => ("pass", "✓", "PASS"),
            };
            section.verdict.(class) id="verdict" aria-label="Verdict" {
                p.word { span aria-hidden="true" { (sign) } " " (word) }
                p.sentence { (sentence(&failed, &weak)) }
            }
            @if !failed.is_empty() {
                details.section id="failures" open { summary { h2 { "Failures" } } (groups(&failed)) }
            }
            @if !weak.is_empty() {
                details.section id="weak" open {
                    summary { h2 { "Passes that prove less than they seem" } }
                    (table(&weak, "Passes that prove less"))
                }
            }
            details.section id="scenarios" open { summary { h2 { "Scenarios" } } (scenarios(rows)) }
        }
    };
    frame::page(&format!("fedsim: {}", count(runs, "runs")), &body)
}

fn facts(rows: &[Row]) -> String {
    let of = |status| rows.iter().filter(|row| row.status == status).count() as u64;
    let words = [
        (Status::Pass, "pass"),
        (Status::Fail, "fail"),
        (Status::Warn, "warn"),
        (Status::Unknown, "unknown"),
    ];
    let counted =
        words.map(|(status, word)| (of(status), word)).into_iter().filter(|(n, _)| *n > 0);
    let counted: Vec<String> = counted.map(|(n, word)| format!("{} {word}", grouped(n))).collect();
    let simulated = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.simulated_ns));
    format!("{}; {} simulated", counted.join(", "), coarse(simulated))
}

fn sentence(failed: &[&Row], weak: &[&Row]) -> String {
    let kinds = by_signature(failed).len() as u64;
    match failed.len() {
        0 if weak.is_empty() => "Everything that was promised was kept.".to_owned(),
        0 => {
            let runs = count(weak.len() as u64, "runs");
            format!("Everything that was promised was kept, but {runs} may prove less than that.")
        }
        runs => {
            let kinds = if kinds == 1 { "one kind".to_owned() } else { count(kinds, "kinds") };
            format!("{} failed, in {kinds}.", count(runs as u64, "runs"))
        }
    }
}

fn by_signature<'r>(failed: &[&'r Row]) -> Vec<(&'r str, Tally<'r>)> {
    let mut groups: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    for row in failed {
        groups.entry(row.signature.as_deref().unwrap_or_default()).or_default().rows.push(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.rows.len()));
    groups
}

fn groups(failed: &[&Row]) -> Markup {
    let groups = by_signature(failed);
    html! {
        @for (signature, tally) in groups.iter().take(GROUPS) {
            h3 { (signature) }
            p.hint { (count(tally.rows.len() as u64, "runs")) }
            (table(&tally.rows, signature))
        }
        @if groups.len() > GROUPS { p.hint { "and " (groups.len() - GROUPS) " more kinds of failures" } }
    }
}

fn table(rows: &[&Row], label: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { th { "run" } th.num { "seed" } th { "found" } } }
                tbody {
                    @for row in rows.iter().take(RUNS) {
                        tr {
                            th scope="row" { (link(row, &row.scenario)) }
                            td.num { (row.seed) }
                            td { (row.sentence.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        @if rows.len() > RUNS { p.hint { "and " (grouped((rows.len() - RUNS) as u64)) " more like these" } }
    }
}

fn link(row: &Row, text: &str) -> Markup {
    html! {
        @match &row.folder {
            Some(folder) => a href={ "./" (folder) "/" (page_of(row)) } { (text) },
            None => (text),
        }
    }
}

/// Returns the file that shows a run best and is there for certain.
fn page_of(row: &Row) -> &'static str {
    if row.status == Status::Pass { "report.txt" } else { "report.html" }
}

fn scenarios(rows: &[Row]) -> Markup {
    let mut by_scenario: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    for row in rows {
        by_scenario.entry(&row.scenario).or_default().rows.push(row);
    }
    let left = by_scenario.len().saturating_sub(SCENARIOS);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Scenarios" {
            table {
                thead { tr { th { "scenario" } th.num { "runs" } th.num { "passed" } th.num { "not" } th.num { "simulated" } th.num { "slowest" } } }
                tbody { @for (name, tally) in by_scenario.iter().take(SCENARIOS) { (scenario(name, &tally.rows)) } }
            }
        }
        @if left > 0 { p.hint { "and " (grouped(left as u64)) " more scenarios" } }
    }
}

fn scenario(name: &str, rows: &[&Row]) -> Markup {
    let passed =
        rows.iter().filter(|row| matches!(row.status, Status::Pass | Status::Warn)).count();
    let not = rows.len() - passed;
    let simulated = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.simulated_ns));
    let slowest = rows.iter().map(|row| row.wall_ms).max().unwrap_or(0);
    html! {
        tr {
            th scope="row" { @match rows { [row] => (link(row, name)), _ => (name) } }
            td.num { (rows.len()) }
            td.num { (passed) }
            td.num.bad[not > 0] { @if not > 0 { "✕ " } (not) }
            td.num { (coarse(simulated)) }
            td.num { (wall(slowest)) }
        }
    }
}
