//! Tells while a campaign goes on how far it is, in a file of its folder: for `fedsim serve`, and for
//! whoever else reads it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use explore::{Campaign, Candidate, Exploration, Failure, Trial, trial::End};
use reports::progress::{
    self, Curve, Kind, MOST_KINDS, MOST_LAST, Played, Point, Progress, State, VERSION,
};

use super::make_folder;
use crate::{
    arguments::Explore,
    exit::{Exit, Stop},
    stopwatch::Stopwatch,
};

/// The least time between two versions of the file, in milliseconds.
const PACE_MS: u64 = 300;

/// A campaign that is told of.
#[derive(Debug)]
pub(super) struct Live {
    folder: PathBuf,
    progress: Progress,
    began: Stopwatch,
    /// When the file was written last.
    written_ms: u64,
    /// The files of scenarios that failed, seen from the folder, by the number of their run.
    files: BTreeMap<u64, String>,
}

impl Live {
    /// Begins to tell, in the folder that the campaign writes into.
    pub(super) fn begin(
        campaign: &Campaign,
        wanted: &Explore,
        began: Stopwatch,
    ) -> Result<Self, Stop> {
        make_folder(&wanted.out)?;
        let names = campaign.bases.iter().map(|base| base.name.clone());
        let campaign = progress::Campaign {
            id: None,
            scenarios: names.take(MOST_KINDS).collect(),
            ways: campaign.methods.iter().map(|it| it.word().to_owned()).collect(),
            seed: campaign.seed,
            part: (campaign.shard.index + 1, campaign.shard.of),
            threads: campaign.threads as u64,
            runs: wanted.runs,
            time_ms: wanted.time.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        };
        let progress = Progress {
            version: VERSION,
            state: State::Searching,
            doubt: None,
            campaign,
            wall_ms: 0,
            ways: BTreeMap::new(),
            passed: 0,
            failed: 0,
            unknown: 0,
            simulated_ns: 0,
            situations: 0,
            unseen: None,
            curve: Curve::default(),
            failures: Vec::new(),
            kinds: 0,
            last: Vec::new(),
        };
        let folder = wanted.out.clone();
        let mut live = Self { folder, progress, began, written_ms: 0, files: BTreeMap::new() };
        live.write()?;
        Ok(live)
    }

    /// Returns how long the campaign has gone on, in milliseconds.
    pub(super) fn wall_ms(&self) -> u64 {
        self.began.elapsed_ms()
    }

    /// Takes in the file that keeps the scenario of the run numbered `run`.
    pub(super) fn kept(&mut self, run: u64, file: &Path) {
        self.files.extend(self.seen_from_folder(file).map(|file| (run, file)));
    }

    /// Takes in one more run, and writes how far it is if that was not done just now.
    pub(super) fn run(
        &mut self,
        so_far: &Exploration,
        candidate: &Candidate,
        trial: &Trial,
    ) -> Result<(), Stop> {
        let situations = so_far.coverage.count() as u64;
        let kinds = so_far.failures.count() as u64;
        let progress = &mut self.progress;
        let end = match &trial.end {
            End::Passed => "passed".to_owned(),
            End::Unknown(_) => "unknown".to_owned(),
            End::Violated(violations) => {
                violations.first().map_or_else(|| "failed".to_owned(), |it| it.check.clone())
            }
        };
        progress.last.push(Played {
            number: so_far.count(),
            way: candidate.method.word().to_owned(),
            scenario: candidate.scenario.name.clone(),
            end,
            news: situations - progress.situations,
        });
        let older = progress.last.len().saturating_sub(MOST_LAST);
        progress.last.drain(..older);
        progress.situations = situations;
        let wall_ms = self.began.elapsed_ms();
        progress.curve.add(Point { runs: so_far.count(), wall_ms, situations, kinds });
        if kinds > progress.kinds || wall_ms >= self.written_ms + PACE_MS {
            self.take(so_far);
            self.write()?;
        }
        Ok(())
    }

    /// Says that all runs are made, and what was found is being made small.
    pub(super) fn searched(&mut self, explored: &Exploration) -> Result<(), Stop> {
        self.take(explored);
        self.progress.wall_ms = self.began.elapsed_ms();
        self.progress.state = State::Shrinking;
        self.write()
    }

    /// Takes in what was left of a failure's scenario, and why that is needed.
    pub(super) fn made_small(
        &mut self,
        failure: &Failure,
        file: &Path,
        story: Vec<String>,
    ) -> Result<(), Stop> {
        let file = self.seen_from_folder(file);
        let (check, sentence) = (&failure.violation.check, &failure.violation.sentence);
        let is_it = |kind: &&mut Kind| {
            kind.found_at == failure.found_at && kind.check == *check && kind.sentence == *sentence
        };
        if let Some(kind) = self.progress.failures.iter_mut().find(is_it) {
            (kind.file, kind.story) = (file, story);
        }
        self.write()
    }

    /// Says why not all runs were made.
    pub(super) fn ended_early(&mut self, why: &str) {
        self.progress.doubt = Some(why.to_owned());
    }

    /// Says that it is over.
    pub(super) fn finished(&mut self) -> Result<(), Stop> {
        self.progress.state = State::Finished;
        self.write()
    }

    fn take(&mut self, so_far: &Exploration) {
        let mut failures: Vec<&Failure> = so_far.failures.iter().collect();
        failures.sort_by_key(|failure| failure.found_at);
        let kind = |failure: &Failure| Kind {
            check: failure.violation.check.clone(),
            sentence: failure.violation.sentence.clone(),
            found_at: failure.found_at,
            way: failure.found_by.word().to_owned(),
            runs: failure.runs,
            file: self.files.get(&failure.found_at).cloned(),
            story: Vec::new(),
        };
        let progress = &mut self.progress;
        progress.failures = failures.iter().take(MOST_KINDS).map(|it| kind(it)).collect();
        progress.kinds = failures.len() as u64;
        let ways = so_far.runs.iter().map(|(way, runs)| (way.word().to_owned(), *runs));
        progress.ways = ways.collect();
        (progress.passed, progress.failed) = (so_far.passed, so_far.failed);
        progress.unknown = so_far.unknown;
        progress.simulated_ns = journal::nanoseconds(so_far.simulated);
        progress.unseen = Some(so_far.coverage.unseen());
    }

    fn seen_from_folder(&self, file: &Path) -> Option<String> {
        let file = file.strip_prefix(&self.folder).ok()?;
        let parts: Option<Vec<&str>> = file.iter().map(|part| part.to_str()).collect();
        parts.map(|parts| parts.join("/"))
    }

    fn write(&mut self) -> Result<(), Stop> {
        // How long the search took does not count how long its failures take to be made small.
        self.written_ms = self.began.elapsed_ms();
        if self.progress.state == State::Searching {
            self.progress.wall_ms = self.written_ms;
        }
        progress::write(&self.folder, &self.progress).map(drop).map_err(|error| {
            let folder = self.folder.display();
            Stop::because(Exit::Usage, format!("cannot write into {folder}: {error}"))
        })
    }
}
