//! What a trigger waits for.

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
    /// The word for it, as a trigger has it.
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
    /// The word for it, as a trigger has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Synced => "synced",
        }
    }
}
