//! The times that the tables keep: milliseconds since the epoch, in SQLite's signed integers. What
//! ages is told by a clock of its own, since the wall clock may jump.

use std::time::Duration;

use tokio::time::Instant;
use transport::Host;

/// Returns the time now on the host's wall clock, in milliseconds since the epoch.
pub(crate) fn now_ms(host: &Host) -> i64 {
    i64::try_from(host.unix_ms()).unwrap_or(i64::MAX)
}

/// The clock by which the age of what is kept is told. It is set by the wall clock once in the life
/// of a database, and from then on counts how long this server has run.
#[derive(Clone, Copy, Debug)]
pub struct AgeClock {
    began_ms: i64,
    began: Instant,
}

impl AgeClock {
    /// Returns the clock that goes on from `last`, what was last written down, if anything was.
    pub(crate) fn going_on(last: Option<i64>, host: &Host) -> Self {
        Self { began_ms: last.unwrap_or_else(|| now_ms(host)), began: Instant::now() }
    }

    /// Returns what it shows now, in milliseconds.
    pub(crate) fn now_ms(self) -> i64 {
        self.began_ms.saturating_add(in_ms(self.began.elapsed()))
    }

    /// Returns what it showed `age` ago, in milliseconds; may be negative.
    pub(crate) fn ms_ago(self, age: Duration) -> i64 {
        self.now_ms().saturating_sub(in_ms(age))
    }
}

fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
