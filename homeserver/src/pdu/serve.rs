//! What other servers may ask of the graph. Whether they may is decided above.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ruma::{EventId, OwnedEventId, RoomId, ServerName, canonical_json::redact};
use rusqlite::Connection;
use serde_json::value::RawValue;

use super::{auth::Loader, auth_chain, insert::known_room, sight::Sight};
use crate::{
    event::{Membership, Pdu},
    store::{
        StoreError,
        events::{self, StoredEvent},
        memberships, rooms, state,
    },
};

/// Events in one answer to `get_missing_events`.
pub const MAX_MISSING_EVENTS: usize = 20;

/// Events in one answer to `backfill`.
pub const MAX_BACKFILL: usize = 100;

/// The ids of a state, and of all that authorizes it.
pub type StateIds = (BTreeSet<OwnedEventId>, BTreeSet<OwnedEventId>);

/// What another server misses of a room's graph.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    /// Events that it has.
    pub earliest: &'a [OwnedEventId],
    /// Events whose parents it lacks.
    pub latest: &'a [OwnedEventId],
    /// How many it takes at most.
    pub limit: usize,
    /// The least depth that it cares for.
    pub min_depth: u64,
}

/// Returns events of the room's graph that lie before the latest of a gap and not at or before its
/// earliest: those nearest to the latest, the oldest of them first.
///
/// # Errors
/// The store refuses.
pub fn missing_events(
    connection: &Connection,
    room: &RoomId,
    gap: &Gap<'_>,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut seen: BTreeSet<_> = gap.earliest.iter().chain(gap.latest).cloned().collect();
    let mut queue = VecDeque::new();
    for id in gap.latest.iter().take(MAX_MISSING_EVENTS) {
        if let Some(record) = in_graph(connection, room, id)? {
            queue.extend(record.pdu.prev_events.iter().cloned());
        }
    }
    let mut found = Vec::new();
    while let Some(id) = queue.pop_front() {
        if found.len() >= gap.limit.min(MAX_MISSING_EVENTS) {
            break;
        }
        if !seen.insert(id.clone()) {
            continue;
        }
        let Some(record) = in_graph(connection, room, &id)? else { continue };
        if record.pdu.depth >= gap.min_depth {
            queue.extend(record.pdu.prev_events.iter().cloned());
            found.push(record);
        }
    }
    found.sort_by(|StoredEvent { pdu: a, .. }, StoredEvent { pdu: b, .. }| {
        (a.depth, &a.event_id).cmp(&(b.depth, &b.event_id))
    });
    Ok(found)
}

/// Returns events of the room's graph from `latest` backwards, deepest first as Synapse has it: of
/// branches of unequal length, none is told beyond where the others are.
///
/// # Errors
/// The store refuses.
pub fn backfill(
    connection: &Connection,
    room: &RoomId,
    latest: &[OwnedEventId],
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let (mut seen, mut deepest) = (BTreeSet::new(), BTreeMap::new());
    let mut reached: Vec<_> = latest.iter().take(MAX_BACKFILL).cloned().collect();
    let mut found = Vec::new();
    while found.len() < limit.min(MAX_BACKFILL) {
        for id in reached.drain(..) {
            if seen.insert(id.clone())
                && let Some(record) = in_graph(connection, room, &id)?
            {
                deepest.insert((record.pdu.depth, id), record);
            }
        }
        let Some((_, record)) = deepest.pop_last() else { break };
        reached.extend(record.pdu.prev_events.iter().cloned());
        found.push(record);
    }
    Ok(found)
}

/// Returns the ids of the state before an event of the room's graph, and of all that authorizes
/// that state. `None`: the event is not part of the graph, or was rejected.
///
/// # Errors
/// The store refuses.
pub fn state_before(
    connection: &Connection,
    room: &RoomId,
    id: &EventId,
) -> Result<Option<StateIds>, StoreError> {
    let Some(record) = in_graph(connection, room, id)? else { return Ok(None) };
    let (Some(states), None) = (record.states, record.rejected) else { return Ok(None) };
    let state: BTreeSet<_> = state::load(connection, states.before)?.into_values().collect();
    let chain = chain_above(connection, &state)?;
    Ok(Some((state, chain)))
}

/// Returns all that authorizes `events`, without `events` themselves unless they authorize one
/// another.
///
/// # Errors
/// The store refuses.
pub fn chain_above(
    connection: &Connection,
    events: &BTreeSet<OwnedEventId>,
) -> Result<BTreeSet<OwnedEventId>, StoreError> {
    let loader = Loader::new(connection);
    let named: Vec<OwnedEventId> = events
        .iter()
        .filter_map(|id| loader.event(id))
        .flat_map(|event| event.pdu.auth_events.clone())
        .collect();
    let chain = auth_chain(&loader, named.iter());
    loader.finish(chain)
}

