//! Faults as every world and every scenario knows them: what is done to links, what triggers wait
//! for; and the ledger: which fault, from when until when, and what it touched.

mod cut;
mod holds;
pub mod network;
mod shape;
mod swizzle;
mod trigger;

use std::{collections::BTreeSet, time::Duration};

pub use self::{
    cut::Cut,
    holds::Holds,
    network::*,
    shape::{Shape, halves},
    swizzle::{Swizzle, SwizzleSteps},
    trigger::{Action, DiskWatch, Matches, Moment, Operation, Watch},
};

/// A fault of a world, by its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

impl FaultId {
    /// Returns the fault of that number.
    pub fn numbered(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number that the journal's entries carry.
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

/// Machine names as a report shows them: as many as leave room for the other side of a cut, and at
/// least one.
fn names(machines: &[String]) -> String {
    const ROOM: usize = 22;
    let short = |shown: usize| match machines.len() - shown {
        0 => machines.join(", "),
        left => format!("{} and {left} more", machines[..shown].join(", ")),
    };
    let fits = |shown: &usize| short(*shown).chars().count() <= ROOM;
    let shown = (1..=machines.len()).rev().find(fits).unwrap_or(machines.len().min(1));
    short(shown)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_few_machines_are_named_and_many_are_counted_so_that_both_sides_fit() {
        let machines = |n: usize| (1..=n).map(|n| format!("b{n:02}")).collect::<Vec<_>>();
        assert_eq!(names(&machines(4)), "b01, b02, b03, b04");
        assert_eq!(names(&machines(10)), "b01, b02 and 8 more");
        assert_eq!(names(&["a-name-that-leaves-no-room".to_owned()]), "a-name-that-leaves-no-room");
        assert_eq!(names(&[]), "");
    }
}
