//! PDUs: parsing, the receipt checks, the graph and its state, missing events.
//!
//! Reading order: this file (what a PDU is), `rules` (of room versions), `parse`, `verify`
//! (signatures and hash), `auth` (the rules), `resolve` (state), `judge` (the receipt checks in
//! their order), `insert` (becoming part of a room), `receive` (what comes in), `gap`, `adopt` and
//! `fetch` (what that lacks), `outliers`, `backfill` (history), `build` (new events),
//! `client_format` (for clients), `serve` (what other servers may ask for).

mod adopt;
pub(crate) mod auth;
mod backfill;
mod build;
mod client_format;
mod fetch;
mod gap;
mod insert;
pub(crate) mod judge;
pub(crate) mod outliers;
mod parse;
mod receive;
mod resolve;
pub(crate) mod rules;
pub mod serve;
pub(crate) mod verify;

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use ruma::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedUserId};
use serde_json::value::RawValue;

pub use self::{build::Draft, parse::Malformed, rules::Rules};
pub(crate) use self::{
    build::{Spot, template},
    fetch::Found,
    receive::Joining,
    resolve::auth_chain,
};
use crate::{core::Core, messaging::Upward, store::StoreError};

/// The graph of every room of this server: judges and inserts events, and fetches what they build
/// on. Cheap to clone.
#[derive(Clone)]
pub struct Graph {
    pub(crate) core: Core,
    pub(crate) upward: Arc<dyn Upward>,
    pub(crate) joining: Joining,
}

impl Graph {
    /// The graph in the store of `core`; `upward` is told of every new event.
    pub fn new(core: Core, upward: Arc<dyn Upward>) -> Self {
        Self { core, upward, joining: Joining::default() }
    }
}

/// Why an event cannot be judged now; later it may be.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Another server that is needed does not answer.
    #[error("{0}")]
    Elsewhere(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<transport::DatabaseError> for Unavailable {
    fn from(error: transport::DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// A persistent data unit: an event as sent between servers, its format checked and its id known.
/// Cheap to clone: an event never changes, and every clone is the same one.
#[derive(Clone, Debug)]
pub struct Pdu(Arc<Parts>);

/// What a [`Pdu`] says, taken apart.
#[derive(Debug)]
pub struct Parts {
    /// The reference hash, as an event id.
    pub event_id: OwnedEventId,
    /// The room that it belongs to.
    pub room_id: OwnedRoomId,
    /// Who sent it.
    pub sender: OwnedUserId,
    /// The event's type, as `m.room.message`.
    pub kind: String,
    /// Present on state events.
    pub state_key: Option<String>,
    /// Milliseconds since the epoch on its sender's server.
    pub origin_server_ts: u64,
    /// The longest path to the creation of the room, as its sender's server knew it.
    pub depth: u64,
    /// Its parents in the graph.
    pub prev_events: Vec<OwnedEventId>,
    /// The events that authorize it.
    pub auth_events: Vec<OwnedEventId>,
    /// What it says.
    pub content: serde_json::Value,
    /// The whole event as signed.
    pub json: CanonicalJsonObject,
    /// The same as canonical JSON: as it goes to other servers, and into the store.
    pub raw: Box<RawValue>,
    /// The hash of that text.
    pub digest: blake3::Hash,
    /// The event as clients see it, once somebody has asked for it.
    client: OnceLock<Box<RawValue>>,
    /// Its content as JSON, once the rules have asked for it.
    content_raw: OnceLock<Box<RawValue>>,
}

impl PartialEq for Pdu {
    fn eq(&self, other: &Self) -> bool {
        self.event_id == other.event_id
            && self.room_id == other.room_id
            && self.raw.get() == other.raw.get()
    }
}

impl Deref for Pdu {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for Pdu {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Pdu {
    /// The event as it goes to other servers.
    pub fn to_raw(&self) -> Box<RawValue> {
        self.raw.clone()
    }

    /// The content as JSON.
    pub(crate) fn raw_content(&self) -> &RawValue {
        self.content_raw.get_or_init(|| {
            serde_json::value::to_raw_value(&self.content).expect("a JSON value is JSON")
        })
    }

    /// Whether this is the membership event of a user.
    pub fn is_member_event(&self) -> bool {
        self.kind == "m.room.member" && self.state_key.is_some()
    }

    /// The membership that this event sets, if it is a membership event.
    pub fn membership(&self) -> Option<&str> {
        self.is_member_event().then(|| self.content["membership"].as_str()).flatten()
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
    /// It is allowed where it stands, but not by the current state: kept, never shown.
    SoftFailed(String),
    /// It is not allowed: kept, so that it need not be fetched again, and never shown.
    Rejected(String),
}

/// A foreseen refusal of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not an event of its room's version.
    #[error("malformed event: {0}")]
    Malformed(String),
    /// A signature that it needs is missing or wrong.
    #[error("bad signature: {0}")]
    BadSignature(String),
    /// This server is not in the room.
    #[error("this server is not in room {0}")]
    UnknownRoom(OwnedRoomId),
    /// The authorization rules forbid it.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// The current state of the room forbids it, though it was allowed where it stands.
    #[error("no longer allowed: {0}")]
    NoLongerAllowed(String),
    /// Events that it builds on are nowhere to be had: the servers asked do not have them.
    #[error("it builds on events that nobody has: {0}")]
    MissingEvents(String),
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.0)
    }
}
