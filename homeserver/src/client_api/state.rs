//! `/rooms/{roomId}/state`: reading and writing a room's state.

use axum::Json;
use ruma::OwnedRoomId;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};
use crate::{
    messaging::rooms::{Draft, state_events},
    store::{self, events, sends::for_device},
};

/// Characters of an event's type and of a state key (client-server API, "Size limits").
const MAX_TEXT: usize = 255;

/// Which state event; the key is empty when the path ends before it.
#[derive(Deserialize)]
pub(super) struct Which {
    room_id: String,
    kind: String,
    #[serde(default)]
    state_key: String,
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state`.
pub(super) async fn whole(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Vec<Box<RawValue>>>, MatrixError> {
    let (room, user): (OwnedRoomId, _) = (id(room)?, device.user_id.clone());
    let look = move |db: &Connection, group| {
        let state = state_events(db, group)?;
        state.iter().map(|event| for_device(db, &device, event)).collect()
    };
    Ok(Json(api.messaging.rooms.state_for(&user, &room, look).await?))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`.
pub(super) async fn read(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let Which { room_id, kind, state_key } = which;
    let room: OwnedRoomId = id(room_id)?;
    let look = move |db: &Connection, group| {
        let entry = store::state::entry(db, group, &kind, &state_key)?;
        let found = entry.map(|id| events::find(db, &id)).transpose()?;
        Ok(found.flatten().map(|found| found.pdu))
    };
    match api.messaging.rooms.state_for(&device.user_id, &room, look).await? {
        Some(event) => Ok(Json(event.content.clone())),
        None => Err(MatrixError::not_found("there is no such state event")),
    }
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`. State travels as
/// `eventual` does in every room.
pub(super) async fn write(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    BodyOf(content): BodyOf<Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    let Which { room_id, kind, state_key } = which;
    if kind.len() > MAX_TEXT || state_key.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("the event type or state key is too long"));
    }
    let room_id: OwnedRoomId = id(room_id)?;
    let draft = Draft::state(&device.user_id, &kind, &state_key, Value::Object(content));
    let rooms = api.messaging.rooms.clone();
    let write = async move { rooms.put(&room_id, draft).await };
    let event_id = api.finish(write).await?;
    Ok(Json(json!({ "event_id": event_id })))
}
