//! New events of this server's users: on top of what is known, hashed, signed, and checked against
//! the current state.

use std::cmp::Reverse;

use ruma::{
    CanonicalJsonObject, OwnedEventId, OwnedUserId, RoomId, UserId,
    canonical_json::try_from_json_map, signatures::hash_and_sign_event,
};
use rusqlite::Connection;
use serde_json::{Value, json, value::to_raw_value};

use super::{
    Graph, Refusal,
    auth::{Asking, Loader},
    redact, restricted,
    verify::signed_here,
};
use crate::{
    event::{
        Malformed, Membership, Pdu,
        rules::{self, Rules},
    },
    store::{StoreError, events, rooms},
};

/// Parents of a new event, as many as an event may have (room version 1, "Event format"); further
/// extremities are left to later events.
const MAX_PREV_EVENTS: usize = 20;

/// An event to be built.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who sends it.
    pub sender: OwnedUserId,
    /// The event's type.
    pub kind: String,
    /// Present on state events.
    pub state_key: Option<String>,
    /// What it says.
    pub content: Value,
}

impl Draft {
    /// Returns the draft of an event that is no state.
    pub fn message(sender: &UserId, kind: &str, content: Value) -> Self {
        Self { sender: sender.to_owned(), kind: kind.to_owned(), state_key: None, content }
    }

    /// Returns the draft of a state event.
    pub fn state(sender: &UserId, kind: &str, state_key: &str, content: Value) -> Self {
        Self { state_key: Some(state_key.to_owned()), ..Self::message(sender, kind, content) }
    }

    /// Returns the draft of an event that changes the membership of `user`.
    pub fn membership(sender: &UserId, user: &UserId, membership: Membership) -> Self {
        let content = json!({ "membership": membership.as_str() });
        Self::state(sender, "m.room.member", user.as_str(), content)
    }
}

/// An event's place in the graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spot {
    pub(crate) prev_events: Vec<OwnedEventId>,
    pub(crate) auth_events: Vec<OwnedEventId>,
    pub(crate) depth: u64,
}

