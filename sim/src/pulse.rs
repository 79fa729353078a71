//! What a run shows to the thread that watches over it: that it moves, and whose task it polls.
//!
//! Written by the thread of the run alone, read by the watcher; so relaxed loads and stores will
//! do.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// How many polls pass between two looks at simulated time.
const LOOK_EVERY: u64 = 16;

/// Polls of machines' tasks at one instant of simulated time, after which whoever is polled is
/// judged never to settle. A thousand homeservers that boot at once need about a hundred thousand.
pub(crate) const MAX_POLLS_AT_ONCE: u64 = 4 << 20;

/// The signs of life of one run.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Polls begun.
    polls: AtomicU64,
    /// The machine that was polled last.
    machine: AtomicUsize,
    /// Whether that poll has not returned yet.
    polling: AtomicBool,
    /// Simulated nanoseconds when that was last looked at.
    instant: AtomicU64,
    /// How many polls ago simulated time was last seen to move.
    still_for: AtomicU64,
}

/// What the watcher reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) polls: u64,
    pub(crate) machine: usize,
    pub(crate) polling: bool,
    pub(crate) instant: Duration,
}

impl Pulse {
    /// Notes that a poll of a task of `machine` begins. `now` gives the simulated time. Returns
    /// whether there were too many at one instant.
    pub(crate) fn begin(&self, machine: usize, now: impl FnOnce() -> Duration) -> bool {
        let polls = self.polls.load(Relaxed) + 1;
        self.polls.store(polls, Relaxed);
        self.machine.store(machine, Relaxed);
        self.polling.store(true, Relaxed);
        polls.is_multiple_of(LOOK_EVERY) && self.look(now())
    }

    /// Notes that the poll has returned.
    pub(crate) fn end(&self) {
        self.polling.store(false, Relaxed);
    }

    fn look(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        if self.instant.load(Relaxed) != now {
            self.instant.store(now, Relaxed);
            self.still_for.store(0, Relaxed);
            return false;
        }
        let still_for = self.still_for.load(Relaxed) + LOOK_EVERY;
        self.still_for.store(still_for, Relaxed);
        still_for > MAX_POLLS_AT_ONCE
    }

    pub(crate) fn read(&self) -> Reading {
        Reading {
            polls: self.polls.load(Relaxed),
            machine: self.machine.load(Relaxed),
            polling: self.polling.load(Relaxed),
            instant: Duration::from_nanos(self.instant.load(Relaxed)),
        }
    }
}
