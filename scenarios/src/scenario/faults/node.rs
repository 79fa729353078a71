//! Faults of a machine, of its process and of its wall clock.

use std::{fmt, time::Duration};

use super::When;
use crate::duration;

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFault {
    /// The machine loses power. It boots again when the fault ends.
    Crash {
        /// The machine.
        node: String,
        /// What the disk keeps.
        disk: AfterCrash,
    },
    /// The process dies, and the kernel lives on. The process starts again when the fault ends.
    Kill {
        /// The machine.
        node: String,
    },
    /// The process of a server dies. It starts with a new signing key when the fault ends.
    RotateKey {
        /// The homeserver or relay.
        node: String,
    },
    /// The process is not scheduled while the fault lasts.
    Pause {
        /// The machine.
        node: String,
    },
    /// The machine goes down and boots, again and again.
    Storm {
        /// The machine.
        node: String,
        /// How often it goes down.
        times: u32,
        /// How long it stays up in between.
        up: Duration,
        /// How long it stays down each time.
        down: Duration,
        /// Whether only the process dies. Otherwise the machine loses power.
        kill: bool,
    },
    /// The machine loses power and its disk. It boots on an empty disk when the fault ends.
    Wipe {
        /// The machine.
        node: String,
    },
    /// The machine loses power and its disk. It boots on a backup when the fault ends.
    Restore {
        /// The machine.
        node: String,
        /// When the backup is taken. It holds all files as they are at that moment.
        taken: Taken,
    },
    /// The wall clock shows a wrong time while the fault lasts.
    ClockSkew {
        /// The machine.
        node: String,
        /// How far it is off.
        by: Duration,
        /// Whether it is off into the past.
        behind: bool,
    },
    /// The wall clock is set to a wrong time, and stays wrong.
    ClockJump {
        /// The machine.
        node: String,
        /// How far it is off.
        by: Duration,
        /// Whether it is off into the past.
        back: bool,
    },
    /// The wall clock runs at a wrong rate while the fault lasts.
    ClockDrift {
        /// The machine.
        node: String,
        /// How many times as fast as it should.
        rate: f64,
    },
}

/// What a disk keeps of what was not synced when its machine loses power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCrash {
    /// All or nothing of each sector and each file name, as the seed decides.
    #[default]
    LoseUnsynced,
    /// Everything.
    Keep,
    /// As with `LoseUnsynced`, but only the first bytes of a sector that is kept may be new.
    Torn,
    /// Nothing: the worst that a power loss can do, whatever the seed.
    LoseAll,
}

/// When a backup is taken. It is written like the beginning of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken(pub Box<When>);

/// The slowest and the fastest rate at which a clock may run.
pub(crate) const RATES: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// How often a machine may go down in one storm.
pub(crate) const MOST_RESTARTS: u32 = 1000;

impl NodeFault {
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill { .. } => "kill",
            Self::RotateKey { .. } => "rotate-key",
            Self::Pause { .. } => "pause",
            Self::Storm { .. } => "storm",
            Self::Wipe { .. } => "wipe",
            Self::Restore { .. } => "restore",
            Self::ClockSkew { .. } => "clock-skew",
            Self::ClockJump { .. } => "clock-jump",
            Self::ClockDrift { .. } => "clock-drift",
        }
    }

    /// Returns the machine that it happens to.
    pub fn node(&self) -> &str {
        match self {
            Self::Crash { node, .. }
            | Self::Kill { node }
            | Self::RotateKey { node }
            | Self::Pause { node }
            | Self::Storm { node, .. }
            | Self::Wipe { node }
            | Self::Restore { node, .. }
            | Self::ClockSkew { node, .. }
            | Self::ClockJump { node, .. }
            | Self::ClockDrift { node, .. } => node,
        }
    }

    /// Returns how long a storm takes, which ends by itself; none for any other fault.
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
                write!(f, "clock {} {word} on {node}", duration::text(*by))
            }
            Self::ClockJump { node, by, back } => {
                let word = if *back { "back" } else { "ahead" };
                write!(f, "clock jumps {} {word} on {node}", duration::text(*by))
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
