//! `GET /sync`: what is new for a device, waiting for it if there is nothing yet.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State};
use defects::{Defect, planted};
use http::StatusCode;
use ruma::OwnedRoomId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};
use transport::MatrixError;

use super::{
    ClientApi, POLLS,
    extract::{Caller, QueryOf},
    filter,
    messages::{parse_token, token},
};
use crate::{
    messaging::stream::{Changes, RoomChanges, changes},
    store::{accounts::Device, events},
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
}

/// `GET /_matrix/client/v3/sync`. Every answer has the whole state of rooms that are new to the
/// device, which is what `full_state` would ask for of all rooms; it is not supported beyond that.
pub(super) async fn sync(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    QueryOf(query): QueryOf<SyncQuery>,
) -> Result<Json<SyncAnswer>, MatrixError> {
    let since = query.since.as_deref().map(parse_token).transpose()?;
    let limit = timeline_limit(&api, &device, query.filter.as_deref()).await?;
    let wait = Duration::from_millis(query.timeout.unwrap_or(0)).min(MAX_WAIT);
    let deadline = Instant::now() + wait;
    let mut commits = api.messaging.notifications.listen();
    let mut place = None;
    loop {
        commits.forget();
        let changes = read(&api, &device, since, limit).await?;
        if since.is_none() || !changes.is_empty() || Instant::now() >= deadline {
            return Ok(Json(changes.into()));
        }
        if place.is_none() {
            place = Some(api.polls.try_hold(device.clone(), POLLS).ok_or_else(too_many)?);
        }
        // Either way it is time to look again.
        drop(timeout_at(deadline, commits.rung()).await);
    }
}

async fn read(
    api: &ClientApi,
    device: &Device,
    since: Option<i64>,
    limit: usize,
) -> Result<Changes, MatrixError> {
    let device = device.clone();
    let read =
        api.core.database.call(move |connection| changes(connection, &device, since, limit)).await;
    let mut changes = read.map_err(MatrixError::from)?;
    if planted(Defect::SyncTokenSkipsWhatComesMeanwhile) {
        changes.next = api.core.database.call(|db| events::newest_position(db)).await?;
    }
    Ok(changes)
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
        let rooms = |of: Vec<RoomChanges>| of.into_iter().map(shown).collect();
        Self {
            account_data: Events::NONE,
            device_lists: DeviceLists { changed: [], left: [] },
            device_one_time_keys_count: Nothing {},
            next_batch: token(changes.next),
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

fn shown(room: RoomChanges) -> (OwnedRoomId, Room) {
    let RoomChanges { room_id, timeline, limited, before, state } = room;
    let shown = Room {
        account_data: Events::NONE,
        ephemeral: Events::NONE,
        state: Events { events: state },
        timeline: Timeline { events: timeline, limited, prev_batch: token(before) },
        unread_notifications: Nothing {},
    };
    (room_id, shown)
}

fn too_many() -> MatrixError {
    MatrixError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "M_LIMIT_EXCEEDED",
        "the device has too many requests waiting",
    )
}
