//! Events as data: what every layer above speaks of.
//!
//! Reading order: this file (what a PDU is), `rules` (of room versions), `parse`, `client_format`
//! (for clients), then the words that events use: [`Delivery`] and [`Membership`].

mod client_format;
mod delivery;
mod membership;
mod parse;
pub(crate) mod rules;

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use ruma::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedUserId};
use serde_json::value::RawValue;

pub use self::{
    delivery::Delivery,
    membership::Membership,
    parse::Malformed,
    rules::{Rules, of as rules_of},
};

/// A persistent data unit: an event as sent between servers, its format checked and its id known.
/// Cheap to clone: an event never changes, and every clone is the same one.
#[derive(Clone, Debug)]
pub struct Pdu(Arc<PduFields>);

/// What a [`Pdu`] says, field by field.
#[derive(Debug)]
pub struct PduFields {
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
    /// The event that redacted it, as clients see that.
    pub redacted_because: Option<serde_json::Value>,
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
    type Target = PduFields;

    fn deref(&self) -> &PduFields {
        &self.0
    }
}

impl From<PduFields> for Pdu {
    fn from(fields: PduFields) -> Self {
        Self(Arc::new(fields))
    }
}

impl Pdu {
    /// Returns the event as it goes to other servers.
    pub fn to_raw(&self) -> Box<RawValue> {
        self.raw.clone()
    }

    /// Returns the content as JSON.
    pub(crate) fn raw_content(&self) -> &RawValue {
        self.content_raw.get_or_init(|| {
            serde_json::value::to_raw_value(&self.content).expect("a JSON value is JSON")
        })
    }

    /// Returns whether this is the membership event of a user.
    pub fn is_member_event(&self) -> bool {
        self.kind == "m.room.member" && self.state_key.is_some()
    }

    /// Returns the membership that this event sets, if it is a membership event.
    pub fn membership(&self) -> Option<&str> {
        self.is_member_event().then(|| self.content["membership"].as_str()).flatten()
    }
}
