//! What a campaign came to, as text and as an object for programs.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write as _,
    path::PathBuf,
    sync::atomic::AtomicBool,
};

use explore::{Campaign, Exploration, Failure, Shrunk, shrink};
use reports::shell;
use serde_json::json;

use super::{On, corpus, live::Live};
use crate::{
    exit::{Exit, Stop},
    interrupt, invocation,
    output::{Output, Tone},
    run::counted,
    stopwatch::Stopwatch,
};

/// How long failures are made small after a search that was given a time: as long as the search took, and
/// at least so long. Those that are left then are kept as they were found.
const SHRUNK_WITHIN_MS: u64 = 60_000;

/// The most kinds of failures that are explained.
const EXPLAINED: usize = 20;

/// Shows it. The exit code says whether a promise was broken.
pub(super) fn show(
    explored: Exploration,
    campaign: &Campaign,
    on: On<'_>,
    live: &mut Live,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let wall_ms = live.wall_ms();
    let interrupted = interrupt::is_set();
    let exit = exit(&explored, interrupted);
    let wall = reports::line::wall(wall_ms);
    output.word(Tone::Plain, "Summary", &format!("[{wall:>8}] {}", counts(&explored, wall_ms)))?;
    let mut known = knowledge(&explored);
    if on.wanted.seed.is_none() {
        known.push(format!("the seed was {}", campaign.seed));
    }
    if interrupted {
        live.ended_early(interrupt::ENDED);
        known.push(interrupt::ENDED.to_owned());
    }
    for line in known {
        output.line(&format!("{}{line}", " ".repeat(reports::line::INDENT)))?;
    }
    let object = json!({
        "type": "exploration",
        "runs": explored.count(),
        "passed": explored.passed,
        "failed": explored.failed,
        "unknown": explored.unknown,
        "inert": explored.inert,
        "situations": explored.coverage.count(),
        "unseen_situations": explored.coverage.unseen(),
        "news_per_run": explored.coverage.news_per_run(),
        "exhausted": explored.is_exhausted,
        "seed": campaign.seed,
        "wall_ms": wall_ms,
        "exit": exit.code(),
    });
    let mut failures = Vec::new();
    let began = Stopwatch::start();
    let most = on.wanted.time.map(|_| wall_ms.max(SHRUNK_WITHIN_MS));
    for failure in explored.into_failures() {
        let is_late = most.is_some_and(|most| began.elapsed_ms() > most);
        let explained = smaller(failure, on, is_late, output)?;
        let story = explained.shrunk.as_ref().map(Shrunk::story).unwrap_or_default();
        live.made_small(&explained.failure, &explained.file, story)?;
        failures.push(explained);
    }
    let failures = merged(failures);
    for failure in failures.iter().take(EXPLAINED) {
        explain(failure, output)?;
    }
    if failures.len() > EXPLAINED {
        output.line(&format!("\n  and {} more kinds of failures", failures.len() - EXPLAINED))?;
    }
    output.object(&object)?;
    Ok(exit)
}

fn exit(explored: &Exploration, interrupted: bool) -> Exit {
    match explored {
        _ if interrupted => Exit::Interrupted,
        explored if explored.failed > 0 => Exit::Violated,
        // A campaign says how often nothing bad was seen; a run that could not be judged is none
        // of those.
        explored if explored.passed == 0 => Exit::Inconclusive,
        _ => Exit::Holds,
    }
}

fn counts(explored: &Exploration, wall_ms: u64) -> String {
    let runs = explored.count();
    let rate = runs * 1000 / wall_ms.max(1);
    let mut text = format!("{runs} runs, {rate}/s: {} passed", explored.passed);
    for (count, word) in [(explored.failed, "failed"), (explored.unknown, "unknown")] {
        if count > 0 {
            write!(text, " · {count} {word}").expect("a String takes all text");
        }
    }
    let ways = explored.runs.iter().map(|(method, runs)| format!("{runs} {method}"));
    format!("{text} ({})", ways.collect::<Vec<_>>().join(", "))
}

/// Returns what the runs say about those that were not made.
fn knowledge(explored: &Exploration) -> Vec<String> {
    let coverage = &explored.coverage;
    let mut lines = vec![format!(
        "{} situations, about {} more in reach; a further run shows {:.2} new ones (Good-Turing)",
        coverage.count(),
        coverage.unseen(),
        coverage.news_per_run(),
    )];
    if explored.failed == 0 && explored.passed > 0 {
        lines.push(format!(
            "0 failures in {} runs: of runs like these fewer than {} fail (95 %)",
            explored.passed,
            bound(explored.passed)
        ));
    }
    if explored.inert > 0 {
        lines.push(format!("{} of them had a fault that never began", explored.inert));
    }
    if let Some(why) = &explored.first_unknown {
        lines.push(format!("{} could not be judged, the first because {why}", explored.unknown));
    }
    if explored.is_exhausted {
        lines.push("everything that these ways have to try was tried".to_owned());
    }
    lines
}

