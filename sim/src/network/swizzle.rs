//! Swizzles under way: which step comes when.

use std::time::Duration;

use super::driver::Arrival;
use crate::{
    fault::{FaultId, Swizzle, SwizzleSteps},
    world::WorldState,
};

/// A swizzle under way.
pub(crate) struct RunningSwizzle {
    machines: Vec<usize>,
    steps: SwizzleSteps,
    every: Duration,
}

impl WorldState {
    /// Draws the order of mending, and takes the first step.
    pub(crate) fn begin_swizzle(&mut self, fault: u64, swizzle: &Swizzle) {
        let machines = swizzle.machines.iter().map(|name| self.machine(name)).collect();
        let steps = swizzle.steps(self.config.seed, FaultId::numbered(fault));
        self.swizzles.insert(fault, RunningSwizzle { machines, steps, every: swizzle.every });
        self.turn(fault);
    }

    /// Takes the next step of a swizzle, if it is still in force.
    pub(crate) fn turn(&mut self, fault: u64) {
        let now = self.now();
        let Some(swizzle) = self.swizzles.get_mut(&fault) else { return };
        let Some(cut) = swizzle.steps.next() else { return };
        self.links.repair(fault);
        for (from, to) in cut {
            self.links.cut((swizzle.machines[from], swizzle.machines[to]), fault);
        }
        let next = now + swizzle.every;
        self.schedule(next, Arrival::Turn(fault));
    }
}
