//! Makes a scenario that violates a check as small as it goes while the same check is violated:
//! the fixed task order, fewer faults, operations and machines, then simpler faults, then shorter
//! and rounder times.
//!
//! Delta debugging after Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"
//! (2002), with steps that know what a scenario is. Every step leaves something simpler than it
//! found, so that the search ends; [`MOST_RUNS`] bounds it besides.

mod ops;
mod reduce;
mod repeat;
mod schedule;
mod simplify;
mod story;
mod times;
mod topology;

use std::sync::atomic::{AtomicBool, Ordering};

use scenarios::{Scenario, Vocabulary, language};

use crate::trial::{Subject, Trial};

pub use self::story::{Need, Shrunk};

/// The most runs that are spent on one scenario.
pub const MOST_RUNS: u64 = 600;

/// Shrinks `scenario`, which violates `check`. Returns none if it does not, played again. The first
/// thing that is found smaller is kept even if `stop` is set meanwhile.
pub fn shrink(
    subject: &Subject,
    scenario: &Scenario,
    check: &str,
    stop: &AtomicBool,
) -> Option<Shrunk> {
    let trial = subject.play(scenario);
    trial.violation(check)?;
    let vocabulary = (subject.found)().promises().vocabulary;
    let best = scenario.clone();
    let mut search = Search { subject, vocabulary, check, stop, best, trial, runs: 1 };
    let mut before = None;
    // Each round may open a way for another one: a machine goes once no fault names it.
    while before.as_ref() != Some(&search.best) && search.goes_on() {
        before = Some(search.best.clone());
        schedule::simpler(&mut search);
        reduce::faults(&mut search);
        ops::fewer(&mut search);
        repeat::fewer(&mut search);
        topology::fewer(&mut search);
        simplify::faults(&mut search);
        times::rounder(&mut search);
    }
    Some(story::told(search, scenario))
}

/// What has been reached so far.
struct Search<'s> {
    subject: &'s Subject,
    vocabulary: &'static Vocabulary,
    check: &'s str,
    stop: &'s AtomicBool,
    /// The smallest scenario so far that violates the check.
    best: Scenario,
    /// Its run.
    trial: Trial,
    /// How many runs were made.
    runs: u64,
}

impl Search<'_> {
    fn goes_on(&self) -> bool {
        self.runs < MOST_RUNS && !self.stop.load(Ordering::Relaxed)
    }

    /// Plays `candidate`, and keeps it if it violates the check as well. What is no valid scenario
    /// is not played.
    fn keeps(&mut self, candidate: Scenario) -> bool {
        if candidate == self.best || !self.goes_on() {
            return false;
        }
        let Ok(candidate) = language::check_in(self.vocabulary, candidate) else { return false };
        self.runs += 1;
        let trial = self.subject.play(&candidate);
        if !trial.violates(self.check) {
            return false;
        }
        self.best = candidate;
        self.trial = trial;
        true
    }

    /// Changes a copy of the smallest scenario, and keeps that if it still violates the check.
    fn tries(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.keeps(candidate)
    }
}
