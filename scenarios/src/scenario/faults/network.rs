//! Faults of the links between machines.

use std::{fmt, time::Duration};

use super::{Listed, Shape};
use crate::scenario::Latency;

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
    Link {
        /// The first group.
        between: Vec<String>,
        /// The second group.
        and: Vec<String>,
        /// Only from `between` to `and`.
        one_way: bool,
        /// The delay while it lasts; unchanged if unset.
        latency: Option<Latency>,
        /// The loss while it lasts; unchanged if unset.
        loss: Option<f64>,
        /// Bytes a second of each link while it lasts; unlimited if unset.
        bandwidth: Option<u64>,
    },
    /// Resets the connection in the middle of the next body between two groups.
    Reset(Reset),
    /// Delivers requests twice.
    Duplicate {
        /// Requesting machines.
        from: Vec<String>,
        /// Answering machines.
        to: Vec<String>,
        /// For each request; only the next one, certainly, if unset.
        probability: Option<f64>,
        /// How long after the request its replay begins.
        after: Duration,
    },
    /// A machine refuses connections.
    Refuse {
        /// The machine.
        node: String,
        /// Only this port; all if unset.
        port: Option<u16>,
    },
    /// A machine takes connections and hands nothing on.
    Hang {
        /// The machine.
        node: String,
    },
}

/// The next body that is cut short.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// Requesting machines.
    pub from: Vec<String>,
    /// Answering machines.
    pub to: Vec<String>,
    /// Whether the answer is cut short, not the request.
    pub answer: bool,
    /// Bytes of the body that arrive; a share of it if unset.
    pub bytes: Option<u64>,
    /// The share of it that arrives, from 0 to 1; half if unset too.
    pub share: Option<f64>,
}

/// How they are written.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "partition",
        example: "{ between = [\"a\"], and = [\"b\"], one-way = false }",
        means: "cuts the links between two groups; senders retransmit, and give up in the end",
    },
    Listed {
        key: "split",
        example: "{ groups = [[\"a\"], [\"b\"]] }",
        means: "cuts the links between any two of several groups",
    },
    Listed {
        key: "shape",
        example: "{ isolate = \"a\" }",
        means: "cuts one from all (isolate), half from half (halves), all but neighbors (ring), all \
                that does not go over one (bridge), or one by one, mending in another order \
                (swizzle)",
    },
    Listed {
        key: "hold",
        example: "{ between = [\"a\"], and = [\"b\"], one-way = false }",
        means: "keeps what is sent and delivers it in order in the end; nothing is lost, no \
                connection breaks",
    },
    Listed {
        key: "link",
        example: "{ between = [\"a\"], and = [\"b\"], latency = \"2s\", loss = 0.1, \
                  bandwidth = 1000 }",
        means: "changes latency, loss and bytes a second between two groups, or one way",
    },
    Listed {
        key: "reset",
        example: "{ from = [\"a\"], to = [\"b\"], of = \"request\", share = 0.5 }",
        means: "resets both ends in the middle of the next request's or answer's body",
    },
    Listed {
        key: "duplicate",
        example: "{ from = [\"a\"], to = [\"b\"], probability = 0.1, after = \"5s\" }",
        means: "delivers the next request, or some, a second time on a connection of its own, and \
                drops the answer",
    },
    Listed {
        key: "refuse",
        example: "{ node = \"a\", port = 8448 }",
        means: "refuses connections to a machine at once; those that exist are left alone",
    },
    Listed {
        key: "hang",
        example: "{ node = \"a\" }",
        means: "takes connections and acknowledges, but hands nothing to the program, nor out of \
                it, until the end",
    },
];

impl NetworkFault {
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::Split { .. } => "split",
            Self::Shape(_) => "shape",
            Self::Hold { .. } => "hold",
            Self::Link { .. } => "link",
            Self::Reset(_) => "reset",
            Self::Duplicate { .. } => "duplicate",
            Self::Refuse { .. } => "refuse",
            Self::Hang { .. } => "hang",
        }
    }
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = |between: &[String], and: &[String], sign: &str| {
            format!("{} {sign} {}", between.join(", "), and.join(", "))
        };
        let way = |one_way: bool, both: &'static str| if one_way { "->" } else { both };
        match self {
            Self::Partition { between, and, one_way } => {
                write!(f, "partition {}", sides(between, and, way(*one_way, "|")))
            }
            Self::Split { groups } => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(", ")).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            Self::Shape(shape) => shape.fmt(f),
            Self::Hold { between, and, one_way } => {
                write!(f, "hold {}", sides(between, and, way(*one_way, "|")))
            }
            Self::Link { between, and, one_way, .. } => {
                write!(f, "link {}", sides(between, and, way(*one_way, "<->")))
            }
            Self::Reset(Reset { from, to, answer, .. }) => {
                let part = if *answer { "answer" } else { "request" };
                write!(f, "reset {part} {}", sides(from, to, "->"))
            }
            Self::Duplicate { from, to, .. } => write!(f, "duplicate {}", sides(from, to, "->")),
            Self::Refuse { node, port: Some(port) } => write!(f, "refuse {node}:{port}"),
            Self::Refuse { node, port: None } => write!(f, "refuse {node}"),
            Self::Hang { node } => write!(f, "hang {node}"),
        }
    }
}
