//! The wall clock of a turmoil host.

use std::time::{Duration, SystemTime};

use transport::host::Clock;

/// What it shows outside a simulation, where there is no time: 2020-01-01T00:00:00Z, as in fedsim's
/// world.
const OUTSIDE: Duration = Duration::from_secs(1_577_836_800);

/// Turmoil's time since the epoch that its builder was given. Give it a fixed one: its default is
/// the real time, and then no two runs are alike.
pub(crate) struct TurmoilClock;

impl Clock for TurmoilClock {
    fn now(&self) -> SystemTime {
        let since = if turmoil::in_simulation() { turmoil::since_epoch() } else { None };
        SystemTime::UNIX_EPOCH + since.unwrap_or(OUTSIDE)
    }
}
