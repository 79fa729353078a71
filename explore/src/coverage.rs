//! Which situations a campaign has reached, how often, and what that says about those that it has
//! not reached yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::situations::Situation;

/// The situations that the runs of a campaign reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    runs: u64,
    /// In how many runs each was reached.
    reached: BTreeMap<Situation, u64>,
}

impl Coverage {
    /// Takes in what one more run reached. Returns how many of these are new.
    pub fn add(&mut self, situations: &BTreeSet<Situation>) -> usize {
        self.runs += 1;
        let before = self.reached.len();
        for situation in situations {
            *self.reached.entry(situation.clone()).or_default() += 1;
        }
        self.reached.len() - before
    }

    /// Returns how many situations were reached.
    pub fn count(&self) -> usize {
        self.reached.len()
    }

    /// Returns in how many runs a situation was reached.
    pub fn times(&self, situation: &Situation) -> u64 {
        self.reached.get(situation).copied().unwrap_or_default()
    }

    /// Returns every situation with the number of runs that reached it.
    pub fn reached(&self) -> impl Iterator<Item = (&Situation, u64)> {
        self.reached.iter().map(|(situation, runs)| (situation, *runs))
    }

    /// Returns about how many situations a run like these reaches for the first time, after Good
    /// and Turing: as many as were reached in exactly one run, over the number of runs. 1 before
    /// the first run.
    pub fn news_per_run(&self) -> f64 {
        if self.runs == 0 {
            return 1.0;
        }
        share(self.reached_in(1), self.runs)
    }

    /// Returns about how many situations runs like these can reach and have not: Chao's lower bound
    /// for samples by occasion, bias-corrected.
    pub fn unseen(&self) -> u64 {
        if self.runs == 0 {
            return 0;
        }
        let (once, twice) = (self.reached_in(1), self.reached_in(2));
        (once * once.saturating_sub(1)) / (2 * (twice + 1))
    }

    fn reached_in(&self, runs: u64) -> u64 {
        self.reached.values().filter(|known| **known == runs).count() as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
fn share(of: u64, whole: u64) -> f64 {
    of as f64 / whole as f64
}
