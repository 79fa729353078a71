//! What can be broken. Each fault has one written meaning, and counts what it touched.

mod network;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub use self::network::{After, BodyReset, Cut, Duplication, LinkChange, Part, Refusal, Swizzle};
use crate::World;

/// A fault in force, as [`World`]'s methods return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(pub(crate) u64);

impl FaultId {
    /// The fault of that number, for a world that counts its own, from 1.
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// The number that the journal's entries carry.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a fault did.
#[derive(Clone, Debug, Default)]
pub struct FaultReport {
    /// What it is, as `partition a | b`.
    pub what: String,
    /// When it began, in simulated time.
    pub from: Duration,
    /// When it ended; unset while in force.
    pub until: Option<Duration>,
    /// Numbers of the requests that it delayed, killed, slowed or replayed, in their order.
    pub requests: BTreeSet<u64>,
    /// Segments, connection attempts and tasks that it delayed or killed. 0 is an inert fault.
    pub hits: u64,
}

/// What becomes of a disk when its machine crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskFate {
    /// Power loss: each sector and directory entry that was not synced is kept or reverted by the
    /// seed.
    #[default]
    LoseUnsynced,
    /// Everything written is kept, synced or not.
    Keep,
}

/// At which moment of an exchange a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The whole request is about to leave its sender; nothing of its last segment is on the wire.
    Sent,
    /// The whole request has arrived, and its receiver has not yet been able to read it.
    Arrived,
    /// The receiver has processed the request; its whole answer is about to leave.
    Answered,
}

/// Whether a request, by method and target, is meant.
pub type Matches = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What a trigger does, with the number of the journal entry that fired it.
pub type Action = Box<dyn FnOnce(&World, u64) + Send>;

/// Watches for an exchange, and acts on the n-th one.
pub struct Trigger {
    /// At which moment.
    pub moment: Moment,
    /// The requesting machine; any if unset.
    pub from: Option<String>,
    /// The answering machine; any if unset.
    pub to: Option<String>,
    /// Whether a request, by method and target, is meant.
    pub matches: Matches,
    /// Which match fires, from 1.
    pub nth: u64,
    /// What then happens, before anything else moves.
    pub action: Action,
}

impl std::fmt::Debug for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trigger")
            .field("moment", &self.moment)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("nth", &self.nth)
            .finish_non_exhaustive()
    }
}
