//! Sets faults of dishonest peers: the world counts, and a [`crate::byzantine`] seat does them.

use scenarios::scenario::PeerFault;
use sim::{World, fault::FaultId};

pub(super) fn set(world: &World, fault: &PeerFault, cause: Option<u64>) -> FaultId {
    world.begin_fault(&fault.node, &fault.to_string(), cause)
}
