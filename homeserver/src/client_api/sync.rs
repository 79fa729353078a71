//! `GET /sync`: what is new for a device, waiting for it if there is nothing yet.

use std::time::Duration;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{Caller, QueryOf},
    filter,
    messages::{parse_token, token},
};
use crate::messaging::{
    accounts::Device,
    stream::{Changes, RoomChanges, changes},
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
) -> Result<Json<Value>, MatrixError> {
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
            return Ok(Json(answer(changes)));
        }
        if place.is_none() {
            place = Some(api.polls.enter(&device).ok_or_else(too_many)?);
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
    read.map_err(MatrixError::from)
}

/// The limit of `room.timeline.limit` in the filter.
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

fn answer(changes: Changes) -> Value {
    let invited: Map<String, Value> = changes
        .invited
        .into_iter()
        .map(|room| {
            let shown = json!({ "invite_state": { "events": room.stripped_state } });
            (room.room_id.to_string(), shown)
        })
        .collect();
    json!({
        "next_batch": token(changes.next),
        "rooms": {
            "join": rooms(changes.joined),
            "invite": invited,
            "leave": rooms(changes.left),
            "knock": {},
        },
        "presence": { "events": [] },
        "account_data": { "events": [] },
        "to_device": { "events": [] },
        "device_lists": { "changed": [], "left": [] },
        "device_one_time_keys_count": {},
    })
}

fn rooms(changes: Vec<RoomChanges>) -> Map<String, Value> {
    changes.into_iter().map(shown).collect()
}

fn shown(room: RoomChanges) -> (String, Value) {
    let RoomChanges { room_id, timeline, limited, before, state } = room;
    let shown = json!({
        "timeline": { "events": timeline, "limited": limited, "prev_batch": token(before) },
        "state": { "events": state },
        "ephemeral": { "events": [] },
        "account_data": { "events": [] },
        "unread_notifications": {},
    });
    (room_id.into(), shown)
}

fn too_many() -> MatrixError {
    MatrixError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "M_LIMIT_EXCEEDED",
        "the device has too many requests waiting",
    )
}
