//! The clocks of a campaign: one by which a process measures how long something lasts, which nobody
//! sets, and that of the machine, which stamps files for others.

#![expect(clippy::disallowed_types, reason = "a campaign waits for people and machines")]

#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Returns the milliseconds since this was asked for the first time.
pub(crate) fn ms() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let since = BEGAN.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whose clocks are read.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    /// This machine's.
    #[default]
    Machine,
    /// One that a test sets, in milliseconds. Whoever waits does not.
    #[cfg(test)]
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// Returns the milliseconds since some moment, by the clock that nobody sets.
    pub(crate) fn ms(&self) -> u64 {
        match self {
            Self::Machine => ms(),
            #[cfg(test)]
            Self::Set(ms) => ms.load(Ordering::Relaxed),
        }
    }

    /// Returns what time it is.
    pub(crate) fn now(&self) -> SystemTime {
        let since = match self {
            Self::Machine => SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
            #[cfg(test)]
            Self::Set(ms) => Duration::from_millis(ms.load(Ordering::Relaxed)),
        };
        SystemTime::UNIX_EPOCH + since
    }

    /// Waits.
    pub(crate) fn pause(&self, time: Duration) {
        match self {
            Self::Machine => thread::park_timeout(time),
            #[cfg(test)]
            Self::Set(_) => {}
        }
    }
}
