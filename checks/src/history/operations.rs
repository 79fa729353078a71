//! What clients did besides sending and fetching.

use super::Moment;
use crate::record::OpOutcome;

/// A user took away what a message says, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// The message's name.
    pub message: String,
    /// The user.
    pub by: String,
    /// When it began.
    pub began: Moment,
    /// When and how it ended; unset while it is going on.
    pub ended: Option<(Moment, OpOutcome)>,
    /// The id of the event that takes it away, if it is ok.
    pub event: Option<String>,
}

/// A user said that they type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    /// The user.
    pub user: String,
    /// The conversation.
    pub conversation: String,
}

/// A device was told that somebody types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypingSeen {
    /// The device.
    pub device: String,
    /// The id of the user who types.
    pub user: String,
    /// The room's id.
    pub room: String,
}

/// An operation of which the scenario says how it must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it is, such as `kick of bob from team by alice`.
    pub operation: String,
    /// The device.
    pub device: String,
    /// When it began.
    pub began: Moment,
    /// How it ended; unset if its device went down meanwhile.
    pub ended: Option<(Moment, Answer)>,
}

/// How an operation was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: OpOutcome,
    /// The answer's status; unset without an answer.
    pub status: Option<u16>,
    /// The code of the error that was answered.
    pub code: Option<String>,
}

/// An operation that never happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unperformed {
    /// What it was, such as `send m1`.
    pub operation: String,
    /// The device.
    pub device: String,
    /// What kept the device from it, if it was not down.
    pub why: Option<String>,
}
