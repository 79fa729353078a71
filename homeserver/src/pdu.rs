//! PDUs: the receipt checks, the graph of each room and its state, missing events.
//!
//! Reading order: this file (what is said upwards), `verify` (signatures and hash), `auth` (the
//! rules), `resolve` (state), `judge` (the receipt checks in their order), `insert` (becoming part
//! of a room), `merge` (of forks), `receive` (what comes in) and `admit` (what is let in), `gap`,
//! `adopt` and `fetch` (what that lacks), `forward` (whom it goes on to) and `undone` (who was left
//! out by a removal that did not hold), `newcomers` (who missed what was said here), `late` (what was
//! taken for history), `acl` (who may take part), `redact` (what is taken away), `outside` (rooms that
//! this server is not in), `outliers`, `backfill` (history), `build` (new events) and `restricted` (who
//! lets whom in), `sight` (who may see what), `serve` (what other servers may ask for), `power` (who may
//! do what beside events).

pub(crate) mod acl;
mod admit;
mod adopt;
pub(crate) mod auth;
mod backfill;
mod build;
mod fetch;
mod forward;
mod gap;
mod insert;
pub(crate) mod judge;
mod late;
pub(crate) mod merge;
mod newcomers;
pub(crate) mod outliers;
mod outside;
pub(crate) mod power;
mod receive;
mod redact;
mod resolve;
pub(crate) mod restricted;
pub mod serve;
pub(crate) mod sight;
mod undone;
pub(crate) mod verify;

use std::sync::Arc;

use ruma::{OwnedRoomId, RoomId};
use tokio::sync::Notify;
use transport::Transaction;

pub use self::build::Draft;
pub(crate) use self::{
    build::{Spot, template},
    fetch::Found,
    insert::KnownRoom,
    resolve::{auth_chain, resolve},
};
use crate::{
    core::{Core, guards::Guards},
    event::{Malformed, Pdu},
    store::StoreError,
    transaction::Outgoing,
};

/// The graph of every room of this server: judges and inserts events, and fetches what they build
/// on. Cheap to clone.
#[derive(Clone)]
pub struct Graph {
    pub(crate) core: Core,
    pub(crate) handler: Arc<dyn EventHandler>,
    pub(crate) outgoing: Outgoing,
    /// The rooms that this server is just joining. Events of these wait until the join is done,
    /// because the server that let us in sends them at once.
    pub(crate) joining: Guards<OwnedRoomId>,
    /// Rung when an event became part of the graph past the owner of its room, who is to be asked
    /// whether it is shown.
    pub(crate) undecided: Arc<Notify>,
}

/// What the pdu layer tells the layer above.
pub trait EventHandler: Send + Sync + 'static {
    /// Called inside the transaction that makes `event` part of its room (or makes an invite or a
    /// leave of a local user known). `position` is its place in the stream: strictly increasing per
    /// server.
    ///
    /// # Errors
    /// The store refuses; the whole transaction is rolled back then.
    fn persisted(&self, tx: &Transaction<'_>, event: &Pdu, position: i64)
    -> Result<(), StoreError>;

    /// Called inside the transaction in which the event at `position` has changed who is in `room`
    /// beyond what the event itself says, since it brought two states of the room together.
    ///
    /// # Errors
    /// The store refuses; the whole transaction is rolled back then.
    fn memberships_changed(
        &self,
        tx: &Transaction<'_>,
        room: &RoomId,
        position: i64,
    ) -> Result<(), StoreError>;
}

impl Graph {
    /// Returns the graph in the store of `core`; `handler` is told of every new event, and what must
    /// go on to other servers goes through `outgoing`.
    pub fn new(core: Core, handler: Arc<dyn EventHandler>, outgoing: Outgoing) -> Self {
        let (joining, undecided) = (Guards::default(), Arc::default());
        Self { core, handler, outgoing, joining, undecided }
    }
}

/// Why an event cannot be judged now; later it may be.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Another server that is needed does not answer.
    #[error("{0}")]
    Elsewhere(String),
    /// All who were asked have answered, and none has what is needed; somebody may have it later.
    #[error("{0}")]
    Lacking(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<transport::DatabaseError> for Unavailable {
    fn from(error: transport::DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// An event that went through all receipt checks, ready to become part of its room.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The event.
    pub pdu: Pdu,
    /// What the authorization rules made of it.
    pub(crate) standing: Standing,
}

/// What the authorization rules made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is allowed.
    Accepted,
    /// It is allowed at its place in the graph, but not by the current state: kept, never shown.
    SoftFailed(String),
    /// It is not allowed: kept, so that it need not be fetched again, and never shown.
    Rejected(String),
}

/// A foreseen refusal of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not an event of its room's version.
    #[error("malformed event: {0}")]
    Malformed(Malformed),
    /// A signature that it needs is missing or wrong.
    #[error("bad signature: {0}")]
    BadSignature(String),
    /// It is signed with a key that its server does not publish, or not for that time.
    #[error("bad signature: {0}")]
    UnknownKey(String),
    /// It is rightly signed, and of a time so far ahead of this server's clock that no key is believed for it.
    #[error("bad signature: {0}")]
    TooFarAhead(String),
    /// This server is not in the room.
    #[error("this server is not in room {0}")]
    UnknownRoom(OwnedRoomId),
    /// The authorization rules forbid it.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// The current state of the room forbids it, though it was allowed where it stands.
    #[error("no longer allowed: {0}")]
    NoLongerAllowed(String),
    /// Nobody has events that it builds on: the servers asked do not have them.
    #[error("it builds on events that nobody has: {0}")]
    MissingEvents(String),
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}
