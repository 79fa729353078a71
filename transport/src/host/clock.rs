//! The wall clock of a machine.

use std::time::SystemTime;

/// A wall clock. For timers use `tokio::time`, which is monotonic; this one may be skewed or jump.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> SystemTime;
}
