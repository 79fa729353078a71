//! Faults of disks.

use std::sync::Arc;

use crate::{World, disk::DiskFaults, fault::FaultId, world::FaultKind};

impl World {
    /// Makes a machine's disk misbehave. Ended by [`World::repair`].
    pub fn break_disk(&self, machine: &str, faults: DiskFaults, cause: Option<u64>) -> FaultId {
        let (fault, index) =
            self.begin_on(machine, FaultKind::Disk, &format!("{faults} disk of"), cause);
        let disk = Arc::clone(&self.shared.lock().machines[index].disk);
        disk.set_faults(faults);
        fault
    }

    pub(super) fn mend_disk(&self, machine: usize) {
        let disk = Arc::clone(&self.shared.lock().machines[machine].disk);
        disk.set_faults(DiskFaults::default());
    }
}
