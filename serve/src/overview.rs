//! Everything that lies in the folder: runs, explorations, and what cannot be read.

use std::{sync::PoisonError, time::Duration};

use reports::{
    folder::{JOURNAL, RECORD},
    line::{self, Status},
    signature,
    time::coarse,
};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    answer::Problem,
    exploration::{self, Glance},
    folder::Place,
    shelf::Shelf,
};

/// The most runs that are listed, those written last.
const MOST_RUNS: usize = 2_000;
/// The most explorations that are listed, and the most files that cannot be read.
const MOST_OTHERS: usize = 100;
/// How long records are read before it is answered with what is known so far.
const PATIENCE: Duration = Duration::from_millis(400);

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    /// The folder, as it was named.
    folder: String,
    /// The runs whose records were read so far.
    runs: Vec<Listed>,
    /// How many are not read yet: ask again.
    unread: usize,
    /// How many more there are than are listed.
    more: usize,
    /// Whether there is more than was looked at.
    is_cut: bool,
    explorations: Vec<Glance>,
    /// What cannot be read, and what to do about it, in sentences.
    problems: Vec<String>,
}

/// A run and where it lies.
#[derive(Debug, Serialize)]
struct Listed {
    run: String,
    written_ms: u64,
    #[serde(flatten)]
    row: Told,
}

/// What is said of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    scenario: String,
    seed: u64,
    status: &'static str,
    sentence: Option<String>,
    fact: String,
    signature: Option<String>,
    simulated: String,
    /// How many entries its journal has; unset if it is so long that it was not read.
    entries: Option<usize>,
    machines: usize,
}

/// What was made of a run's record: what is said of it, or why it cannot be read.
pub(crate) type Row = Result<Told, Problem>;

/// Returns it, as far as it is known soon.
pub(crate) fn of(shelf: &Shelf) -> Overview {
    let found = shelf.folder.look();
    let (mut runs, mut problems, mut unread) = (Vec::new(), Vec::new(), 0);
    let until = Instant::now() + PATIENCE;
    for place in found.runs.iter().take(MOST_RUNS) {
        match row(shelf, place, Instant::now() < until) {
            None => unread += 1,
            Some(Err(problem)) => problems.push(problem.sentence),
            Some(Ok(row)) => {
                let written_ms = place.written.at_ms;
                runs.push(Listed { run: place.way.clone(), written_ms, row });
            }
        }
    }
    problems.extend(found.journals_alone.iter().map(|place| {
        let shown = shelf.folder.shown(&place.way);
        let shown = shown.display();
        format!("{shown} has a {JOURNAL} and no {RECORD}. `fedsim judge {shown}` judges it.")
    }));
    let mut explorations = Vec::new();
    for place in found.explorations.iter().take(MOST_OTHERS) {
        match exploration::glance(&shelf.folder, place) {
            Ok(glance) => explorations.push(glance),
            Err(problem) => problems.push(problem.sentence),
        }
    }
    problems.truncate(MOST_OTHERS);
    Overview {
        folder: shelf.folder.named.display().to_string(),
        runs,
        unread,
        more: found.runs.len().saturating_sub(MOST_RUNS),
        is_cut: found.is_cut,
        explorations,
        problems,
    }
}

/// Returns what is known of a run; none if it is not known and there is no time to read it.
fn row(shelf: &Shelf, place: &Place, has_time: bool) -> Option<Row> {
    let known = || shelf.rows.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((stamp, row)) = known().get(&place.way)
        && *stamp == place.written
    {
        return Some(row.clone());
    }
    if !has_time {
        return None;
    }
    let row = shelf.glance(&place.way, place.written).map(|(record, has_journal)| {
        let weaknesses = record.weaknesses();
        Told {
            scenario: record.scenario.name.clone(),
            seed: record.seed,
            status: Status::of(&record, &weaknesses).word(),
            sentence: line::sentence(&record).or_else(|| weaknesses.first().cloned()),
            fact: line::fact(&record, &weaknesses),
            signature: signature::of(&record),
            simulated: coarse(record.ended.at_ns),
            entries: has_journal.then_some(record.events.len()),
            machines: record.nodes.len(),
        }
    });
    known().insert(place.way.clone(), (place.written, row.clone()));
    Some(row)
}