/// Returns the stored events with those ids, as they go to other servers.
///
/// # Errors
/// The store refuses.
pub fn raw<'a>(
    connection: &Connection,
    ids: impl IntoIterator<Item = &'a OwnedEventId>,
) -> Result<Vec<Box<RawValue>>, StoreError> {
    let events = events::find_all(connection, ids)?;
    Ok(events.iter().map(Pdu::to_raw).collect())
}

/// Returns an event as `server` may be told of it: whole, or redacted if it is in the room and must
/// know of the event, but none of its users may see it (so that the event has a place in the graph
/// there, and nothing to show); `None`: not at all.
///
/// # Errors
/// The store refuses.
pub fn shown_to(
    connection: &Connection,
    server: &ServerName,
    record: &StoredEvent,
) -> Result<Option<Pdu>, StoreError> {
    let sight = Sight::of_server(connection, &record.pdu.room_id, server)?;
    as_seen(connection, &sight, record)
}

fn as_seen(
    connection: &Connection,
    sight: &Sight<'_>,
    record: &StoredEvent,
) -> Result<Option<Pdu>, StoreError> {
    if !is_decided(connection, record)? {
        return Ok(None);
    }
    if sight.sees(None, record)? {
        return Ok(Some(record.pdu.clone()));
    }
    if !sight.is_of_the_room() {
        return Ok(None);
    }
    let rules = known_room(connection, &record.pdu.room_id)?.rules;
    let redacted = redact(record.pdu.json.clone(), &rules.redaction, None);
    let redacted = redacted.map_err(StoreError::corrupt)?;
    Ok(Some(Pdu::from_object(redacted, rules).map_err(StoreError::corrupt)?))
}

/// Returns whether `server` had a joined user (or an invited one, if `or_invited`) where an event
/// stands, or a joined one when this server got it.
pub(super) fn was_there(
    connection: &Connection,
    server: &ServerName,
    record: &StoredEvent,
    or_invited: bool,
) -> Result<bool, StoreError> {
    let Some(states) = record.states else { return Ok(false) };
    let (room, event) = (&record.pdu.room_id, &record.pdu.event_id);
    let users = memberships::users_of(connection, room, server)?;
    let members = users.iter().map(|user| ("m.room.member", user.as_str()));
    for id in state::entries(connection, states.before, members)? {
        let membership = membership(connection, &id)?;
        if membership == Some(Membership::Join)
            || (or_invited && membership == Some(Membership::Invite))
        {
            return Ok(true);
        }
    }
    if memberships::was_joined_when(connection, room, server, event)? {
        return Ok(true);
    }
    for (gone, removal) in memberships::gone_since(connection, room, server, event)? {
        let states = events::find(connection, &removal)?.and_then(|removal| removal.states);
        let Some(states) = states else { continue };
        let member = state::entry(connection, states.before, "m.room.member", &gone)?;
        if let Some(member) = member
            && membership(connection, &member)? == Some(Membership::Join)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether an event is one that its room's owner has decided to show, or none on which it
/// decides: others may be told of no other one, or they would take it for one that was.
///
/// # Errors
/// The store refuses.
pub fn is_decided(connection: &Connection, record: &StoredEvent) -> Result<bool, StoreError> {
    if record.is_accepted() || record.states.is_none() {
        return Ok(true);
    }
    let row = rooms::find(connection, &record.pdu.room_id)?;
    let is_state = record.pdu.state_key.is_some();
    Ok(row.is_none_or(|row| row.delivery.is_transacted(is_state)))
}

fn membership(connection: &Connection, member: &EventId) -> Result<Option<Membership>, StoreError> {
    let member = events::find(connection, member)?;
    Ok(member.and_then(|member| member.pdu.membership().and_then(Membership::parse)))
}

/// Returns those of the events of a room that `server` may be told of, as it may be.
///
/// # Errors
/// The store refuses.
pub fn visible_to(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
    found: &[StoredEvent],
) -> Result<Vec<Pdu>, StoreError> {
    let sight = Sight::of_server(connection, room, server)?;
    let mut visible = Vec::new();
    for record in found {
        visible.extend(as_seen(connection, &sight, record)?);
    }
    Ok(visible)
}

fn in_graph(
    connection: &Connection,
    room: &RoomId,
    id: &EventId,
) -> Result<Option<StoredEvent>, StoreError> {
    let found = events::find(connection, id)?;
    Ok(found.filter(|record| record.states.is_some() && record.pdu.room_id == room))
}
