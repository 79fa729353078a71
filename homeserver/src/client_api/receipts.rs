//! Receipts, read markers, typing and presence: what users do beside speaking.

use std::{collections::BTreeMap, time::Duration};

use axum::Json;
use ruma::{OwnedEventId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id, room_of},
};
use crate::messaging::edus::{MAX_TYPING, OwnReceipt, Presence};

/// Kinds of receipts that users make.
const KINDS: [&str; 3] = ["m.read", "m.read.private", "m.fully_read"];

/// Bytes of the name of a thread, and of what a user says of their presence.
const MAX_TEXT: usize = 255;

#[derive(Deserialize)]
pub(super) struct ReceiptRequest {
    thread_id: Option<String>,
}

/// `POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}`.
pub(super) async fn receipt(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, kind, event)): PathOf<(String, String, String)>,
    BodyOf(body): BodyOf<ReceiptRequest>,
) -> Result<Json<Value>, MatrixError> {
    let thread = body.thread_id.unwrap_or_default();
    if !KINDS.contains(&&*kind) || thread.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("there is no such kind of receipt, or thread"));
    }
    let room = room_of(&api, &device.user_id, &room).await?;
    let event: OwnedEventId = id(event)?;
    let receipt = OwnReceipt { room, user: device.user_id, event, kind, thread };
    let edus = api.messaging.edus.clone();
    api.finish(async move { edus.read(vec![receipt]).await }).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/read_markers`.
pub(super) async fn read_markers(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<BTreeMap<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let mut read = Vec::new();
    for kind in KINDS {
        let Some(event) = body.get(kind).and_then(Value::as_str) else { continue };
        let (event, user, thread) = (id(event)?, device.user_id.clone(), String::new());
        read.push(OwnReceipt { room: room.clone(), user, event, kind: kind.to_owned(), thread });
    }
    let edus = api.messaging.edus.clone();
    api.finish(async move { edus.read(read).await }).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct TypingRequest {
    typing: bool,
    /// Milliseconds.
    timeout: Option<u64>,
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`.
pub(super) async fn typing(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, user)): PathOf<(String, String)>,
    BodyOf(body): BodyOf<TypingRequest>,
) -> Result<Json<Value>, MatrixError> {
    must_be(&device.user_id, &user)?;
    let room = room_of(&api, &device.user_id, &room).await?;
    let lasts = body.timeout.map_or(MAX_TYPING, Duration::from_millis).min(MAX_TYPING);
    let lasts = body.typing.then_some(lasts);
    let edus = api.messaging.edus.clone();
    api.finish(async move { edus.typing(room, device.user_id, lasts).await }).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct PresenceRequest {
    presence: String,
    status_msg: Option<String>,
}

/// `PUT /_matrix/client/v3/presence/{userId}/status`.
pub(super) async fn set_presence(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(user): PathOf<String>,
    BodyOf(body): BodyOf<PresenceRequest>,
) -> Result<Json<Value>, MatrixError> {
    must_be(&device.user_id, &user)?;
    let known = ["online", "offline", "unavailable"];
    let too_long = body.status_msg.as_ref().is_some_and(|text| text.len() > MAX_TEXT);
    if !known.contains(&&*body.presence) || too_long {
        return Err(MatrixError::invalid_param(
            "there is no such presence, or its text is too long",
        ));
    }
    let presence = Presence { state: body.presence, message: body.status_msg };
    let edus = api.messaging.edus.clone();
    api.finish(async move { edus.present(device.user_id, presence).await }).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/presence/{userId}/status`.
pub(super) async fn presence(
    api: ClientApi,
    Caller(_): Caller,
    PathOf(user): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let user: OwnedUserId = id(user)?;
    match api.messaging.edus.presence_of(&user) {
        Some(presence) => Ok(Json(presence.content())),
        None if api.core.is_local(&user) => Ok(Json(json!({ "presence": "offline" }))),
        None => Err(MatrixError::not_found("nothing is known of the user's presence")),
    }
}

fn must_be(user: &OwnedUserId, named: &str) -> Result<(), MatrixError> {
    if id::<OwnedUserId>(named)? == *user {
        return Ok(());
    }
    Err(MatrixError::forbidden("a user speaks for themselves alone"))
}
