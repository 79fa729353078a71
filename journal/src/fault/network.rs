//! Faults of the links between machines, and of what they carry. Each is shown as the journal names
//! it: `link a -> b`.

use std::{fmt, num::NonZeroU64, time::Duration};

use super::{Cut, Shape, Swizzle, names};
use crate::Latency;

/// What is wrong with links.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkFault {
    /// Cuts the links between two groups, both ways or (`one_way`) only from the first.
    Partition {
        /// The first group.
        between: Vec<String>,
        /// The second group.
        and: Vec<String>,
        /// Whether only the way from `between` to `and` is cut.
        one_way: bool,
    },
    /// Cuts the links between any two of several groups.
    Split {
        /// The groups.
        groups: Vec<Vec<String>>,
    },
    /// Cuts links so that a shape is left.
    Shape(Shape),
    /// Keeps what is sent between two groups, and delivers it in order in the end.
    Hold {
        /// The first group.
        between: Vec<String>,
        /// The second group.
        and: Vec<String>,
        /// Whether only the way from `between` to `and` is held.
        one_way: bool,
    },
    /// Changes latency, loss and bandwidth between two groups.
    Link(LinkChange),
    /// Resets the connection in the middle of the next body between two groups.
    Reset(BodyReset),
    /// Delivers requests twice that are no `POST`.
    Duplicate(Duplication),
    /// Answers requests in the place of a machine.
    Answers(ProxyAnswer),
    /// Has a machine refuse connections.
    Refuse(Refusal),
    /// Has a machine take connections and hand nothing on.
    Hang {
        /// The machine.
        node: String,
    },
}

/// What becomes of links themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnLinks {
    /// These are cut.
    Cut(Cut),
    /// These are held.
    Hold(Cut),
    /// Some are cut now, and others later.
    Turn(Swizzle),
}

impl NetworkFault {
    /// Returns its key in a scenario file.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::Split { .. } => "split",
            Self::Shape(_) => "shape",
            Self::Hold { .. } => "hold",
            Self::Link(_) => "link",
            Self::Reset(_) => "reset",
            Self::Duplicate(_) => "duplicate",
            Self::Answers(_) => "answers",
            Self::Refuse(_) => "refuse",
            Self::Hang { .. } => "hang",
        }
    }

    /// Returns what becomes of whole links, where `backends` are all backends; unset for a fault
    /// that does something to what they carry.
    pub fn on_links(&self, backends: &[String]) -> Option<OnLinks> {
        Some(match self {
            Self::Partition { between, and, one_way } => {
                OnLinks::Cut(Cut::of_two(between, and, *one_way))
            }
            Self::Split { groups } => OnLinks::Cut(Cut::Groups(groups.clone())),
            Self::Shape(shape) => match shape.swizzle() {
                Some(swizzle) => OnLinks::Turn(swizzle),
                None => OnLinks::Cut(shape.cut(backends)?),
            },
            Self::Hold { between, and, one_way } => {
                OnLinks::Hold(Cut::of_two(between, and, *one_way))
            }
            Self::Link(_)
            | Self::Reset(_)
            | Self::Duplicate(_)
            | Self::Answers(_)
            | Self::Refuse(_)
            | Self::Hang { .. } => return None,
        })
    }
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition { between, and, one_way } => {
                write!(f, "partition {}", Cut::of_two(between, and, *one_way))
            }
            Self::Split { groups } => write!(f, "partition {}", Cut::Groups(groups.clone())),
            Self::Shape(shape) => shape.fmt(f),
            Self::Hold { between, and, one_way } => {
                write!(f, "hold {}", Cut::of_two(between, and, *one_way))
            }
            Self::Link(change) => change.fmt(f),
            Self::Reset(reset) => reset.fmt(f),
            Self::Duplicate(duplication) => duplication.fmt(f),
            Self::Answers(answer) => answer.fmt(f),
            Self::Refuse(refusal) => refusal.fmt(f),
            Self::Hang { node } => write!(f, "hang {node}"),
        }
    }
}

/// A change of the links between two groups of machines: latency, jitter, loss, bandwidth.
#[derive(Clone, Debug, PartialEq)]
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

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.both_ways { "<->" } else { "->" };
        write!(f, "link {} {arrow} {}", names(&self.from), names(&self.to))
    }
}

/// What is changed of a link; what is unset stays as it is. Of changes that overlap the newest that
/// says something of a property counts for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// One-way delay.
    pub latency: Option<Latency>,
    /// The probability that a segment is lost and has to be retransmitted.
    pub loss: Option<f64>,
    /// Bytes a second, shared by all that goes over the link.
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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refuse {}", self.machine)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
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

impl fmt::Display for BodyReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Request => "request",
            Part::Answer => "answer",
        };
        write!(f, "reset {part} {} -> {}", names(&self.from), names(&self.to))
    }
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

impl fmt::Display for Duplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "duplicate {} -> {}", names(&self.from), names(&self.to))
    }
}

/// Requests that a front proxy answers in the place of the machine behind it, as proxies do that
/// limit rates or find nobody behind them.
///
/// The whole request arrives at the proxy, and the program on the machine sees nothing of it. The
/// proxy answers with the status, closes the connection behind its answer, and closes the one to
/// the program, which may have begun to read. Nothing was processed, so that no trigger waits for
/// it: not for the arrival of the request, nor for its answer. The proxy runs on the machine
/// itself, in front of the program: it answers while the program is paused, and not while the
/// machine hangs or is down.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyAnswer {
    /// The machine behind the proxy.
    pub machine: String,
    /// Requesting machines; all if empty.
    pub to: Vec<String>,
    /// The status of the answer.
    pub status: u16,
    /// The answer's `Retry-After`, in whole seconds; none if unset.
    pub retry_after: Option<Duration>,
    /// For each request, with this probability, from 0 to 1.
    pub share: f64,
}

impl fmt::Display for ProxyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answers {} for {}", self.status, self.machine)?;
        if self.to.is_empty() { Ok(()) } else { write!(f, " to {}", names(&self.to)) }
    }
}
