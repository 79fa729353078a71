//! Why a run ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was played to its end.
    Finished,
    /// The simulated-time limit passed first.
    Limit,
    /// The journal reached this many entries first.
    EntryLimit(u64),
    /// The bodies in the journal reached this many bytes first ([`MAX_BYTES`](crate::MAX_BYTES)).
    ByteLimit(u64),
    /// A task of a machine panicked.
    Panicked {
        /// The machine.
        machine: String,
        /// The panic's message.
        message: String,
    },
    /// A machine's program broke the rules by which a world can run at all.
    Misbehaved {
        /// The machine.
        machine: String,
        /// What it did.
        how: Misbehavior,
    },
}

/// How a program breaks the rules of a world. Shown as a sentence without its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misbehavior {
    /// One poll of a task did not return within the patience of the world.
    Blocks,
    /// Its tasks wake each other for ever without letting simulated time pass.
    NeverSettles,
    /// Nothing at all was polled within that patience; it was the last to be polled.
    StandsStill,
    /// It spawned a task beside `Host::spawn`.
    SpawnsTask,
    /// It used tokio's blocking threads.
    SpawnsBlocking,
    /// A thread of its own woke one of its tasks.
    WokenFromOutside,
}

impl fmt::Display for Misbehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocks => {
                "blocks the thread: one poll of a task has not returned (await instead of waiting)"
            }
            Self::NeverSettles => {
                "never settles: its tasks are polled on and on and simulated time stands still \
                 (wait for something, or sleep)"
            }
            Self::StandsStill => {
                "was the last to be polled, and now the world stands still: something outside of \
                 it is waited for"
            }
            Self::SpawnsTask => {
                "spawned a task outside its own, which a crash would not end (use Host::spawn)"
            }
            Self::SpawnsBlocking => {
                "used a blocking thread, whose timing cannot be repeated (use Database::call, or \
                 compute in place)"
            }
            Self::WokenFromOutside => {
                "was woken by a thread outside the world, whose timing cannot be repeated (use \
                 Host::spawn)"
            }
        })
    }
}
