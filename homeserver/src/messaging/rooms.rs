//! Rooms: creating, joining, inviting, leaving, putting events into them, and reading them.

mod authorised;
mod backfill;
mod create;
mod earlier_stays;
mod early_invites;
mod error;
mod events;
mod guests;
mod handover;
mod invite;
mod join;
mod knock;
mod leave;
mod options;
mod outside;
mod reads;
mod upgrade;
pub(crate) mod welcome;
mod withdraw;

use ruma::OwnedRoomId;
use transport::Database;

use self::early_invites::EarlyInvites;
pub(crate) use self::{
    create::VERSIONS,
    join::OWNER_FIELD,
    outside::{MAX_SHOWN_STATE, stripped_state},
    reads::state_events,
};
pub use self::{
    error::RoomError,
    options::{CreateRoom, Direction, InitialState, JoinRule},
};
pub use crate::pdu::Draft;
use crate::{
    core::{Core, guards::Guards},
    pdu::Graph,
    transaction::Outgoing,
};

/// The rooms of this server. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    pub(crate) graph: Graph,
    pub(crate) outgoing: Outgoing,
    /// One join through another server at a time per room.
    joins: Guards<OwnedRoomId>,
    early_invites: EarlyInvites,
}

impl Rooms {
    /// Returns the rooms of `graph`, whose events go out through `outgoing`.
    pub fn new(graph: Graph, outgoing: Outgoing) -> Self {
        let (joins, early_invites) = (Guards::default(), EarlyInvites::default());
        Self { graph, outgoing, joins, early_invites }
    }

    /// Returns what the layers share.
    pub fn core(&self) -> &Core {
        &self.graph.core
    }

    /// Returns the one database.
    pub fn database(&self) -> &Database {
        &self.core().database
    }
}