/// Returns the rule of three: with no failure in `runs`, fewer than this share fail, at 95 %.
fn bound(runs: u64) -> String {
    match runs {
        0..=3 => "all".to_owned(),
        _ => format!("1 in {}", runs / 3),
    }
}

/// A kind of failure, made small.
struct Explained {
    failure: Failure,
    shrunk: Option<Shrunk>,
    file: PathBuf,
}

/// Shrinks the smallest scenario of a kind of failure, and writes what is left.
fn smaller(
    failure: Failure,
    on: On<'_>,
    is_late: bool,
    output: &mut Output,
) -> Result<Explained, Stop> {
    let Failure { violation, smallest, .. } = &failure;
    if !output.quiet {
        output.progress_says(format!("shrinking {}", violation.check));
    }
    let (subject, wanted) = (on.program.subject(), on.wanted);
    let late = AtomicBool::new(true);
    let stop = if is_late { &late } else { interrupt::flag() };
    let shrunk = shrink(&subject, &smallest.scenario, &violation.check, stop);
    let file = match &shrunk {
        Some(shrunk) => corpus::write(&wanted.out, &shrunk.scenario.name, &shrunk.to_toml())?,
        None => corpus::keep(&wanted.out, &violation.check, &smallest.scenario)?,
    };
    Ok(Explained { failure, shrunk, file })
}

/// Puts those together that came down to the same: the same check, the same kinds of faults. The
/// smallest is kept, and those come first that are smallest.
fn merged(failures: Vec<Explained>) -> Vec<Explained> {
    let mut kinds: BTreeMap<(String, Vec<&'static str>), Explained> = BTreeMap::new();
    for one in failures {
        let faults = one.shrunk.as_ref().map(|shrunk| &shrunk.scenario.faults);
        let mut keys: Vec<&'static str> =
            faults.into_iter().flatten().map(|fault| fault.kind.key()).collect();
        keys.sort_unstable();
        match kinds.entry((one.failure.violation.check.clone(), keys)) {
            Entry::Vacant(free) => {
                free.insert(one);
            }
            Entry::Occupied(mut known) => {
                let runs = known.get().failure.runs + one.failure.runs;
                if one.size() < known.get().size() {
                    known.insert(one);
                }
                known.get_mut().failure.runs = runs;
            }
        }
    }
    let mut list: Vec<Explained> = kinds.into_values().collect();
    list.sort_by_key(|one| (one.size(), one.failure.found_at));
    list
}

impl Explained {
    fn size(&self) -> (usize, usize) {
        self.shrunk.as_ref().map_or((usize::MAX, 0), Shrunk::size)
    }
}

fn explain(explained: &Explained, output: &mut Output) -> Result<(), Stop> {
    let Explained { failure, shrunk, file } = explained;
    let violation = &failure.violation;
    output.heading(Tone::Bad, "FAIL", &violation.check)?;
    let mut lines = match shrunk {
        Some(shrunk) => shrunk.story(),
        None => vec![
            format!("Violates {}: {}.", violation.check, violation.sentence),
            "Played again by itself, it does not: this is a defect of fedsim.".to_owned(),
        ],
    };
    let Failure { runs, found_at, found_by, .. } = failure;
    let seen = counted(usize::try_from(*runs).unwrap_or(usize::MAX), "run");
    lines.push(format!("Seen in {seen}, first in run {found_at} ({found_by})."));
    lines.push(format!("{} run {}", invocation::program(), shell::word(file)));
    for line in &lines {
        output.line(&format!("{}{line}", " ".repeat(reports::line::INDENT)))?;
    }
    output.object(&json!({
        "type": "failure",
        "check": violation.check,
        "sentence": violation.sentence,
        "runs": runs,
        "found_at": found_at,
        "method": found_by.word(),
        "faults": shrunk.as_ref().map(|shrunk| shrunk.size().0),
        "operations": shrunk.as_ref().map(|shrunk| shrunk.size().1),
        "story": shrunk.as_ref().map(Shrunk::story),
        "file": file,
    }))?;
    Ok(())
}
