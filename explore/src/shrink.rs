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

/// The most runs that are spent on one scenario; three times as many if its task order is drawn.
pub const MOST_RUNS: u64 = 600;

/// With how many seeds a smaller scenario is tried whose task order is drawn: whatever is left out has the
/// rest drawn otherwise.
const SEEDS: u64 = 8;

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
    let spent = Spent { runs: 1, most: MOST_RUNS, seeds: 1 };
    let mut search = Search { subject, vocabulary, check, stop, best, trial, spent };
    search.goes_as_far_as_it_can();
    if !search.best.schedule.is_fixed() {
        search.spent.most += MOST_RUNS;
        search.spent.seeds = SEEDS;
        search.leaves_out();
        search.spent.most += MOST_RUNS;
        search.spent.seeds = 1;
        search.goes_as_far_as_it_can();
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
    spent: Spent,
}

/// What is spent on a search.
struct Spent {
    /// How many runs were made.
    runs: u64,
    /// How many may be made.
    most: u64,
    /// With how many seeds each candidate is tried, from its own on.
    seeds: u64,
}

impl Search<'_> {
    /// Takes every step until none makes anything smaller.
    fn goes_as_far_as_it_can(&mut self) {
        let mut before = None;
        // Each round may open a way for another one: a machine goes once no fault names it.
        while before.as_ref() != Some(&self.best) && self.goes_on() {
            before = Some(self.best.clone());
            schedule::simpler(self);
            reduce::faults(self);
            ops::fewer(self);
            repeat::fewer(self);
            topology::fewer(self);
            simplify::faults(self);
            times::rounder(self);
        }
    }

    /// Leaves out what can go, until nothing can.
    fn leaves_out(&mut self) {
        let mut before = None;
        while before.as_ref() != Some(&self.best) && self.goes_on() {
            before = Some(self.best.clone());
            reduce::faults(self);
            ops::fewer(self);
            topology::fewer(self);
        }
    }

    fn goes_on(&self) -> bool {
        self.spent.runs < self.spent.most && !self.stop.load(Ordering::Relaxed)
    }

    /// Plays `candidate`, and keeps it if it violates the check as well. What is no valid scenario
    /// is not played.
    fn keeps(&mut self, candidate: Scenario) -> bool {
        if candidate == self.best {
            return false;
        }
        let Ok(mut candidate) = language::check_in(self.vocabulary, candidate) else {
            return false;
        };
        for _ in 0..self.spent.seeds {
            if !self.goes_on() {
                return false;
            }
            self.spent.runs += 1;
            let trial = self.subject.play(&candidate);
            if trial.violates(self.check) {
                self.best = candidate;
                self.trial = trial;
                return true;
            }
            candidate.seed = candidate.seed.wrapping_add(1);
        }
        false
    }

    /// Changes a copy of the smallest scenario, and keeps that if it still violates the check.
    fn tries(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.keeps(candidate)
    }
}
