//! `GET /sync`: what is new for a device, waiting for it if there is nothing yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::{Json, extract::State};
use defects::{Defect, planted};
use ruma::{OwnedRoomId, OwnedUserId};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};
use transport::{Lock, MatrixError};

use super::{
    ClientApi, PLACE_PAUSE, POLLS,
    extract::{Holder, QueryOf, unknown_token},
    filter,
    token::{Token, sync_token, token},
};
use crate::{
    messaging::{
        beside::{self, Beside, Points, RoomBeside, beside},
        edus::Passing,
        notifications::{Waiting, concerns, listen_to_rooms},
        stream::{Changes, RoomChanges, Summary, Wanted, changes},
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
    let since = query.since.as_deref().map(Token::parse).transpose()?;
    if let Some(since) = &since {
        api.messaging.edus.has(device.clone(), since.beside).await?;
    }
    let is_held = since.is_some() && !query.full_state;
    let since = since.map(Since::Token);
    let passing = api.messaging.edus.passing();
    let waiting = api.messaging.notifications.listen(&device.user_id);
    let mut look = Look {
        authority,
        since,
        limit,
        full_state: query.full_state,
        waiting,
        listens: false,
        passing,
    };
    let mut place = None;
    loop {
        let (mut changes, beside) = read(&api, &look).await?.ok_or_else(unknown_token)?;
        let is_empty = changes.is_empty() && beside.is_empty();
        if !is_held || !is_empty || Instant::now() >= deadline {
            if planted(Defect::SyncTokenSkipsWhatComesMeanwhile) {
                changes.next = api.core.database.call(|db| events::newest_position(db)).await?;
            }
            return Ok(Json(answer(changes, beside)));
        }
        if place.is_none() {
            place = Some(api.polls.try_hold(device.clone(), POLLS).ok_or_else(too_many)?);
        }
        // What was looked through is not looked through again.
        (look.since, look.listens) = (Some(Since::Point(changes.next, beside.next)), true);
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
    Point(i64, Points),
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
    /// Who types and who is there.
    passing: Arc<Lock<Passing>>,
}

/// What is new: in rooms, and beside events.
type News = (Changes, Beside);

impl Look {
    /// Returns what is new; `None` if the device has lost its token.
    fn news(&self, connection: &Connection) -> Result<Option<News>, StoreError> {
        let Self { authority, limit, full_state, waiting, .. } = self;
        if !accounts::holds(connection, authority)? {
            return Ok(None);
        }
        let (since, points) = match &self.since {
            None => (None, None),
            Some(Since::Token(token)) => (Some(token.point(connection)?), Some(token.beside)),
            Some(Since::Point(point, points)) => (Some(*point), Some(*points)),
        };
        let wanted = Wanted { since, limit: *limit, full_state: *full_state };
        let changes = changes(connection, &authority.device, wanted)?;
        let device = &authority.device;
        let passing = &*self.passing;
        let beside = beside(&beside::Look {
            connection,
            device,
            since: points,
            passing,
            changes: &changes,
        })?;
        let user = &device.user_id;
        let is_empty = changes.is_empty() && beside.is_empty();
        if is_empty && (concerns(&waiting.heard(), user) || !self.listens) {
            listen_to_rooms(connection, waiting, user)?;
        }
        Ok(Some((changes, beside)))
    }
}

async fn read(api: &ClientApi, look: &Look) -> Result<Option<News>, MatrixError> {
    let look = look.clone();
    Ok(api.core.database.call(move |connection| look.news(connection)).await?)
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
    account_data: Events<Value>,
    device_lists: DeviceLists,
    device_one_time_keys_count: BTreeMap<String, i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_unused_fallback_key_types: Option<Vec<String>>,
    next_batch: String,
    presence: Events<Value>,
    rooms: Rooms,
    to_device: Events,
}

#[derive(Serialize)]
struct Rooms {
    invite: BTreeMap<OwnedRoomId, InvitedRoom>,
    join: BTreeMap<OwnedRoomId, Room>,
    knock: BTreeMap<OwnedRoomId, KnockedRoom>,
    leave: BTreeMap<OwnedRoomId, Room>,
}

#[derive(Serialize)]
struct InvitedRoom {
    invite_state: Events<Value>,
}

#[derive(Serialize)]
struct KnockedRoom {
    knock_state: Events<Value>,
}

#[derive(Serialize)]
struct Room {
    account_data: Events<Value>,
    ephemeral: Events<Value>,
    state: Events,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<RoomSummary>,
    timeline: Timeline,
    unread_notifications: Nothing,
}

#[derive(Serialize)]
struct RoomSummary {
    #[serde(rename = "m.heroes")]
    heroes: Vec<String>,
    #[serde(rename = "m.invited_member_count")]
    invited: i64,
    #[serde(rename = "m.joined_member_count")]
    joined: i64,
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

impl<T> From<Vec<T>> for Events<T> {
    fn from(events: Vec<T>) -> Self {
        Self { events }
    }
}

#[derive(Serialize)]
struct DeviceLists {
    changed: BTreeSet<OwnedUserId>,
    left: BTreeSet<OwnedUserId>,
}

#[derive(Serialize)]
struct Nothing {}

fn answer(changes: Changes, mut beside: Beside) -> SyncAnswer {
    let generation = changes.generation;
    let next_batch = sync_token(changes.next, beside.next, &generation);
    let invited = changes.invited.into_iter().map(|room| {
        let invite_state = room.stripped_state.into();
        (room.room_id, InvitedRoom { invite_state })
    });
    let knocked = changes.knocked.into_iter().map(|room| {
        let knock_state = room.stripped_state.into();
        (room.room_id, KnockedRoom { knock_state })
    });
    let mut of_rooms = std::mem::take(&mut beside.rooms);
    let mut rooms = |of: Vec<RoomChanges>| -> BTreeMap<_, _> {
        of.into_iter().map(|room| shown(room, &mut of_rooms, &generation)).collect()
    };
    let (mut join, leave) = (rooms(changes.joined), rooms(changes.left));
    // Rooms in which nothing happened but beside events.
    for (room_id, beside) in of_rooms {
        join.insert(room_id, only_beside(beside, &next_batch));
    }
    let has_keys = beside.one_time_keys.is_some();
    SyncAnswer {
        account_data: beside.account_data.into(),
        device_lists: DeviceLists { changed: beside.devices_changed, left: beside.devices_left },
        device_one_time_keys_count: beside.one_time_keys.unwrap_or_default(),
        device_unused_fallback_key_types: has_keys.then_some(beside.unused_fallback),
        next_batch,
        presence: beside.presence.into(),
        rooms: Rooms { invite: invited.collect(), join, knock: knocked.collect(), leave },
        to_device: beside.to_device.into(),
    }
}

fn shown(
    room: RoomChanges,
    beside: &mut BTreeMap<OwnedRoomId, RoomBeside>,
    generation: &Generation,
) -> (OwnedRoomId, Room) {
    let RoomChanges { room_id, timeline, limited, before, state, summary, .. } = room;
    let beside = beside.remove(&room_id).unwrap_or_default();
    let summary =
        summary.map(|Summary { joined, invited, heroes }| RoomSummary { heroes, invited, joined });
    let shown = Room {
        account_data: beside.account_data.into(),
        ephemeral: beside.ephemeral.into(),
        state: state.into(),
        summary,
        timeline: Timeline { events: timeline, limited, prev_batch: token(before, generation) },
        unread_notifications: Nothing {},
    };
    (room_id, shown)
}

fn only_beside(beside: RoomBeside, next_batch: &str) -> Room {
    let timeline =
        Timeline { events: Vec::new(), limited: false, prev_batch: next_batch.to_owned() };
    Room {
        account_data: beside.account_data.into(),
        ephemeral: beside.ephemeral.into(),
        state: Vec::new().into(),
        summary: None,
        timeline,
        unread_notifications: Nothing {},
    }
}

fn too_many() -> MatrixError {
    MatrixError::limit_exceeded("the device has too many requests waiting", PLACE_PAUSE)
}
