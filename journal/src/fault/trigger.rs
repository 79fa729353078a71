//! What a trigger waits for.

use std::{fmt, sync::Arc};

/// A moment of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The whole request is about to leave its sender; nothing of its last segment is on the wire.
    Sent,
    /// The whole request has arrived, and its receiver has not yet been able to read it.
    Arrived,
    /// The receiver has processed the request; its whole answer is about to leave.
    Answered,
}

impl Moment {
    /// Returns the word for it, as a trigger has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Arrived => "arrived",
            Self::Answered => "answered",
        }
    }
}

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes of a file were written, and may still be lost.
    Written,
    /// A file was synced: what was written to it is durable.
    Synced,
}

impl Operation {
    /// Returns the word for it, as a trigger has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Synced => "synced",
        }
    }
}

/// Whether a request, by method and target, is meant.
pub type Matches = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What is done when a watch fires, given the number of the journal entry that fired it.
pub type Action = Box<dyn FnOnce(u64) + Send>;

/// Watches for an exchange, and acts on the n-th one before anything else moves.
pub struct Watch {
    /// At which moment of it.
    pub moment: Moment,
    /// The requesting machine; any if unset.
    pub from: Option<String>,
    /// The answering machine; any if unset.
    pub to: Option<String>,
    /// Whether a request is meant.
    pub matches: Matches,
    /// Which match, from 1.
    pub nth: u64,
    /// What then happens.
    pub action: Action,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("moment", &self.moment)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("nth", &self.nth)
            .finish_non_exhaustive()
    }
}

/// Watches a machine's disk, and acts on its n-th operation of a kind: right after that took
/// effect, and before the next one, or anything else in the world, happens.
pub struct DiskWatch {
    /// The machine.
    pub machine: String,
    /// Which operations count.
    pub operation: Operation,
    /// Which of them, from 1.
    pub nth: u64,
    /// What then happens.
    pub action: Action,
}

impl fmt::Debug for DiskWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskWatch")
            .field("machine", &self.machine)
            .field("operation", &self.operation)
            .field("nth", &self.nth)
            .finish_non_exhaustive()
    }
}
