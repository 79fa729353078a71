//! The clock by which a process measures how long something lasts: nobody sets it.

#![expect(clippy::disallowed_types, reason = "a campaign waits for people and machines")]

use std::{sync::OnceLock, time::Instant};

/// Returns the milliseconds since this was asked for the first time.
pub(crate) fn ms() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let since = BEGAN.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
