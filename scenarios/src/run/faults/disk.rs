//! Sets faults of disks.

use sim::{World, disk::DiskFaults, fault::FaultId};

use crate::scenario::DiskFault;

pub(super) fn set(world: &World, fault: &DiskFault, cause: Option<u64>) -> FaultId {
    world.break_disk(&fault.node, disk_faults(fault), cause)
}

/// What such a fault is to the disk itself.
pub fn disk_faults(fault: &DiskFault) -> DiskFaults {
    let failure = if fault.failing { 1.0 } else { 0.0 };
    DiskFaults {
        eio_write: failure,
        eio_sync: failure,
        capacity: fault.full.then_some(0),
        sync_time: fault.sync_time.unwrap_or_default(),
        ..DiskFaults::default()
    }
}
