//! Breaking and repairing: how a fault of any kind begins and ends.
//!
//! The kinds: `network`, `node`, `clock`, `disk`; `worked` by the harness.

mod clock;
mod disk;
mod network;
mod node;
mod worked;

use std::sync::Arc;

use super::{FaultKind, World};
use crate::fault::{FaultId, FaultReport};

impl World {
    fn begin(
        &self,
        kind: FaultKind,
        machine: Arc<str>,
        what: String,
        cause: Option<u64>,
    ) -> FaultId {
        let mut state = self.shared.lock();
        let now = state.now();
        state.kinds.push(kind);
        state.in_journal(|state| state.recorder.begin_fault(now, machine, what, cause))
    }

    fn begin_on(
        &self,
        machine: &str,
        kind: impl FnOnce(usize) -> FaultKind,
        what: &str,
        cause: Option<u64>,
    ) -> (FaultId, usize) {
        let (index, name) = {
            let state = self.shared.lock();
            let index = state.machine(machine);
            (index, state.machines[index].name.clone())
        };
        (self.begin(kind(index), name, format!("{what} {machine}"), cause), index)
    }

    /// Ends a fault: links are as before, a paused machine goes on, a crashed or killed one boots,
    /// a clock is right again. Does nothing if the fault has ended.
    pub fn repair(&self, fault: FaultId) {
        let index = usize::try_from(fault.number() - 1).expect("faults are counted from 1");
        let kind = {
            let mut state = self.shared.lock();
            let now = state.now();
            if !state.in_journal(|state| state.recorder.end_fault(now, fault)) {
                return;
            }
            state.kinds[index]
        };
        match kind {
            FaultKind::Links => self.shared.lock().mend_links(fault.number()),
            FaultKind::Down(machine) | FaultKind::Storm(machine) => {
                self.bring_back(fault, machine);
            }
            FaultKind::Paused(machine) => self.resume(fault, machine),
            FaultKind::Disk(machine) => self.mend_disk(fault, machine),
            FaultKind::Clock(machine) => self.correct(fault, machine),
            FaultKind::Worked => {}
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
