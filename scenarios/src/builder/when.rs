//! Times and triggers in Rust: `5.s()`, `sent(["prepare"]).to("b").nth(2)`.

use std::time::Duration;

use crate::scenario::{Moment, Operation, When};

/// When a fault begins.
#[derive(Clone, Debug)]
#[must_use = "a beginning belongs to a fault"]
pub struct Begin(pub(super) When);

impl From<Duration> for Begin {
    fn from(at: Duration) -> Self {
        Self(When::At(at))
    }
}

impl From<When> for Begin {
    fn from(when: When) -> Self {
        Self(when)
    }
}

/// Begins before the first request to one of these endpoints is on the wire.
pub fn sent<'n>(endpoints: impl IntoIterator<Item = &'n str>) -> Begin {
    exchange(Moment::Sent, endpoints.into_iter().collect())
}

/// Begins when the first request to one of these endpoints has arrived and is not yet read.
pub fn arrived<'n>(endpoints: impl IntoIterator<Item = &'n str>) -> Begin {
    exchange(Moment::Arrived, endpoints.into_iter().collect())
}

/// Begins when the first request to one of these endpoints is processed and not yet answered.
pub fn answered<'n>(endpoints: impl IntoIterator<Item = &'n str>) -> Begin {
    exchange(Moment::Answered, endpoints.into_iter().collect())
}

/// Begins right after the first write of this machine's disk.
pub fn written(node: &str) -> Begin {
    Begin(When::Disk { operation: Operation::Written, node: node.to_owned(), nth: 1 })
}

/// Begins right after the first sync of this machine's disk.
pub fn synced(node: &str) -> Begin {
    Begin(When::Disk { operation: Operation::Synced, node: node.to_owned(), nth: 1 })
}

fn exchange(moment: Moment, endpoints: Vec<&str>) -> Begin {
    let endpoints = endpoints.into_iter().map(str::to_owned).collect();
    Begin(When::Exchange { moment, endpoints, from: None, to: None, nth: 1 })
}

impl Begin {
    /// Counts only requests from this machine. Has no effect on a time.
    pub fn from(mut self, machine: &str) -> Self {
        if let When::Exchange { from, .. } = &mut self.0 {
            *from = Some(machine.to_owned());
        }
        self
    }

    /// Counts only requests to this machine. Has no effect on a time.
    pub fn to(mut self, machine: &str) -> Self {
        if let When::Exchange { to, .. } = &mut self.0 {
            *to = Some(machine.to_owned());
        }
        self
    }

    /// Sets which request or operation it is, from 1. Has no effect on a time.
    pub fn nth(mut self, number: u64) -> Self {
        if let When::Exchange { nth, .. } | When::Disk { nth, .. } = &mut self.0 {
            *nth = number;
        }
        self
    }
}

/// Durations that read like words: `20.s()`, `500.ms()`, `10.minutes()`.
pub trait Amount {
    /// Returns this many milliseconds.
    fn ms(self) -> Duration;
    /// Returns this many seconds.
    fn s(self) -> Duration;
    /// Returns this many minutes.
    fn minutes(self) -> Duration;
}

impl Amount for u32 {
    fn ms(self) -> Duration {
        Duration::from_millis(self.into())
    }

    fn s(self) -> Duration {
        Duration::from_secs(self.into())
    }

    fn minutes(self) -> Duration {
        Duration::from_mins(self.into())
    }
}
