//! Swizzles: machines are cut off one by one, and mended one by one in another order.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use rand::seq::SliceRandom;

use super::driver::Arrival;
use crate::{random, world::State};

/// A swizzle under way.
pub(crate) struct Turning {
    machines: Vec<usize>,
    /// Each machine twice: to be cut off, and to be mended.
    steps: VecDeque<usize>,
    off: BTreeSet<usize>,
    every: Duration,
}

impl State {
    /// Draws the order of mending, and takes the first step.
    pub(crate) fn begin_swizzle(&mut self, fault: u64, machines: Vec<usize>, every: Duration) {
        let mut mending = machines.clone();
        mending.shuffle(&mut random::stream(self.config.seed, &format!("swizzle {fault}")));
        let steps = machines.iter().copied().chain(mending).collect();
        let turning = Turning { machines, steps, off: BTreeSet::new(), every };
        self.swizzles.insert(fault, turning);
        self.turn(fault);
    }

    /// Takes the next step of a swizzle, if it is still in force.
    pub(crate) fn turn(&mut self, fault: u64) {
        let now = self.now();
        let Some(turning) = self.swizzles.get_mut(&fault) else { return };
        let Some(machine) = turning.steps.pop_front() else { return };
        if !turning.off.insert(machine) {
            turning.off.remove(&machine);
        }
        self.links.repair(fault);
        let is_off = |machine| turning.off.contains(machine);
        for one in &turning.machines {
            for other in &turning.machines {
                if one != other && (is_off(one) || is_off(other)) {
                    self.links.cut((*one, *other), fault);
                }
            }
        }
        let next = now + turning.every;
        self.schedule(next, Arrival::Turn(fault));
    }
}
