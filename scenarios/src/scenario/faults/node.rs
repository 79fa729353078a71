//! Faults of a machine, its process and its wall clock.

use std::{fmt, time::Duration};

use super::{Listed, When};
use crate::language::duration_text;

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFault {
    /// Power loss; boots again when the fault ends.
    Crash {
        /// The machine.
        node: String,
        /// What the disk keeps.
        disk: AfterCrash,
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
    /// Goes down and boots, again and again.
    Storm {
        /// The machine.
        node: String,
        /// How often it goes down.
        times: u32,
        /// How long it is up between two times.
        up: Duration,
        /// How long it is down each time.
        down: Duration,
        /// Whether only the process dies; else the machine loses power.
        kill: bool,
    },
    /// Power loss, and the disk with it; boots on an empty one when the fault ends.
    Wipe {
        /// The machine.
        node: String,
    },
    /// Power loss, and the disk with it; boots on a backup when the fault ends.
    Restore {
        /// The machine.
        node: String,
        /// When the backup is taken. It has all files as they are at that instant.
        taken: Taken,
    },
    /// The wall clock shows another time while the fault lasts.
    ClockSkew {
        /// The machine.
        node: String,
        /// How far.
        by: Duration,
        /// Whether into the past.
        behind: bool,
    },
    /// The wall clock is set, and stays so.
    ClockJump {
        /// The machine.
        node: String,
        /// How far.
        by: Duration,
        /// Whether into the past.
        back: bool,
    },
    /// The wall clock runs at another rate while the fault lasts.
    ClockDrift {
        /// The machine.
        node: String,
        /// How many times as fast as it ought to.
        rate: f64,
    },
}

/// What a disk keeps of what was not synced, in a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCrash {
    /// Of each sector and name all or nothing, as the seed says.
    #[default]
    LoseUnsynced,
    /// Everything.
    Keep,
    /// As `LoseUnsynced`, and a sector that is kept may be new in its first bytes only.
    Torn,
    /// Nothing: the worst that a power loss does, whatever the seed.
    LoseAll,
}

/// When a backup is taken. Written as a fault's beginning is.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken(pub Box<When>);

/// The slowest and the fastest that a clock may run.
pub(crate) const RATES: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// How often a machine may go down in one storm.
pub(crate) const MOST_RESTARTS: u32 = 1000;

/// How they are written.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "crash",
        example: "{ node = \"a\", disk = \"lose-unsynced\" }",
        means: "power loss: silent at once, what was not synced is lost; boots when it ends \
                (of each unsynced sector all or nothing, by the seed; disk = \"torn\" also tears \
                sectors, disk = \"lose-all\" loses each of them, disk = \"keep\" none)",
    },
    Listed {
        key: "kill",
        example: "{ node = \"a\" }",
        means: "the process dies, the kernel lives and closes its connections; starts when it ends",
    },
    Listed {
        key: "pause",
        example: "{ node = \"a\" }",
        means: "the process is not scheduled, nor one that boots meanwhile; its kernel still \
                acknowledges",
    },
    Listed {
        key: "storm",
        example: "{ node = \"a\", times = 5, up = \"2s\", down = \"1s\" }",
        means: "power loss and boot, again and again (kill = true: only the process dies); then up",
    },
    Listed {
        key: "wipe",
        example: "{ node = \"a\" }",
        means: "power loss, and the disk is gone: boots on an empty one when it ends",
    },
    Listed {
        key: "restore",
        example: "{ node = \"a\", taken = \"500ms\" }",
        means: "power loss, and the disk is gone: boots on a backup of it, taken earlier (at a time \
                or at a `when`), when it ends",
    },
    Listed {
        key: "clock-skew",
        example: "{ node = \"a\", ahead = \"1h\" }",
        means: "the wall clock is ahead (or behind) while it lasts; timers stay right",
    },
    Listed {
        key: "clock-jump",
        example: "{ node = \"a\", ahead = \"1h\" }",
        means: "the wall clock is set ahead (or back), once and for good; timers stay right",
    },
    Listed {
        key: "clock-drift",
        example: "{ node = \"a\", rate = 1.1 }",
        means: "the wall clock runs so many times as fast while it lasts; timers stay right",
    },
];

impl NodeFault {
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill { .. } => "kill",
            Self::Pause { .. } => "pause",
            Self::Storm { .. } => "storm",
            Self::Wipe { .. } => "wipe",
            Self::Restore { .. } => "restore",
            Self::ClockSkew { .. } => "clock-skew",
            Self::ClockJump { .. } => "clock-jump",
            Self::ClockDrift { .. } => "clock-drift",
        }
    }

    /// The machine that it happens to.
    pub fn node(&self) -> &str {
        match self {
            Self::Crash { node, .. }
            | Self::Kill { node }
            | Self::Pause { node }
            | Self::Storm { node, .. }
            | Self::Wipe { node }
            | Self::Restore { node, .. }
            | Self::ClockSkew { node, .. }
            | Self::ClockJump { node, .. }
            | Self::ClockDrift { node, .. } => node,
        }
    }

    /// A storm ends by itself.
    pub(super) fn lasts(&self) -> Option<Duration> {
        let Self::Storm { times, up, down, .. } = self else { return None };
        let pauses = times.saturating_sub(1);
        Some(down.saturating_mul(*times).saturating_add(up.saturating_mul(pauses)))
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockSkew { node, by, behind } => {
                let word = if *behind { "behind" } else { "ahead" };
                write!(f, "clock {} {word} on {node}", duration_text(*by))
            }
            Self::ClockJump { node, by, back } => {
                let word = if *back { "back" } else { "ahead" };
                write!(f, "clock jumps {} {word} on {node}", duration_text(*by))
            }
            Self::ClockDrift { node, rate } => {
                write!(f, "clock runs {rate} times as fast on {node}")
            }
            Self::Storm { node, .. } => write!(f, "restart storm {node}"),
            Self::Crash { node, disk: AfterCrash::Torn } => write!(f, "tear {node}"),
            other => write!(f, "{} {}", other.key(), other.node()),
        }
    }
}
