//! `GET /sync`: what is new for a device, waiting for it if there is nothing yet.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State};
use defects::{Defect, planted};
use ruma::OwnedRoomId;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};
use transport::MatrixError;

use super::{
    ClientApi, PLACE_PAUSE, POLLS,
    extract::{Holder, QueryOf, unknown_token},
    filter,
    token::{Token, token},
};
use crate::{
    messaging::{
        notifications::{Waiting, concerns, listen_to_rooms},
        stream::{Changes, RoomChanges, Wanted, changes},
    },
    store::{
        StoreError,
        accounts::{self, Authority, Device},
        events,
        generations::Generation,
    },
};

/// The longest that a request waits; a client that wants to wait longer asks again.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Events of a room when the filter does not say.
const DEFAULT_LIMIT: usize = 20;

/// Most events of a room.
const MAX_LIMIT: usize = 100;

#[derive(Deserialize)]
pub(super) struct SyncQuery {
    since: Option<String>,
    /// Milliseconds.
    timeout: Option<u64>,
    /// A filter's id, or the filter itself.
    filter: Option<String>,
    /// Whether the whole state is wanted of every room that the user is in.
    #[serde(default)]
    full_state: bool,
}

/// `GET /_matrix/client/v3/sync`. It is held as long as there is nothing new and the token that it was
/// asked with is the device's.
pub(super) async fn sync(
    State(api): State<ClientApi>,
    Holder(authority): Holder,
    QueryOf(query): QueryOf<SyncQuery>,
) -> Result<Json<SyncAnswer>, MatrixError> {
    let device = authority.device.clone();
    let limit = timeline_limit(&api, &device, query.filter.as_deref()).await?;
    let wait = Duration::from_millis(query.timeout.unwrap_or(0)).min(MAX_WAIT);
    let deadline = Instant::now() + wait;
    let since = query.since.as_deref().map(Token::parse).transpose()?.map(Since::Token);
    let is_held = since.is_some() && !query.full_state;
    let waiting = api.messaging.notifications.listen(&device.user_id);
    let mut look =
        Look { authority, since, limit, full_state: query.full_state, waiting, listens: false };
    let mut place = None;
    loop {
        let mut changes = read(&api, &look).await?.ok_or_else(unknown_token)?;
        if !is_held || !changes.is_empty() || Instant::now() >= deadline {
            if planted(Defect::SyncTokenSkipsWhatComesMeanwhile) {
                changes.next = api.core.database.call(|db| events::newest_position(db)).await?;
            }
            return Ok(Json(changes.into()));
        }
        if place.is_none() {
            place = Some(api.polls.try_hold(device.clone(), POLLS).ok_or_else(too_many)?);
        }
        // What was looked through is not looked through again.
        (look.since, look.listens) = (Some(Since::Point(changes.next)), true);
        // Either way it is time to look again.
        drop(timeout_at(deadline, look.waiting.rung()).await);
    }
}

/// The point after which a device asks.
#[derive(Clone)]
enum Since {
    /// As the device has it.
    Token(Token),
    /// Of this database, a moment ago.
    Point(i64),
}

/// What a request looks for, again and again.
#[derive(Clone)]
struct Look {
    authority: Authority,
    since: Option<Since>,
    limit: usize,
    full_state: bool,
    waiting: Waiting,
    /// Whether `waiting` listens to the user's rooms already.
    listens: bool,
}

impl Look {
    /// Returns what is new; `None` if the device has lost its token.
    fn changes(&self, connection: &Connection) -> Result<Option<Changes>, StoreError> {
        let Self { authority, limit, full_state, waiting, .. } = self;
        if !accounts::holds(connection, authority)? {
            return Ok(None);
        }
        let since = match &self.since {
            None => None,
            Some(Since::Token(token)) => Some(token.point(connection)?),
            Some(Since::Point(point)) => Some(*point),
        };
        let wanted = Wanted { since, limit: *limit, full_state: *full_state };
        let changes = changes(connection, &authority.device, wanted)?;
        let user = &authority.device.user_id;
        if changes.is_empty() && (concerns(&waiting.heard(), user) || !self.listens) {
            listen_to_rooms(connection, waiting, user)?;
        }
        Ok(Some(changes))
    }
}

