//! Sets faults of disks.

use sim::{World, disk::DiskFaults, fault::FaultId};

use crate::scenario::DiskFault;

pub(super) fn set(world: &World, fault: &DiskFault, cause: Option<u64>) -> FaultId {
    let failure = if fault.failing { 1.0 } else { 0.0 };
    let faults = DiskFaults {
        eio_write: failure,
        eio_sync: failure,
        capacity: fault.full.then_some(0),
        sync_time: fault.sync_time.unwrap_or_default(),
        ..DiskFaults::default()
    };
    world.break_disk(&fault.node, faults, cause)
}
