//! Faults of the links between machines.

use std::fmt;

use super::Listed;
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
    /// Changes latency and loss between two groups.
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
    },
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
        key: "link",
        example: "{ between = [\"a\"], and = [\"b\"], latency = \"2s\", loss = 0.1 }",
        means: "changes latency and loss between two groups",
    },
];

impl NetworkFault {
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::Split { .. } => "split",
            Self::Link { .. } => "link",
        }
    }
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = |between: &[String], and: &[String], sign: &str| {
            format!("{} {sign} {}", between.join(", "), and.join(", "))
        };
        match self {
            Self::Partition { between, and, one_way } => {
                write!(f, "partition {}", sides(between, and, if *one_way { "->" } else { "|" }))
            }
            Self::Split { groups } => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(", ")).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            Self::Link { between, and, one_way, .. } => {
                write!(f, "link {}", sides(between, and, if *one_way { "->" } else { "<->" }))
            }
        }
    }
}
