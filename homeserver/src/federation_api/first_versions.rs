//! The first versions of `send_join`, `send_leave` and `invite` (`/_matrix/federation/v1`): the same as
//! the second, in other words.

use axum::{body::to_bytes, extract::State, http::StatusCode, response::Response};
use ruma::{OwnedEventId, OwnedRoomId, RoomVersionId};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use transport::{
    MatrixError,
    federation::{SignedBytes, json_answer},
};

use super::{FederationApi, invites, memberships};

/// Bytes of an answer that is put in other words.
const MAX_ANSWER: usize = 64 << 20;

/// Takes a join, and hands the room over.
pub(super) async fn send_join(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room, event) = named(&request)?;
    let pdu: Box<RawValue> = request.json()?;
    let place = memberships::Place { room, event };
    in_other_words(memberships::let_in(&api, &request.origin, place, &pdu).await?).await
}

/// Takes a leave.
pub(super) async fn send_leave(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room, event) = named(&request)?;
    let pdu: Box<RawValue> = request.json()?;
    let place = memberships::Place { room, event };
    in_other_words(memberships::let_go(&api, &request.origin, place, &pdu).await?).await
}

#[derive(Default, Deserialize)]
struct Unsigned {
    #[serde(default)]
    invite_room_state: Vec<Value>,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    unsigned: Unsigned,
}

/// Takes an invite to a room of version 1 or 2, which this server does not speak: its version is not
/// told, and so is looked up where the room is known, and refused otherwise.
pub(super) async fn invite(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room, event) = named(&request)?;
    let known = api.rooms().graph.rules_of(&room).await;
    let known = known.map_err(crate::messaging::rooms::RoomError::from)?;
    let version = known.map_or(RoomVersionId::V1, |(version, _)| version);
    let pdu: Box<RawValue> = request.json()?;
    let shown: Shown = request.json()?;
    let invite = invites::Invite {
        room,
        event,
        version,
        shown: Value::Array(shown.unsigned.invite_room_state),
    };
    in_other_words(invites::take(&api, &request.origin, invite, &pdu).await?).await
}

fn named(request: &SignedBytes) -> Result<(OwnedRoomId, OwnedEventId), MatrixError> {
    let wrong = |error: ruma::IdParseError| MatrixError::invalid_param(error.to_string());
    match &request.path_arguments[..] {
        [room, event] => Ok((
            room.as_str().try_into().map_err(wrong)?,
            event.as_str().try_into().map_err(wrong)?,
        )),
        _ => Err(MatrixError::invalid_param("the path is too short")),
    }
}

/// Returns an answer of the second version as the first has it: `[200, answer]`.
async fn in_other_words(answer: Response) -> Result<Response, MatrixError> {
    if answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let body = to_bytes(answer.into_body(), MAX_ANSWER).await;
    let body = body.map_err(|error| MatrixError::internal(error.to_string()))?;
    let body: Box<RawValue> =
        serde_json::from_slice(&body).map_err(|error| MatrixError::internal(error.to_string()))?;
    Ok(json_answer(&json!([200, body])))
}
