//! Faults of a peer: an honest homeserver or relay whose messages are tampered with on their way to
//! the wire, so that to all others it is a dishonest one.

use std::{fmt, time::Duration};

/// A seat that misbehaves.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerFault {
    /// The backend or relay.
    pub node: String,
    /// Those whom it wrongs; everybody if empty. Of a relay, the backends whose mail it is.
    pub to: Vec<String>,
    /// The probability that a message is tampered with, drawn for each.
    pub share: f64,
    /// What it does.
    pub misdeed: Misdeed,
}

/// What a dishonest peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Its requests are signed wrongly.
    ForgeSignature,
    /// Its requests say that another server makes them.
    WrongOrigin {
        /// The other one.
        claims: String,
    },
    /// It signs its requests with a key that it publishes as expired.
    ExpiredKey,
    /// It repeats each transaction under the same id with another body, validly signed.
    SameIdOtherBody,
    /// It tells these backends another event than it tells the others: same place, other content.
    Equivocate,
    /// Its bodies are larger than is taken: of requests by servers, of answers by clients.
    Oversize,
    /// Its bodies end in the middle.
    Truncate,
    /// Its events name previous events that nobody has.
    UnknownPrevEvents,
    /// Its events are signed wrongly, in requests that are signed rightly: beside each true one
    /// stands one that it made up.
    ForgeEventSignature,
    /// Its requests come a byte at a time.
    Trickle {
        /// The pause after each byte.
        every: Duration,
    },
    /// A relay says that it keeps a transaction, and does not.
    DropMail,
    /// A relay hands out the newest first.
    ReorderMail,
    /// A relay says that it has nothing.
    WithholdMail,
    /// A relay hands out once more what was acknowledged.
    ServeTwice,
    /// A relay hands out one backend's mail to another.
    ServeAnothers,
}

impl Misdeed {
    /// Those that have no arguments, by their keys.
    pub const PLAIN: [(&'static str, Self); 13] = [
        ("forge-signature", Self::ForgeSignature),
        ("expired-key", Self::ExpiredKey),
        ("same-id-other-body", Self::SameIdOtherBody),
        ("equivocate", Self::Equivocate),
        ("oversize", Self::Oversize),
        ("truncate", Self::Truncate),
        ("unknown-prev-events", Self::UnknownPrevEvents),
        ("forge-event-signature", Self::ForgeEventSignature),
        ("drop-mail", Self::DropMail),
        ("reorder-mail", Self::ReorderMail),
        ("withhold-mail", Self::WithholdMail),
        ("serve-twice", Self::ServeTwice),
        ("serve-anothers", Self::ServeAnothers),
    ];

    /// Whether it is a relay that does this.
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

    /// Its key in a scenario file.
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

    /// Whether it wrongs `name`.
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
