//! `/rooms/{roomId}/state`: reading and writing a room's state.

use axum::{Json, extract::State};
use ruma::OwnedRoomId;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id, room_of},
};
use crate::messaging::rooms::Draft;

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
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Vec<Box<RawValue>>>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let state = api.messaging.rooms.current_state(&room).await?;
    Ok(Json(state.iter().map(|event| event.client_format().to_owned()).collect()))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`.
pub(super) async fn read(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &which.room_id).await?;
    let state = api.messaging.rooms.current_state(&room).await?;
    let event = state.into_iter().find(|event| {
        event.kind == which.kind && event.state_key.as_deref() == Some(&which.state_key)
    });
    match event {
        Some(event) => Ok(Json(event.content.clone())),
        None => Err(MatrixError::not_found("there is no such state event")),
    }
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`. State travels as
/// `eventual` does in every room.
pub(super) async fn write(
    State(api): State<ClientApi>,
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