impl Graph {
    /// Builds an event on top of the room's extremities; the current state allows it.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) fn build(
        &self,
        connection: &Connection,
        room: &RoomId,
        draft: &Draft,
    ) -> Result<Result<Pdu, Refusal>, StoreError> {
        let own = self.core.server_name();
        let draft = match restricted::authorized(connection, own, room, draft)? {
            Ok(draft) => draft,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let draft = draft.as_ref();
        let (spot, rules) = match Self::spot(connection, room, draft)? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut event = template(Some(room), draft, &spot);
        if !rules.redaction.content_field_redacts && draft.kind == "m.room.redaction" {
            // Before room version 11 it stands beside the content.
            let redacts = event["content"].as_object_mut().and_then(|it| it.remove("redacts"));
            event["redacts"] = redacts.unwrap_or_default();
        }
        if let Some(stamp) = self.later_than_replaced(connection, room, draft)? {
            event["origin_server_ts"] = stamp.into();
        }
        let pdu = match self.sign(event, rules) {
            Ok(pdu) => pdu,
            Err(malformed) => return Ok(Err(malformed.into())),
        };
        if let Some(reason) = redact::objection(connection, rules, &pdu)? {
            return Ok(Err(Refusal::NotAllowed(reason)));
        }
        // What authorizes it was selected from the current state: that is the state asked.
        let allowed = Loader::new(connection).allowed_by_auth_events(rules, &pdu)?;
        Ok(allowed.map(|()| pdu).map_err(Refusal::NotAllowed))
    }

    /// Returns a time stamp for a state event whose time would not be after that of what it replaces,
    /// and is not far from it. State resolution orders events of equal power by their time stamps and
    /// then by their ids, whichever builds on which: of two in one millisecond, such as a leave and the
    /// invite after it, the later one could be put first.
    fn later_than_replaced(
        &self,
        connection: &Connection,
        room: &RoomId,
        draft: &Draft,
    ) -> Result<Option<u64>, StoreError> {
        let Some(key) = &draft.state_key else { return Ok(None) };
        let Some(replaced) = rooms::current_entry(connection, room, &draft.kind, key)? else {
            return Ok(None);
        };
        // Of what is stored malformed nobody knows when it was.
        let Some(replaced) = events::find(connection, &replaced)? else { return Ok(None) };
        let before = replaced.pdu.origin_server_ts;
        let now = self.core.host.unix_ms();
        // Nobody else's wrong clock is followed.
        let is_close = now <= before && before - now < FARTHEST_AHEAD_MS;
        Ok(is_close.then_some(before.saturating_add(1)))
    }

    /// Returns the place of an event to be built, and the rules of its room.
    pub(crate) fn spot(
        connection: &Connection,
        room: &RoomId,
        draft: &Draft,
    ) -> Result<Result<(Spot, Rules), Refusal>, StoreError> {
        let Some(row) = rooms::find(connection, room)? else {
            return Ok(Err(Refusal::UnknownRoom(room.to_owned())));
        };
        let rules =
            rules::of(&row.version).ok_or_else(|| StoreError::corrupt("unknown version"))?;
        let mut spot = Spot::default();
        for id in Self::parents(connection, room)? {
            spot.depth = spot.depth.max(events::depth(connection, &id)?);
            spot.prev_events.push(id);
        }
        // Depths are claims of other servers, and canonical JSON ends at 2^53.
        spot.depth = (spot.depth + 1).min(MAX_DEPTH);
        let content = to_raw_value(&draft.content).expect("a JSON value is JSON");
        let asking = Asking {
            kind: &draft.kind,
            sender: &draft.sender,
            state_key: draft.state_key.as_deref(),
            content: &content,
        };
        let selected = Loader::new(connection).selection(rules, &asking, row.current_group)?;
        Ok(match selected {
            Ok(selected) => {
                spot.auth_events = selected;
                Ok((spot, rules))
            }
            Err(reason) => Err(Malformed::Wrong(reason).into()),
        })
    }

    /// Returns the extremities that a new event builds on. Of too many, state events come first, then
    /// the deepest: others judge an event by the state that its parents lead to, and where that lacks
    /// what authorizes the event, such as the invite that a join follows, they reject it for good.
    fn parents(connection: &Connection, room: &RoomId) -> Result<Vec<OwnedEventId>, StoreError> {
        let mut parents: Vec<OwnedEventId> =
            rooms::extremities(connection, room)?.into_iter().collect();
        if parents.len() <= MAX_PREV_EVENTS {
            return Ok(parents);
        }
        let mut ranked = Vec::new();
        for id in parents {
            let known = events::find(connection, &id)?;
            let is_message = known.is_none_or(|event| event.pdu.state_key.is_none());
            ranked.push((is_message, Reverse(events::depth(connection, &id)?), id));
        }
        ranked.sort();
        parents = ranked.into_iter().take(MAX_PREV_EVENTS).map(|(.., id)| id).collect();
        Ok(parents)
    }

    /// Stamps, unless it has a time stamp, hashes and signs the event that `template` describes.
    pub(crate) fn sign(&self, mut template: Value, rules: Rules) -> Result<Pdu, Malformed> {
        if template.get("origin_server_ts").is_none() {
            template["origin_server_ts"] = self.core.host.unix_ms().into();
        }
        let Value::Object(map) = template else {
            return Err(Malformed::Wrong("the event is not an object".to_owned()));
        };
        let mut object = try_from_json_map(map).map_err(Malformed::because)?;
        object.remove("signatures");
        object.remove("hashes");
        object.remove("unsigned");
        self.hash_and_sign(&mut object, rules)?;
        let pdu = Pdu::from_object(object, rules)?;
        self.core.identity.has_signed_for(pdu.origin_server_ts);
        signed_here(&self.core.identity, &pdu, rules);
        Ok(pdu)
    }

    fn hash_and_sign(
        &self,
        object: &mut CanonicalJsonObject,
        rules: Rules,
    ) -> Result<(), Malformed> {
        let identity = &self.core.identity;
        hash_and_sign_event(
            identity.server_name.as_str(),
            &*identity.key_pair,
            object,
            &rules.redaction,
        )
        .map_err(Malformed::because)
    }
}

/// How far ahead of this server's clock an event may be for its successor's time stamp to follow it.
const FARTHEST_AHEAD_MS: u64 = 10_000;

/// The greatest depth, 2^53 - 1 (room version 6, "Event format").
const MAX_DEPTH: u64 = (1 << 53) - 1;

/// Returns an event that lacks a time stamp, hashes and signatures. No room: it is a creation event
/// of a version in which those name none.
pub(crate) fn template(room: Option<&RoomId>, draft: &Draft, spot: &Spot) -> Value {
    let mut event = json!({
        "sender": draft.sender,
        "type": draft.kind,
        "prev_events": spot.prev_events,
        "auth_events": spot.auth_events,
        "depth": spot.depth,
    });
    event["content"] = draft.content.clone();
    if let Some(room) = room {
        event["room_id"] = room.as_str().into();
    }
    if let Some(state_key) = &draft.state_key {
        event["state_key"] = state_key.as_str().into();
    }
    event
}
