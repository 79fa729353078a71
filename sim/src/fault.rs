//! What can be broken. Each fault has one written meaning, and counts what it touched.

use std::time::Duration;

pub use journal::fault::*;

use crate::disk::DiskImage;

/// What becomes of a disk when its machine crashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DiskFate {
    /// Power loss: each sector and directory entry that was not synced is kept or reverted by the
    /// seed.
    #[default]
    LoseUnsynced,
    /// Power loss at its worst: nothing that was not synced is kept.
    LoseAll,
    /// Everything written is kept, synced or not.
    Keep,
    /// Power loss in the middle of writing: like [`Self::LoseUnsynced`], but of each sector that is
    /// kept, only the first bytes may be new, as many as the seed says. What was synced is whole.
    Torn,
    /// The disk is replaced by an empty one.
    Wiped,
    /// The disk is replaced by one with these files, all durable: a backup.
    Restored(DiskImage),
}

/// What is wrong with a machine's wall clock, as its node and its SQLite read it. Timers are never
/// wrong. Changes that overlap add up, and each counts every reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockFault {
    /// It shows another time while the fault lasts, and then the right one again.
    Skew(Shift),
    /// Somebody sets it, once; it stays so, whatever is repaired.
    Jump(Shift),
    /// It runs this many times as fast while the fault lasts, and then shows the right time again.
    Drift(f64),
}

/// How far a clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Into the future.
    Ahead(Duration),
    /// Into the past.
    Behind(Duration),
}

/// A machine that goes down again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How often it goes down.
    pub times: u32,
    /// How long it is up in between.
    pub up: Duration,
    /// How long it is down each time.
    pub down: Duration,
    /// Whether only its process dies; otherwise it loses power, and what it had not synced.
    pub is_kill: bool,
}

impl Storm {
    /// Returns the time from the first crash to the last boot.
    pub fn lasts(&self) -> Duration {
        let pauses = self.times.saturating_sub(1);
        self.down.saturating_mul(self.times).saturating_add(self.up.saturating_mul(pauses))
    }
}
