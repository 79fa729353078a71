//! How long something took, outside the simulation.

#![expect(clippy::disallowed_types, reason = "people want to know how long they waited")]

use std::time::Instant;

/// A running stopwatch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
}

impl Stopwatch {
    /// Starts a stopwatch.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Returns the milliseconds since it was started.
    pub(crate) fn elapsed_ms(self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
