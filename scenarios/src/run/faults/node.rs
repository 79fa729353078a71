//! Sets faults of machines.

use sim::{
    World,
    fault::{DiskFate, FaultId},
};

use crate::scenario::NodeFault;

pub(super) fn set(world: &World, fault: &NodeFault, cause: Option<u64>) -> FaultId {
    match fault {
        NodeFault::Crash { node, keep_disk } => {
            let fate = if *keep_disk { DiskFate::Keep } else { DiskFate::LoseUnsynced };
            world.crash(node, fate, cause)
        }
        NodeFault::Kill { node } => world.kill(node, cause),
        NodeFault::Pause { node } => world.pause(node, cause),
    }
}
