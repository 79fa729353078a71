//! What everything is drawn with.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Draws numbers, times and choices from one seed.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns a number below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// Returns a number from `least` to `most`.
    pub(super) fn number(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// Returns true in this many of a hundred draws.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.number(1, 100) <= percent
    }

    /// Returns a time from `least` to `most` milliseconds.
    pub(super) fn time(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(least, most))
    }

    /// Returns a time from `least` to `most` milliseconds, of which each factor of two is as likely
    /// as any other: protocols wait on every scale.
    pub(super) fn scale(&mut self, least: u64, most: u64) -> Duration {
        let doublings = (most / least.max(1)).max(1).ilog2();
        let low = least << self.number(0, u64::from(doublings));
        self.time(low, (low * 2).min(most))
    }

    /// Returns one of some choices; the first if there is no other.
    pub(super) fn one<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Returns one of some choices, if there is any.
    pub(super) fn any<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.below(choices.len())).cloned()
    }

    /// Returns `most` of some choices at most, and one at least if there is any, each once and in
    /// their order.
    pub(super) fn some<T: Clone>(&mut self, choices: &[T], most: usize) -> Vec<T> {
        let mut left = choices.to_vec();
        let count = 1 + self.below(most.min(left.len()));
        while left.len() > count {
            let index = self.below(left.len());
            left.remove(index);
        }
        left
    }
}
