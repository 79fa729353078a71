//! The time as the tables keep it: milliseconds since the epoch, in SQLite's signed integers.

use std::time::Duration;

use transport::Host;

/// Returns the time now on the host's wall clock, in milliseconds since the epoch.
pub(crate) fn now_ms(host: &Host) -> i64 {
    i64::try_from(host.unix_ms()).unwrap_or(i64::MAX)
}

/// Returns the time `age` before now, in milliseconds since the epoch; may be negative.
pub(crate) fn ms_ago(host: &Host, age: Duration) -> i64 {
    now_ms(host).saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
