//! `/rooms/{roomId}/context/{eventId}`: an event, and what was said around it.

use std::collections::BTreeSet;

use axum::Json;
use ruma::{OwnedEventId, OwnedRoomId};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{Caller, PathOf, QueryOf, id},
    filter,
    token::token,
};
use crate::{
    event::Pdu,
    messaging::{
        filter::EventFilter,
        rooms::{Direction, state_events},
        timeline::{Pages, page},
    },
    pdu::sight::Sight,
    store::{StoreError, accounts::Device, events, generations, sends::for_device},
};

/// Events around the one asked for when the client does not say.
const DEFAULT_LIMIT: usize = 10;

/// Most events around the one asked for.
const MAX_LIMIT: usize = 100;

#[derive(Deserialize)]
pub(super) struct ContextQuery {
    limit: Option<usize>,
    /// Of the events around it, which are wanted.
    filter: Option<String>,
}

/// The event asked for, where it stands, and how many and which are wanted around it.
struct Asked {
    position: i64,
    event: Pdu,
    limit: usize,
    filter: EventFilter,
}

/// What is answered. Events before the one asked for stand newest first.
#[derive(Serialize)]
pub(super) struct Context {
    start: String,
    end: String,
    event: Box<RawValue>,
    events_before: Vec<Box<RawValue>>,
    events_after: Vec<Box<RawValue>>,
    /// The state after the last of these events; for who loads members lazily, without those who sent
    /// none of them.
    state: Vec<Box<RawValue>>,
}

/// `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}?limit=`: what the user may see of it.
pub(super) async fn context(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, event)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ContextQuery>,
) -> Result<Json<Context>, MatrixError> {
    let (room, event): (OwnedRoomId, OwnedEventId) = (id(&room)?, id(event)?);
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let filter = query.filter.as_deref().map(filter::parse).transpose()?.unwrap_or_default();
    let user = device.user_id.clone();
    let look = move |db: &Connection, sight: &Sight<'_>| {
        let found = events::find(db, &event)?;
        let found = found.filter(|found| found.is_accepted() && found.pdu.room_id == sight.room);
        let (Some(found), Some(position)) = (found, events::position(db, &event)?) else {
            return Ok(None);
        };
        if !sight.sees(Some(position), &found)? {
            return Ok(None);
        }
        around(db, sight, &device, &Asked { position, event: found.pdu, limit, filter }).map(Some)
    };
    let found = api.messaging.rooms.seen_by(&user, &room, look).await?;
    let not_there = || MatrixError::not_found("there is no such event in the room");
    found.map(Json).ok_or_else(not_there)
}

fn around(
    connection: &Connection,
    sight: &Sight<'_>,
    device: &Device,
    asked: &Asked,
) -> Result<Context, StoreError> {
    let Asked { position, event, limit, filter } = asked;
    let (position, limit) = (*position, *limit);
    let (before, after) = (limit / 2, limit - limit / 2);
    let earlier = i64::MIN..position;
    let later = position.saturating_add(1)..i64::MAX;
    let direction = Direction::Backwards;
    let before = Pages { stretch: earlier, direction, limit: before, filter };
    let before = page(connection, sight, before)?.events;
    let direction = Direction::Forwards;
    let after = page(connection, sight, Pages { stretch: later, direction, limit: after, filter })?;
    let after = after.events;
    let first = before.last().map_or(position, |(position, _)| *position);
    let (end, last) = after.last().map_or((position, event), |(end, event)| (*end, event));
    let state = match events::find(connection, &last.event_id)?.and_then(|found| found.states) {
        Some(states) => state_events(connection, states.after)?,
        None => Vec::new(),
    };
    let around = before.iter().chain(&after).map(|(_, event)| event);
    let senders: BTreeSet<&str> =
        around.chain([event]).map(|event| event.sender.as_str()).collect();
    let is_needed = |member: &&Pdu| {
        let user = member.state_key.as_deref().unwrap_or_default();
        !filter.lazy_load_members || !member.is_member_event() || senders.contains(user)
    };
    let shown = |events: &mut dyn Iterator<Item = &Pdu>| -> Result<Vec<_>, StoreError> {
        events.map(|event| for_device(connection, device, event)).collect()
    };
    let generation = generations::newest(connection)?;
    Ok(Context {
        start: token(first.saturating_sub(1), &generation),
        end: token(end, &generation),
        event: for_device(connection, device, event)?,
        events_before: shown(&mut before.iter().map(|(_, event)| event))?,
        events_after: shown(&mut after.iter().map(|(_, event)| event))?,
        state: shown(&mut state.iter().filter(is_needed))?,
    })
}
