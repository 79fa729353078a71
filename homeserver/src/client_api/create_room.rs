//! `POST /createRoom`.

use axum::Json;
use http::StatusCode;
use ruma::{OwnedRoomAliasId, OwnedUserId, RoomVersionId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, id},
};
use crate::{
    event::Delivery,
    messaging::rooms::{CreateRoom, InitialState, JoinRule},
    store::aliases,
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
    power_level_content_override: Option<Map<String, Value>>,
    #[serde(default)]
    is_direct: bool,
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
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<CreateRoomRequest>,
) -> Result<Json<Value>, MatrixError> {
    let alias = body.room_alias_name.as_deref().map(|name| alias_of(&api, name)).transpose()?;
    if let Some(alias) = &alias
        && api.messaging.directory.resolve_here(alias).await?.is_some()
    {
        let message = format!("{alias} is taken");
        return Err(MatrixError::new(StatusCode::BAD_REQUEST, "M_ROOM_IN_USE", message));
    }
    let listed = body.visibility.as_deref() == Some("public");
    let mut options = options(body)?;
    options.alias = alias.clone();
    let (rooms, user) = (api.messaging.rooms.clone(), device.user_id.clone());
    let room_id = api.finish(async move { rooms.create(&user, options).await }).await?;
    if let Some(alias) = alias {
        // Whoever took it meanwhile has it; the room exists.
        api.messaging.directory.name(&device.user_id, alias, room_id.clone()).await?;
    }
    if listed {
        let room = room_id.clone();
        api.core.database.transaction(move |tx| aliases::list(tx, &room, true)).await?;
    }
    Ok(Json(json!({ "room_id": room_id })))
}

fn alias_of(api: &ClientApi, name: &str) -> Result<OwnedRoomAliasId, MatrixError> {
    if name.contains(':') {
        return Err(MatrixError::invalid_param("the name of an alias has no server in it"));
    }
    id(format!("#{name}:{}", api.core.server_name()))
}

fn options(body: CreateRoomRequest) -> Result<CreateRoom, MatrixError> {
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
        power_levels: body.power_level_content_override.unwrap_or_default(),
        trusts_invited: matches!(body.preset, Some(Preset::TrustedPrivate)),
        is_direct: body.is_direct,
        alias: None,
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
