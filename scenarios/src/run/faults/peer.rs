//! Sets faults of dishonest peers: the world counts, and a [`crate::byzantine`] seat does them.

use sim::{World, fault::FaultId};

use crate::scenario::PeerFault;

pub(super) fn set(world: &World, fault: &PeerFault, cause: Option<u64>) -> FaultId {
    world.begin_fault(&fault.node, &fault.to_string(), cause)
}