async fn read(api: &ClientApi, look: &Look) -> Result<Option<Changes>, MatrixError> {
    let look = look.clone();
    Ok(api.core.database.call(move |connection| look.changes(connection)).await?)
}

/// Returns the limit of `room.timeline.limit` in the filter.
async fn timeline_limit(
    api: &ClientApi,
    device: &Device,
    filter: Option<&str>,
) -> Result<usize, MatrixError> {
    let filter = match filter {
        None => return Ok(DEFAULT_LIMIT),
        Some(inline) if inline.starts_with('{') => serde_json::from_str(inline)
            .map_err(|error| MatrixError::invalid_param(format!("the filter: {error}")))?,
        Some(filter_id) => filter::find(api, &device.user_id, filter_id).await?,
    };
    let limit = filter["room"]["timeline"]["limit"].as_u64();
    Ok(limit.map_or(DEFAULT_LIMIT, |limit| {
        usize::try_from(limit).unwrap_or(MAX_LIMIT).clamp(1, MAX_LIMIT)
    }))
}

/// What is answered. Of what this server does not have, lists are empty.
#[derive(Serialize)]
pub(super) struct SyncAnswer {
    account_data: Events,
    device_lists: DeviceLists,
    device_one_time_keys_count: Nothing,
    next_batch: String,
    presence: Events,
    rooms: Rooms,
    to_device: Events,
}

#[derive(Serialize)]
struct Rooms {
    invite: BTreeMap<OwnedRoomId, InvitedRoom>,
    join: BTreeMap<OwnedRoomId, Room>,
    knock: Nothing,
    leave: BTreeMap<OwnedRoomId, Room>,
}

#[derive(Serialize)]
struct InvitedRoom {
    invite_state: Events<Value>,
}

#[derive(Serialize)]
struct Room {
    account_data: Events,
    ephemeral: Events,
    state: Events,
    timeline: Timeline,
    unread_notifications: Nothing,
}

#[derive(Serialize)]
struct Timeline {
    events: Vec<Box<RawValue>>,
    limited: bool,
    prev_batch: String,
}

#[derive(Serialize)]
struct Events<T = Box<RawValue>> {
    events: Vec<T>,
}

impl Events {
    const NONE: Self = Self { events: Vec::new() };
}

#[derive(Serialize)]
struct DeviceLists {
    changed: [(); 0],
    left: [(); 0],
}

#[derive(Serialize)]
struct Nothing {}

impl From<Changes> for SyncAnswer {
    fn from(changes: Changes) -> Self {
        let invited = changes.invited.into_iter();
        let generation = changes.generation;
        let rooms =
            |of: Vec<RoomChanges>| of.into_iter().map(|room| shown(room, &generation)).collect();
        Self {
            account_data: Events::NONE,
            device_lists: DeviceLists { changed: [], left: [] },
            device_one_time_keys_count: Nothing {},
            next_batch: token(changes.next, &generation),
            presence: Events::NONE,
            rooms: Rooms {
                invite: invited
                    .map(|room| {
                        let invite_state = Events { events: room.stripped_state };
                        (room.room_id, InvitedRoom { invite_state })
                    })
                    .collect(),
                join: rooms(changes.joined),
                knock: Nothing {},
                leave: rooms(changes.left),
            },
            to_device: Events::NONE,
        }
    }
}

fn shown(room: RoomChanges, generation: &Generation) -> (OwnedRoomId, Room) {
    let RoomChanges { room_id, timeline, limited, before, state } = room;
    let shown = Room {
        account_data: Events::NONE,
        ephemeral: Events::NONE,
        state: Events { events: state },
        timeline: Timeline { events: timeline, limited, prev_batch: token(before, generation) },
        unread_notifications: Nothing {},
    };
    (room_id, shown)
}

fn too_many() -> MatrixError {
    MatrixError::limit_exceeded("the device has too many requests waiting", PLACE_PAUSE)
}
