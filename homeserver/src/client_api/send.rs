//! `PUT /rooms/{roomId}/send/{eventType}/{txnId}`: sending a message, by the room's policy.

use axum::Json;
use http::StatusCode;
use ruma::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};
use crate::store::sends::{Outcome, SendKey};

/// Characters of a transaction id, and of an event's type (client-server API, "Size limits").
const MAX_TEXT: usize = 255;

/// The status with which Wire says that other backends cannot be reached.
const UNREACHABLE_BACKENDS: u16 = 533;

/// `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`. The same transaction id of the
/// same device again is the same message, and gets the same answer.
///
/// 200 `event_id` (and `failed_to_send`, `m1-2021` only): it is sent. 533 with
/// `unreachable_backends`, or 409: no backend shows it, ever. 504 `ORG.FEDSIM.OUTCOME_UNKNOWN`: ask
/// again with the same transaction id.
pub(super) async fn send(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, kind, transaction_id)): PathOf<(String, String, String)>,
    BodyOf(content): BodyOf<Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    if kind.len() > MAX_TEXT || transaction_id.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("the event type or transaction id is too long"));
    }
    let room_id: OwnedRoomId = id(room)?;
    let key = SendKey { device, room_id, kind, transaction_id };
    let policies = api.policies.clone();
    answer(api.finish(async move { policies.send(key, Value::Object(content)).await }).await?)
}

/// The body of a redaction.
#[derive(Deserialize)]
pub(super) struct RedactRequest {
    reason: Option<String>,
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}`. Sent by the room's policy, as any
/// other message.
pub(super) async fn redact(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((room, event, transaction_id)): PathOf<(String, String, String)>,
    BodyOf(body): BodyOf<RedactRequest>,
) -> Result<Json<Value>, MatrixError> {
    if transaction_id.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("the transaction id is too long"));
    }
    let (room_id, redacts): (OwnedRoomId, OwnedEventId) = (id(room)?, id(event)?);
    let mut content = json!({ "redacts": redacts });
    if let Some(reason) = body.reason {
        content["reason"] = reason.into();
    }
    let kind = "m.room.redaction".to_owned();
    let key = SendKey { device, room_id, kind, transaction_id };
    let policies = api.policies.clone();
    answer(api.finish(async move { policies.send(key, content).await }).await?)
}

fn answer(outcome: Outcome) -> Result<Json<Value>, MatrixError> {
    match outcome {
        Outcome::Delivered { event_id, failed_to_send } if failed_to_send.is_empty() => {
            Ok(Json(json!({ "event_id": event_id })))
        }
        Outcome::Delivered { event_id, failed_to_send } => {
            Ok(Json(json!({ "event_id": event_id, "failed_to_send": failed_to_send })))
        }
        Outcome::Unreachable { backends } => {
            let status = StatusCode::from_u16(UNREACHABLE_BACKENDS).expect("a valid status");
            let message = format!("not sent: {} cannot be reached", backends.join(", "));
            Err(MatrixError::new(status, "ORG.FEDSIM.UNREACHABLE_BACKENDS", message)
                .with("unreachable_backends", backends))
        }
        Outcome::Refused { reason } => {
            let message = format!("not sent: {reason}");
            Err(MatrixError::new(StatusCode::CONFLICT, "ORG.FEDSIM.REFUSED", message))
        }
    }
}
