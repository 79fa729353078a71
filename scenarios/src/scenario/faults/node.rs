//! Faults of a machine and its process.

use std::fmt;

use super::Listed;

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFault {
    /// Power loss; boots again when the fault ends.
    Crash {
        /// The machine.
        node: String,
        /// Whether what was not synced is lost.
        keep_disk: bool,
    },
    /// The process dies, the kernel lives; boots again when the fault ends.
    Kill {
        /// The machine.
        node: String,
    },
    /// Not scheduled while the fault lasts.
    Pause {
        /// The machine.
        node: String,
    },
}

/// How they are written.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "crash",
        example: "{ node = \"a\", disk = \"lose-unsynced\" }",
        means: "power loss: silent at once, what was not synced is lost; boots when it ends",
    },
    Listed {
        key: "kill",
        example: "{ node = \"a\" }",
        means: "the process dies, the kernel lives and closes its connections; starts when it ends",
    },
    Listed {
        key: "pause",
        example: "{ node = \"a\" }",
        means: "the process is not scheduled; its kernel still acknowledges",
    },
];

impl NodeFault {
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill { .. } => "kill",
            Self::Pause { .. } => "pause",
        }
    }

    /// The machine that it happens to.
    pub fn node(&self) -> &str {
        match self {
            Self::Crash { node, .. } | Self::Kill { node } | Self::Pause { node } => node,
        }
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key(), self.node())
    }
}
