//! Begins faults of disks.

use scenarios::scenario::DiskFault;
use sim::{World, disk::DiskFaults, fault::FaultId};

pub(super) fn set(world: &World, fault: &DiskFault, cause: Option<u64>) -> FaultId {
    world.break_disk(&fault.node, disk_faults(fault), cause)
}

/// Returns what a fault of a scenario does to the disk itself.
pub fn disk_faults(fault: &DiskFault) -> DiskFaults {
    DiskFaults {
        eio_read: fault.read_fails.unwrap_or_default(),
        eio_write: fault.write_fails.unwrap_or_default(),
        eio_sync: fault.sync_fails.unwrap_or_default(),
        capacity: if fault.full { Some(0) } else { fault.capacity },
        lying_sync: fault.lies.unwrap_or_default(),
        write_time: fault.write_time.unwrap_or_default(),
        sync_time: fault.sync_time.unwrap_or_default(),
        die_after: fault.dies_after,
        rot: fault.rots.unwrap_or_default(),
    }
}
