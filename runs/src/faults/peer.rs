//! Begins faults of dishonest peers: the world keeps count of them, and a seat of
//! [`crate::byzantine`] commits them.

use scenarios::scenario::PeerFault;
use sim::{World, fault::FaultId};

pub(super) fn set(world: &World, fault: &PeerFault, cause: Option<u64>) -> FaultId {
    world.begin_fault(&fault.node, &fault.to_string(), cause)
}
