//! Faults of a peer: an honest homeserver or relay whose messages are tampered with on their way to
//! the wire, so that it seems dishonest to all others.

use std::{fmt, time::Duration};

/// A homeserver or relay that misbehaves.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerFault {
    /// The backend or relay.
    pub node: String,
    /// Its victims; everybody if empty. Those of a relay are the backends whose mail it keeps.
    pub to: Vec<String>,
    /// The probability that a message is tampered with, drawn for each message.
    pub share: f64,
    /// What it does.
    pub misdeed: Misdeed,
}

/// What a dishonest peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// The signatures of its requests are invalid.
    ForgeSignature,
    /// Its requests claim to come from another server.
    WrongOrigin {
        /// The server that they claim to come from.
        claims: String,
    },
    /// It signs its requests with a key that it publishes as expired.
    ExpiredKey,
    /// It repeats each transaction with the same id and another body, validly signed.
    SameIdOtherBody,
    /// It sends its victims another event than it sends the others, at the same place in the graph.
    Equivocate,
    /// Its bodies are too large: those of its requests for any server, those of its answers for any
    /// client.
    Oversize,
    /// Its bodies break off in the middle.
    Truncate,
    /// Its events name previous events that nobody has.
    UnknownPrevEvents,
    /// The signatures of its events are invalid, while those of its requests are valid. It adds a
    /// made-up event to each true one.
    ForgeEventSignature,
    /// Its events say something else than what they were hashed with. Their signatures hold, since
    /// these are over the hash.
    AlterContent,
    /// It adds two events to each true one, hashed and signed validly, that the rooms do not allow:
    /// a message of a user who is not a member, and power levels by one who may not set them.
    BreakAuthRules,
    /// It says of every commit of an `m1` room that it never voted for it.
    DenyVotes,
    /// It asks the owners of `m1` rooms for the outcome of every vote, and tells the other members both
    /// decisions, which are not its to tell.
    MeddleInVotes,
    /// It adds messages of `m1` rooms to its transactions that no owner has heard of.
    PassByTheOwner,
    /// Its requests arrive one byte at a time.
    Trickle {
        /// The pause after each byte.
        every: Duration,
    },
    /// A relay says that it keeps a transaction, and drops it.
    DropMail,
    /// A relay hands out the newest entry first.
    ReorderMail,
    /// A relay says that it has nothing.
    WithholdMail,
    /// A relay hands out an entry again that was acknowledged.
    ServeTwice,
    /// A relay hands out one backend's mail to another.
    ServeAnothers,
}

impl Misdeed {
    /// The misdeeds without arguments, with their keys.
    pub const PLAIN: [(&'static str, Self); 18] = [
        ("forge-signature", Self::ForgeSignature),
        ("expired-key", Self::ExpiredKey),
        ("same-id-other-body", Self::SameIdOtherBody),
        ("equivocate", Self::Equivocate),
        ("oversize", Self::Oversize),
        ("truncate", Self::Truncate),
        ("unknown-prev-events", Self::UnknownPrevEvents),
        ("forge-event-signature", Self::ForgeEventSignature),
        ("alter-content", Self::AlterContent),
        ("break-auth-rules", Self::BreakAuthRules),
        ("deny-votes", Self::DenyVotes),
        ("meddle-in-votes", Self::MeddleInVotes),
        ("pass-by-the-owner", Self::PassByTheOwner),
        ("drop-mail", Self::DropMail),
        ("reorder-mail", Self::ReorderMail),
        ("withhold-mail", Self::WithholdMail),
        ("serve-twice", Self::ServeTwice),
        ("serve-anothers", Self::ServeAnothers),
    ];

    /// Returns whether it is a relay that does this.
    pub fn is_of_relay(&self) -> bool {
        matches!(
            self,
            Self::DropMail
                | Self::ReorderMail
                | Self::WithholdMail
                | Self::ServeTwice
                | Self::ServeAnothers
        )
    }

    /// Returns whether it has to do with `m1` rooms alone.
    pub fn is_about_m1(&self) -> bool {
        matches!(self, Self::DenyVotes | Self::MeddleInVotes | Self::PassByTheOwner)
    }

    /// Returns its key in a scenario file.
    pub fn key(&self) -> &'static str {
        match self {
            Self::WrongOrigin { .. } => "wrong-origin",
            Self::Trickle { .. } => "trickle",
            Self::ForgeSignature
            | Self::ExpiredKey
            | Self::SameIdOtherBody
            | Self::Equivocate
            | Self::Oversize
            | Self::Truncate
            | Self::UnknownPrevEvents
            | Self::ForgeEventSignature
            | Self::AlterContent
            | Self::BreakAuthRules
            | Self::DenyVotes
            | Self::MeddleInVotes
            | Self::PassByTheOwner
            | Self::DropMail
            | Self::ReorderMail
            | Self::WithholdMail
            | Self::ServeTwice
            | Self::ServeAnothers => {
                let plain = Self::PLAIN.iter().find(|(_, plain)| plain == self);
                plain.map_or("", |(key, _)| key)
            }
        }
    }
}

impl PeerFault {
    pub(super) fn key(&self) -> &'static str {
        self.misdeed.key()
    }

    /// Returns whether `name` is one of its victims.
    pub fn wrongs(&self, name: &str) -> bool {
        self.to.is_empty() || self.to.iter().any(|wronged| wronged == name)
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.key(), self.node)?;
        match self.to.as_slice() {
            [] => Ok(()),
            to => write!(f, " to {}", to.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Misdeed, PeerFault};

    #[test]
    fn a_fault_says_who_wrongs_whom() {
        let fault = |to: &[&str]| PeerFault {
            node: "a".to_owned(),
            to: to.iter().map(|&name| name.to_owned()).collect(),
            share: 1.0,
            misdeed: Misdeed::Truncate,
        };
        assert_eq!(fault(&[]).to_string(), "truncate by a");
        assert_eq!(fault(&["b", "c"]).to_string(), "truncate by a to b, c");
        assert!(fault(&[]).wrongs("b") && fault(&["b"]).wrongs("b") && !fault(&["c"]).wrongs("b"));
    }
}
