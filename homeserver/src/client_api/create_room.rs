//! `POST /createRoom`.

use axum::{Json, extract::State};
use http::StatusCode;
use ruma::{OwnedUserId, RoomVersionId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller},
};
use crate::{
    event::Delivery,
    messaging::rooms::{CreateRoom, InitialState, JoinRule},
};

/// Users invited while a room is made.
const MAX_INVITES: usize = 1000;

/// State events that a client adds to a new room.
const MAX_INITIAL_STATE: usize = 100;

#[derive(Deserialize)]
pub(super) struct CreateRoomRequest {
    name: Option<String>,
    topic: Option<String>,
    preset: Option<Preset>,
    visibility: Option<String>,
    #[serde(default)]
    invite: Vec<OwnedUserId>,
    room_version: Option<RoomVersionId>,
    #[serde(default)]
    creation_content: Map<String, Value>,
    #[serde(default)]
    initial_state: Vec<InitialStateEvent>,
    /// The delivery policy, for clients that do not care for creation contents.
    #[serde(rename = "org.fedsim.delivery")]
    delivery: Option<Value>,
    room_alias_name: Option<String>,
    power_level_content_override: Option<Value>,
}

#[derive(Clone, Copy, Deserialize)]
enum Preset {
    #[serde(rename = "private_chat")]
    Private,
    #[serde(rename = "trusted_private_chat")]
    TrustedPrivate,
    #[serde(rename = "public_chat")]
    Public,
}

#[derive(Deserialize)]
struct InitialStateEvent {
    r#type: String,
    #[serde(default)]
    state_key: String,
    content: Value,
}

/// `POST /_matrix/client/v3/createRoom`.
pub(super) async fn create_room(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    BodyOf(body): BodyOf<CreateRoomRequest>,
) -> Result<Json<Value>, MatrixError> {
    let options = options(body)?;
    let rooms = api.messaging.rooms.clone();
    let room_id = api.finish(async move { rooms.create(&device.user_id, options).await }).await?;
    Ok(Json(json!({ "room_id": room_id })))
}

fn options(body: CreateRoomRequest) -> Result<CreateRoom, MatrixError> {
    if body.room_alias_name.is_some() || body.power_level_content_override.is_some() {
        return Err(MatrixError::invalid_param(
            "room aliases and custom power levels are not supported",
        ));
    }
    if body.invite.len() > MAX_INVITES || body.initial_state.len() > MAX_INITIAL_STATE {
        return Err(MatrixError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "M_TOO_LARGE",
            format!(
                "at most {MAX_INVITES} invites and {MAX_INITIAL_STATE} state events are allowed"
            ),
        ));
    }
    let public = match body.preset {
        Some(Preset::Public) => true,
        Some(Preset::Private | Preset::TrustedPrivate) => false,
        None => body.visibility.as_deref() == Some("public"),
    };
    let delivery = body.creation_content.get(Delivery::KEY).or(body.delivery.as_ref());
    let defaults = CreateRoom::default();
    Ok(CreateRoom {
        name: body.name,
        topic: body.topic,
        join_rule: if public { JoinRule::Public } else { JoinRule::Invite },
        invite: body.invite,
        delivery: delivery.map_or(Ok(Delivery::default()), policy)?,
        creation_content: body.creation_content,
        version: body.room_version.unwrap_or(defaults.version),
        initial_state: body.initial_state.into_iter().map(initial_state).collect(),
    })
}

fn policy(name: &Value) -> Result<Delivery, MatrixError> {
    name.as_str().and_then(Delivery::parse).ok_or_else(|| {
        let policies = Delivery::ALL.map(Delivery::as_str).join(", ");
        let message = format!("{name} is not a delivery policy; the policies are {policies}");
        MatrixError::invalid_param(message)
    })
}

fn initial_state(event: InitialStateEvent) -> InitialState {
    InitialState { kind: event.r#type, state_key: event.state_key, content: event.content }
}
