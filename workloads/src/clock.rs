//! The clocks of a measurement.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this process has used so far, its kernel's work included.
fn cpu_now() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// A moment of wall time.
#[derive(Clone, Copy, Debug)]
pub struct WallTime(Duration);

impl WallTime {
    /// This moment.
    pub fn now() -> Self {
        Self(read(ClockId::Monotonic))
    }

    /// The time since then.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Does `work`; returns what it gave and the CPU time it took.
pub fn cpu<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = cpu_now();
    let value = work();
    (value, cpu_now().saturating_sub(began))
}

/// Does `work`; returns what it gave and the wall time it took.
pub fn wall<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = WallTime::now();
    let value = work();
    (value, began.elapsed())
}
