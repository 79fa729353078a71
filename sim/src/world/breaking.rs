//! Breaking and repairing: how a fault of any kind begins and ends.
//!
//! The kinds: `network`, `node`, `clock`, `disk`, and `external`: those that the harness carries
//! out.

mod clock;
mod disk;
mod external;
mod network;
mod node;

use std::sync::Arc;

use super::{Remedy, World};
use crate::fault::{FaultId, FaultReport};

impl World {
    fn begin(
        &self,
        remedy: Remedy,
        machine: Arc<str>,
        what: String,
        cause: Option<u64>,
    ) -> FaultId {
        let mut state = self.shared.lock();
        let now = state.now();
        state.remedies.push(remedy);
        state.in_journal(|state| state.recorder.begin_fault(now, machine, what, cause))
    }

    fn begin_on(
        &self,
        machine: &str,
        remedy: impl FnOnce(usize) -> Remedy,
        what: &str,
        cause: Option<u64>,
    ) -> (FaultId, usize) {
        let (index, name) = {
            let state = self.shared.lock();
            let index = state.machine(machine);
            (index, state.machines[index].name.clone())
        };
        (self.begin(remedy(index), name, format!("{what} {machine}"), cause), index)
    }

    /// Ends a fault: links are as before, a paused machine goes on, a crashed or killed one boots,
    /// a clock is right again. Does nothing if the fault has ended.
    pub fn repair(&self, fault: FaultId) {
        let index = usize::try_from(fault.number() - 1).expect("faults are counted from 1");
        let remedy = {
            let mut state = self.shared.lock();
            let now = state.now();
            if !state.in_journal(|state| state.recorder.end_fault(now, fault)) {
                return;
            }
            state.remedies[index]
        };
        match remedy {
            Remedy::Links => self.shared.lock().mend_links(fault.number()),
            Remedy::Down(machine) | Remedy::Storm(machine) => {
                self.bring_back(fault, machine);
            }
            Remedy::Paused(machine) => self.resume(fault, machine),
            Remedy::Disk(machine) => self.mend_disk(fault, machine),
            Remedy::Clock(machine) => self.correct(fault, machine),
            Remedy::External => {}
        }
    }

    /// Ends every fault in force, oldest first.
    pub fn repair_all(&self) {
        let count = self.shared.lock().recorder.faults();
        for fault in 1..=count {
            self.repair(FaultId::numbered(fault));
        }
    }

    /// Returns what a fault has done so far.
    pub fn fault(&self, fault: FaultId) -> FaultReport {
        self.shared.lock().recorder.fault(fault).clone()
    }
}
