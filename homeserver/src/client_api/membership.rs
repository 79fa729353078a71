//! Joining, inviting, leaving, removing others, and who is in a room.

use axum::Json;
use defects::{Defect, planted};
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedUserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf, id, room_of},
};
use crate::{
    event::Membership,
    messaging::rooms::{Draft, state_events},
};

/// Servers that a client may name for one join.
const MAX_VIA: usize = 20;

/// `POST /_matrix/client/v3/join/{roomIdOrAlias}`; `via` (or `server_name`, as it was called) in
/// the query names servers to join through.
pub(super) async fn join_by_id_or_alias(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> Result<Json<Value>, MatrixError> {
    let via = query.into_iter().filter(|(key, _)| key == "via" || key == "server_name");
    let via: Result<Vec<OwnedServerName>, _> =
        via.take(MAX_VIA).map(|(_, server)| id(server)).collect();
    let (room, via) = room_and_servers(&api, &room, via?).await?;
    join_through(&api, device.user_id, room, via).await
}

/// Returns the room that is named by its id or by an alias, and servers to reach it through.
pub(super) async fn room_and_servers(
    api: &ClientApi,
    named: &str,
    mut via: Vec<OwnedServerName>,
) -> Result<(OwnedRoomId, Vec<OwnedServerName>), MatrixError> {
    if !named.starts_with('#') {
        return Ok((id(named)?, via));
    }
    let alias: OwnedRoomAliasId = id(named)?;
    let found = api.messaging.directory.resolve(&alias).await?;
    let (room, servers) =
        found.ok_or_else(|| MatrixError::not_found(format!("there is no room {alias}")))?;
    via.extend(servers);
    Ok((room, via))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/join`.
pub(super) async fn join(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    join_through(&api, device.user_id, id(room)?, Vec::new()).await
}

async fn join_through(
    api: &ClientApi,
    user: OwnedUserId,
    room: OwnedRoomId,
    via: Vec<OwnedServerName>,
) -> Result<Json<Value>, MatrixError> {
    let answer = json!({ "room_id": room });
    let rooms = api.messaging.rooms.clone();
    api.finish(async move { rooms.join(&user, &room, &via).await }).await?;
    Ok(Json(answer))
}

#[derive(Deserialize)]
pub(super) struct InviteRequest {
    user_id: OwnedUserId,
}

/// `POST /_matrix/client/v3/rooms/{roomId}/invite`.
pub(super) async fn invite(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<InviteRequest>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let rooms = api.messaging.rooms.clone();
    api.finish(async move { rooms.invite(&device.user_id, &room, &body.user_id).await }).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/leave`; also rejects an invite.
pub(super) async fn leave(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let rooms = api.messaging.rooms.clone();
    let leaving = async move { rooms.leave(&device.user_id, &room).await };
    if planted(Defect::LeaveIsAnsweredBeforeItIsStored) {
        api.core.host.spawn(async move { drop(leaving.await) });
        return Ok(Json(json!({})));
    }
    api.finish(leaving).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct RemoveRequest {
    user_id: OwnedUserId,
    reason: Option<String>,
}

/// `POST /_matrix/client/v3/rooms/{roomId}/kick`; also takes an invite back.
pub(super) async fn kick(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<RemoveRequest>,
) -> Result<Json<Value>, MatrixError> {
    let current = membership_of(&api, &device.user_id, &room, &body.user_id).await?;
    if !matches!(current, Some(Membership::Join | Membership::Invite | Membership::Knock)) {
        return Err(MatrixError::forbidden("the user is not in the room"));
    }
    remove(api, device.user_id, room, body, Membership::Leave).await
}

/// `POST /_matrix/client/v3/rooms/{roomId}/ban`.
pub(super) async fn ban(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<RemoveRequest>,
) -> Result<Json<Value>, MatrixError> {
    remove(api, device.user_id, room, body, Membership::Ban).await
}

/// `POST /_matrix/client/v3/rooms/{roomId}/unban`.
pub(super) async fn unban(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<RemoveRequest>,
) -> Result<Json<Value>, MatrixError> {
    let current = membership_of(&api, &device.user_id, &room, &body.user_id).await?;
    if current != Some(Membership::Ban) {
        return Err(MatrixError::forbidden("the user is not banned"));
    }
    remove(api, device.user_id, room, body, Membership::Leave).await
}

/// Changes another user's membership, as state travels in every room.
async fn remove(
    api: ClientApi,
    sender: OwnedUserId,
    room: String,
    body: RemoveRequest,
    membership: Membership,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let mut draft = Draft::membership(&sender, &body.user_id, membership);
    if let Some(reason) = body.reason {
        draft.content["reason"] = reason.into();
    }
    let rooms = api.messaging.rooms.clone();
    api.finish(async move { rooms.put(&room, draft).await }).await?;
    Ok(Json(json!({})))
}

/// Returns the membership of a user in a room that `reader` can read.
async fn membership_of(
    api: &ClientApi,
    reader: &OwnedUserId,
    room: &str,
    user: &OwnedUserId,
) -> Result<Option<Membership>, MatrixError> {
    let room = room_of(api, reader, room).await?;
    Ok(api.messaging.rooms.membership(user, &room).await?)
}

/// `GET /_matrix/client/v3/joined_rooms`.
pub(super) async fn joined_rooms(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    let rooms = api.messaging.rooms.joined_rooms(&device.user_id).await?;
    Ok(Json(json!({ "joined_rooms": rooms })))
}

/// The membership events of a room.
#[derive(Serialize)]
pub(super) struct Members {
    chunk: Vec<Box<RawValue>>,
}

/// `GET /_matrix/client/v3/rooms/{roomId}/members`: the membership events of the state
/// that the user may read.
pub(super) async fn members(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Members>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let state = api.messaging.rooms.state_for(&device.user_id, &room, state_events).await?;
    let members = state.iter().filter(|event| event.is_member_event());
    Ok(Json(Members { chunk: members.map(|event| event.client_format().to_owned()).collect() }))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/joined_members`.
pub(super) async fn joined_members(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let state = api.messaging.rooms.state_for(&device.user_id, &room, state_events).await?;
    let mut joined = Map::new();
    for event in state.iter().filter(|event| event.membership() == Some("join")) {
        let member = json!({
            "display_name": event.content["displayname"],
            "avatar_url": event.content["avatar_url"],
        });
        joined.insert(event.state_key.clone().unwrap_or_default(), member);
    }
    Ok(Json(json!({ "joined": joined })))
}
