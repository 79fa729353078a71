//! Messages, who saw them, and who was a member when.

use super::{Moment, note::Via};
use crate::record::OpOutcome;

/// One message that a client sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its name.
    pub name: String,
    /// The sending device.
    pub device: String,
    /// The conversation.
    pub conversation: String,
    /// When the client began to send.
    pub began: Moment,
    /// How the send ended; unset while it is going on.
    pub ended: Option<SendEnded>,
}

impl Message {
    /// Returns the sending user.
    pub fn sender(&self) -> &str {
        user_of(&self.device)
    }

    /// Returns how the send ended; indefinite while it is going on.
    pub fn outcome(&self) -> OpOutcome {
        self.ended.as_ref().map_or(OpOutcome::Indefinite, |ended| ended.outcome)
    }
}

/// How a send ended.
#[derive(Clone, Debug)]
pub struct SendEnded {
    /// When the client knew.
    pub at: Moment,
    /// How it ended.
    pub outcome: OpOutcome,
    /// The event's id, for a send that is ok.
    pub event: Option<String>,
    /// The code of the error that was answered.
    pub code: Option<String>,
    /// The backends that a refusal named.
    pub unreachable: Vec<String>,
    /// The backends that the answer listed as left out.
    pub failed_to_send: Vec<String>,
}

/// A device showed a message to its user.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When.
    pub at: Moment,
    /// The device.
    pub device: String,
    /// The message's name; unset for a message that no scenario sent.
    pub message: Option<String>,
    /// The event's id.
    pub event: String,
    /// The room in which it was shown.
    pub room: String,
    /// How the device learned of it.
    pub via: Via,
}

/// Returns the user of a device, such as `alice` for `alice/1`.
pub fn user_of(device: &str) -> &str {
    device.split_once('/').map_or(device, |(user, _)| user)
}

/// A user's time in a conversation, in numbers of journal entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The user.
    pub user: String,
    /// The conversation.
    pub conversation: String,
    /// From here on the user may be a member.
    pub possible_from: u64,
    /// From here on the user certainly is one; unset if the join was never confirmed.
    pub certain_from: Option<u64>,
    /// From here on it is uncertain: the user began to leave.
    pub certain_until: Option<u64>,
    /// From here on the user certainly is not one.
    pub possible_until: Option<u64>,
    /// From here on others may know that the user is out: somebody else removed the user, or the own
    /// backend has forgotten that the user left.
    pub removed_from: Option<u64>,
    /// From here on the user's own backend may not know of it: its disk was lost.
    pub forgotten_from: Option<u64>,
    /// From here on it knows again: the user has joined anew.
    pub forgotten_until: Option<u64>,
}

impl Membership {
    /// Returns a membership that may begin at entry `n`.
    pub fn possible(user: &str, conversation: &str, n: u64) -> Self {
        Self {
            user: user.to_owned(),
            conversation: conversation.to_owned(),
            possible_from: n,
            certain_from: None,
            certain_until: None,
            possible_until: None,
            removed_from: None,
            forgotten_from: None,
            forgotten_until: None,
        }
    }

    /// Returns a membership from before anything was sent.
    pub fn initial(user: &str, conversation: &str) -> Self {
        Self { certain_from: Some(0), ..Self::possible(user, conversation, 0) }
    }

    /// Returns whether the user certainly was a member at entry `n`.
    pub fn certain_at(&self, n: u64) -> bool {
        self.certain_from.is_some_and(|from| from <= n)
            && self.certain_until.is_none_or(|until| n < until)
    }

    /// Returns whether the user may have been a member at some moment between the entries `from`
    /// and `to`.
    pub fn possible_between(&self, from: u64, to: u64) -> bool {
        self.possible_from <= to && self.possible_until.is_none_or(|until| from < until)
    }

    /// Returns whether the user's own backend has not forgotten it by entry `n`, or knows it again.
    pub fn is_known_since(&self, n: u64) -> bool {
        self.forgotten_from.is_none_or(|from| n < from)
            || self.forgotten_until.is_some_and(|until| until <= n)
    }

    /// Returns whether the user certainly was a member from entry `n` to the end.
    pub fn certain_since(&self, n: u64) -> bool {
        self.certain_at(n) && self.certain_until.is_none()
    }
}
