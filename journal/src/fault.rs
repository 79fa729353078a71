//! Faults as every world and every scenario knows them: what triggers wait for, which links are
//! meant; and the ledger: which fault, from when until when, and what it touched.

mod cut;
mod holds;
mod swizzle;
mod trigger;

use std::{collections::BTreeSet, time::Duration};

pub use self::{
    cut::Cut,
    holds::Holds,
    swizzle::{Swizzle, SwizzleSteps},
    trigger::{Action, DiskWatch, Matches, Moment, Operation, Watch},
};

/// A fault of a world, by its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

impl FaultId {
    /// The fault of that number.
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// The number that the journal's entries carry.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a fault did.
#[derive(Clone, Debug, Default)]
pub struct FaultReport {
    /// What it is, as `partition a | b`.
    pub what: String,
    /// When it began, in simulated time.
    pub from: Duration,
    /// When it ended; unset while in force.
    pub until: Option<Duration>,
    /// Numbers of the requests that it delayed, killed, slowed or replayed, in their order.
    pub requests: BTreeSet<u64>,
    /// Segments, connection attempts and tasks that it delayed or killed. 0 is an inert fault.
    pub hits: u64,
}
