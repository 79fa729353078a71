//! Faults of links: which ones, and what becomes of what they carry.

use std::{num::NonZeroU64, time::Duration};

use journal::Latency;

/// A change of the links between two groups of machines: latency, jitter, loss, bandwidth.
#[derive(Clone, Debug)]
pub struct LinkChange {
    /// Senders.
    pub from: Vec<String>,
    /// Receivers.
    pub to: Vec<String>,
    /// Whether the way back changes too.
    pub both_ways: bool,
    /// What is changed while the fault lasts.
    pub change: Change,
}

/// What is changed of a link; what is unset stays as it is. Of changes that overlap the newest that
/// says something of a property counts for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// One-way delay.
    pub latency: Option<Latency>,
    /// The probability that a segment is lost and has to be retransmitted.
    pub loss: Option<f64>,
    /// Bytes a second ([`crate::LinkConfig::bandwidth`]).
    pub bandwidth: Option<NonZeroU64>,
}

/// Connection attempts to a machine that are refused at once, as by a port that nothing listens
/// on. Connections that exist are left alone, and so is the machine's own loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The machine that refuses.
    pub machine: String,
    /// Only this port; all if unset.
    pub port: Option<u16>,
}

/// The next message of an exchange whose connection is reset in the middle of its body.
///
/// The first part of the body arrives; then both ends see a reset, and nobody knows what the other
/// has. What is on the wire already when the message's last segment leaves is not taken back, so a
/// body of several segments (of 64 KiB) may arrive further than asked for, but never whole. A body
/// without bytes is cut in its head. Happens once; not while the link is cut.
#[derive(Clone, Debug, PartialEq)]
pub struct BodyReset {
    /// Requesting machines.
    pub from: Vec<String>,
    /// Answering machines.
    pub to: Vec<String>,
    /// Which of the two messages.
    pub part: Part,
    /// Where its body ends.
    pub after: After,
}

/// A message of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is asked.
    Request,
    /// What is answered.
    Answer,
}

/// How much of a body arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// So many bytes.
    Bytes(u64),
    /// This share of it, from 0 to 1.
    Share(f64),
}

/// Requests that the network delivers twice.
///
/// The same bytes come again, on a connection of their own that seems to be the sender's; whoever
/// answers cannot tell. The answer to the replay is dropped. The sender knows nothing of it, and
/// need not live any more. In the journal it is a request of the sender's machine that names the
/// one it replays.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplication {
    /// Requesting machines.
    pub from: Vec<String>,
    /// Answering machines.
    pub to: Vec<String>,
    /// For each request, with this probability; only the next request, certainly, if unset.
    pub probability: Option<f64>,
    /// How long after the request left its replay begins to connect. Into a partition it does so
    /// as any other connection: until it is let in, or the user timeout is over.
    pub after: Duration,
}
