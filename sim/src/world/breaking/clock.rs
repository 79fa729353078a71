//! Faults of wall clocks.

use std::sync::Arc;

use journal::duration::text;

use crate::{
    World,
    fault::{ClockFault, FaultId, Shift},
    world::Remedy,
};

impl World {
    /// Makes the wall clock of a machine go wrong; timers stay right. Ended by [`World::repair`].
    /// Counts each time that the machine reads it until then. Inert on a machine that does not.
    pub fn break_clock(&self, machine: &str, what: ClockFault, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, Remedy::Clock, &description(what), cause);
        let clock = Arc::clone(&self.shared.lock().machines[index].clock);
        clock.begin(fault, what);
        fault
    }

    pub(super) fn correct(&self, fault: FaultId, index: usize) {
        let clock = Arc::clone(&self.shared.lock().machines[index].clock);
        clock.end(fault);
    }
}

/// Returns what is wrong, such as `clock 1h ahead on`; the name of the machine follows.
fn description(what: ClockFault) -> String {
    match what {
        ClockFault::Skew(Shift::Ahead(by)) => format!("clock {} ahead on", text(by)),
        ClockFault::Skew(Shift::Behind(by)) => format!("clock {} behind on", text(by)),
        ClockFault::Jump(Shift::Ahead(by)) => format!("clock jumps {} ahead on", text(by)),
        ClockFault::Jump(Shift::Behind(by)) => format!("clock jumps {} back on", text(by)),
        ClockFault::Drift(rate) => format!("clock runs {rate} times as fast on"),
    }
}
