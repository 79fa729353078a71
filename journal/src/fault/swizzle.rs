//! Swizzles: machines are cut off one by one, and mended one by one in another order.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    time::Duration,
};

use rand::seq::SliceRandom;

use super::{FaultId, names};
use crate::random;

/// Machines that are cut off one by one, and mended one by one in another order.
///
/// The first is cut off from all others at once, the next after `every`, in the order of the list.
/// When all are, the first is mended after `every`, and so on, in an order drawn from the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swizzle {
    /// The machines.
    pub machines: Vec<String>,
    /// The time between two steps.
    pub every: Duration,
}

impl Swizzle {
    /// Returns the time from the first cut to the last mending.
    pub fn lasts(&self) -> Duration {
        let steps = 2 * u32::try_from(self.machines.len()).unwrap_or(u32::MAX / 2);
        self.every.saturating_mul(steps.saturating_sub(1))
    }

    /// Returns what it does, step by step, as fault number `fault` of a world with that seed.
    pub fn steps(&self, seed: u64, fault: FaultId) -> SwizzleSteps {
        let machines = self.machines.len();
        let mut mending: Vec<usize> = (0..machines).collect();
        mending.shuffle(&mut random::stream(seed, &format!("swizzle {}", fault.number())));
        SwizzleSteps {
            machines,
            turns: (0..machines).chain(mending).collect(),
            off: BTreeSet::new(),
        }
    }
}

impl fmt::Display for Swizzle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swizzle {}", names(&self.machines))
    }
}

/// The steps of a swizzle: after each, the directed links that are cut, between machines by their
/// places in its list.
#[derive(Clone, Debug)]
pub struct SwizzleSteps {
    machines: usize,
    /// Each machine twice: to be cut off, and to be mended.
    turns: VecDeque<usize>,
    off: BTreeSet<usize>,
}

impl Iterator for SwizzleSteps {
    type Item = Vec<(usize, usize)>;

    fn next(&mut self) -> Option<Self::Item> {
        let machine = self.turns.pop_front()?;
        if !self.off.insert(machine) {
            self.off.remove(&machine);
        }
        let is_off = |machine| self.off.contains(&machine);
        let pairs =
            (0..self.machines).flat_map(|from| (0..self.machines).map(move |to| (from, to)));
        Some(pairs.filter(|&(from, to)| from != to && (is_off(from) || is_off(to))).collect())
    }
}
