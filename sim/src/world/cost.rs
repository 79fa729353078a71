//! What the journal costs in wall time; measured only where it is asked for.
#![expect(clippy::disallowed_types, reason = "it measures the simulation, and nothing in it")]

use std::time::{Duration, Instant};

use journal::MAX_BYTES;

use super::WorldState;
use crate::Ended;

/// A stopwatch over everything that the journal does.
pub(crate) struct Cost {
    is_measured: bool,
    since: Option<Instant>,
    spent: Duration,
}

impl Cost {
    pub(crate) fn new(is_measured: bool) -> Self {
        Self { is_measured, since: None, spent: Duration::ZERO }
    }

    /// Returns the time spent so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    /// Starts it, unless nobody wants it or it runs already. Returns whether it did.
    fn begins(&mut self) -> bool {
        let begins = self.is_measured && self.since.is_none();
        if begins {
            self.since = Some(Instant::now());
        }
        begins
    }

    fn end(&mut self) {
        self.spent += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }
}

impl WorldState {
    /// Does `work`, which decodes what the network sees or writes it down. Ends the run once that
    /// is too much.
    pub(crate) fn in_journal<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let begins = self.cost.begins();
        let value = work(self);
        if begins {
            self.cost.end();
        }
        let most = self.config.max_entries;
        if self.recorder.journal().entries().len() as u64 >= most {
            self.breaks(Ended::EntryLimit(most));
        }
        if self.recorder.journal().bytes() >= MAX_BYTES {
            self.breaks(Ended::ByteLimit(MAX_BYTES));
        }
        value
    }
}
