//! `/rooms/{roomId}/messages` and `/rooms/{roomId}/event/{eventId}`: reading what was said.

use std::collections::BTreeSet;

use axum::Json;
use ruma::{OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{Caller, PathOf, QueryOf, id},
    filter,
    token::{Token, token},
};
use crate::{
    event::Pdu,
    messaging::{
        filter::EventFilter,
        rooms::{Direction, RoomError},
        timeline::{Pages, page},
    },
    pdu::sight::Sight,
    store::{
        StoreError,
        accounts::Device,
        backward_extremities, events, generations,
        sends::for_device,
        state::{self, GroupId},
    },
};

/// Events of a page when the client does not say.
const DEFAULT_LIMIT: usize = 10;

/// Most events of a page.
const MAX_LIMIT: usize = 1000;

#[derive(Deserialize)]
pub(super) struct MessagesQuery {
    from: Option<String>,
    to: Option<String>,
    dir: String,
    limit: Option<usize>,
    /// Of the events, which are wanted.
    filter: Option<String>,
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`: what the user may see of a stretch.
pub(super) async fn messages(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<MessagesQuery>,
) -> Result<Json<Stretch>, MatrixError> {
    let room: OwnedRoomId = id(&room)?;
    let direction = match query.dir.as_str() {
        "b" => Direction::Backwards,
        "f" => Direction::Forwards,
        _ => return Err(MatrixError::invalid_param("`dir` must be `b` or `f`")),
    };
    let asked = Asked {
        device,
        from: query.from.as_deref().map(Token::parse).transpose()?,
        to: query.to.as_deref().map(Token::parse).transpose()?,
        direction,
        limit: query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        filter: query.filter.as_deref().map(filter::parse).transpose()?.unwrap_or_default(),
    };
    let (stretch, is_member) = read(&api, &room, asked.clone()).await?;
    if stretch.is_at_the_end && is_member && direction == Direction::Backwards {
        // History is fetched from other servers, to the end even if the client hangs up.
        let (rooms, id) = (api.messaging.rooms.clone(), room.clone());
        if api.finish(async move { rooms.backfill(&id).await }).await? > 0 {
            return Ok(Json(read(&api, &room, asked).await?.0));
        }
    }
    Ok(Json(stretch))
}

/// What a device asks for.
#[derive(Clone)]
struct Asked {
    device: Device,
    from: Option<Token>,
    to: Option<Token>,
    direction: Direction,
    limit: usize,
    filter: EventFilter,
}

/// What is answered: events, and the points before and after them.
#[derive(Serialize)]
pub(super) struct Stretch {
    chunk: Vec<Box<RawValue>>,
    /// Where to go on; none if nothing more can be had now.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    start: String,
    /// The members who sent the events, for who loads members lazily.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    state: Vec<Box<RawValue>>,
    /// Whether not a single event was left in that direction.
    #[serde(skip)]
    is_at_the_end: bool,
}

/// Returns a stretch, and whether the user is in the room now.
async fn read(api: &ClientApi, room: &RoomId, asked: Asked) -> Result<(Stretch, bool), RoomError> {
    let user = asked.device.user_id.clone();
    let look = move |db: &Connection, sight: &Sight<'_>| {
        Ok((stretch(db, sight, &asked)?, sight.is_inside()))
    };
    api.messaging.rooms.seen_by(&user, room, look).await
}

fn stretch(
    connection: &Connection,
    sight: &Sight<'_>,
    asked: &Asked,
) -> Result<Stretch, StoreError> {
    let point = |token: &Option<Token>| token.as_ref().map(|it| it.point(connection)).transpose();
    let (from, to) = (point(&asked.from)?, point(&asked.to)?);
    // The event at a token's position stands before the token.
    let after = |point: Option<i64>| point.map(|point| point.saturating_add(1));
    let positions = match asked.direction {
        Direction::Forwards => after(from).unwrap_or(i64::MIN)..i64::MAX,
        Direction::Backwards => i64::MIN..after(from).unwrap_or(i64::MAX),
    };
    let Asked { device, direction, limit, filter, .. } = asked;
    let pages = Pages { stretch: positions, direction: *direction, limit: *limit, filter };
    let mut page = page(connection, sight, pages)?;
    // Nothing is before it here, nor is anything known to be missing.
    let is_whole =
        !page.has_more && backward_extremities::of_room(connection, sight.room, 1)?.is_empty();
    let (first, last) = (page.events.first().map(|(position, _)| *position), page.last);
    let (start, end) = match asked.direction {
        Direction::Forwards => (first.map_or(0, |first| first - 1), last),
        Direction::Backwards if is_whole => (first.unwrap_or(0), None),
        Direction::Backwards => (first.unwrap_or(0), last.map(|last| last - 1)),
    };
    if let Some(to) = to {
        let backwards = asked.direction == Direction::Backwards;
        page.events.retain(|(position, _)| (*position > to) == backwards);
    }
    let events = page.events.iter().map(|(_, event)| event);
    let mut chunk = Vec::with_capacity(page.events.len());
    for event in events.clone() {
        chunk.push(for_device(connection, device, event)?);
    }
    let mut state = Vec::new();
    if filter.lazy_load_members
        && let Some(group) = group_after(connection, page.events.first())?
    {
        for member in senders(connection, group, events)? {
            state.push(for_device(connection, device, &member)?);
        }
    }
    let generation = generations::newest(connection)?;
    Ok(Stretch {
        chunk,
        end: end.map(|end| token(end, &generation)),
        start: token(from.unwrap_or(start), &generation),
        state,
        is_at_the_end: last.is_none(),
    })
}

/// Returns the state after an event of a page.
fn group_after(
    connection: &Connection,
    event: Option<&(i64, Pdu)>,
) -> Result<Option<GroupId>, StoreError> {
    let found = event.map(|(_, event)| events::find(connection, &event.event_id)).transpose()?;
    Ok(found.flatten().and_then(|found| found.states).map(|states| states.after))
}

/// Returns the member events of those who sent these events, as the state of `group` has them.
///
/// # Errors
/// The store refuses.
fn senders<'a>(
    connection: &Connection,
    group: GroupId,
    events: impl Iterator<Item = &'a Pdu>,
) -> Result<Vec<Pdu>, StoreError> {
    let senders: BTreeSet<&str> = events.map(|event| event.sender.as_str()).collect();
    let members = senders.into_iter().map(|sender| ("m.room.member", sender));
    events::find_all(connection, &state::entries(connection, group, members)?)
}

/// `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`.
pub(super) async fn event(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, event)): PathOf<(String, String)>,
) -> Result<Json<Box<RawValue>>, MatrixError> {
    let (room, event): (OwnedRoomId, OwnedEventId) = (id(&room)?, id(event)?);
    let user = device.user_id.clone();
    let look = move |db: &Connection, sight: &Sight<'_>| {
        let found = events::find(db, &event)?;
        let found = found.filter(|found| found.is_accepted() && found.pdu.room_id == sight.room);
        let Some(found) = found else { return Ok(None) };
        if !sight.sees(events::position(db, &event)?, &found)? {
            return Ok(None);
        }
        for_device(db, &device, &found.pdu).map(Some)
    };
    let found = api.messaging.rooms.seen_by(&user, &room, look).await?;
    let not_there = || MatrixError::not_found("there is no such event in the room");
    found.map(Json).ok_or_else(not_there)
}
