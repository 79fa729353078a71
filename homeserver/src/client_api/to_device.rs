//! `PUT /sendToDevice/{eventType}/{txnId}`: messages to devices, beside every room.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::{MatrixError, bounds::MAX_EVENT_DEPTH};

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf},
};
use crate::messaging::edus::{MAX_RECIPIENTS, Message, Recipients};

/// Characters of a transaction id, and of an event's type.
const MAX_TEXT: usize = 255;

#[derive(Deserialize)]
pub(super) struct SendRequest {
    messages: Recipients,
}

/// `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`. Durable when this answers; the same
/// transaction id again sends nothing.
pub(super) async fn send(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((kind, transaction_id)): PathOf<(String, String)>,
    BodyOf(body): BodyOf<SendRequest>,
) -> Result<Json<Value>, MatrixError> {
    if kind.len() > MAX_TEXT || transaction_id.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("the event type or transaction id is too long"));
    }
    let devices: usize = body.messages.values().map(std::collections::BTreeMap::len).sum();
    if devices > MAX_RECIPIENTS {
        return Err(MatrixError::invalid_param("too many devices"));
    }
    let message = Message { sender: device.user_id.clone(), kind, recipients: body.messages };
    if message.is_too_deep() {
        return Err(MatrixError::bad_json(format!(
            "a message to a device is nested deeper than {MAX_EVENT_DEPTH} levels"
        )));
    }
    if message.is_too_large() {
        let reason = "a message to a device is too large";
        return Err(MatrixError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", reason));
    }
    let edus = api.messaging.edus.clone();
    api.finish(async move { edus.send_to_devices(device, transaction_id, message).await }).await?;
    Ok(Json(json!({})))
}
