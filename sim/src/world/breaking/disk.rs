//! Faults of disks.

use std::sync::Arc;

use crate::{World, disk::DiskFaults, fault::FaultId, world::Remedy};

impl World {
    /// Makes a machine's disk misbehave. Of several faults of one disk, the worst of each kind of
    /// trouble counts; but each rots its own bits, and counts down to the death of the machine by
    /// itself. Ended by [`World::repair`]; bits that rotted stay so. Counts the operations into
    /// which it was injected, and the bits that it flipped.
    pub fn break_disk(&self, machine: &str, faults: DiskFaults, cause: Option<u64>) -> FaultId {
        let (fault, index) =
            self.begin_on(machine, Remedy::Disk, &format!("{faults} disk of"), cause);
        let disk = Arc::clone(&self.shared.lock().machines[index].disk);
        let bits = disk.rot(faults.rot);
        disk.add_fault(fault.number(), faults);
        let mut state = self.shared.lock();
        for _ in 0..bits {
            state.hit(fault.number(), []);
        }
        fault
    }

    /// Ends a fault of a disk; a machine that died of it boots.
    pub(super) fn mend_disk(&self, fault: FaultId, machine: usize) {
        let disk = Arc::clone(&self.shared.lock().machines[machine].disk);
        disk.remove_fault(fault.number());
        self.bring_back(fault, machine);
    }
}
