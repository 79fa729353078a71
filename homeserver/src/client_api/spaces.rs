//! `/hierarchy`, `/knock`, `/upgrade`, `/forget` and the user directory: what one does around rooms.

use std::collections::BTreeSet;

use axum::Json;
use http::StatusCode;
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, RoomVersionId, UserId,
    api::federation::space::get_hierarchy::v1 as get_hierarchy,
};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf, id},
    membership::room_and_servers,
};
use crate::{
    event::Membership,
    messaging::summaries::{self, Onlooker},
    store::{StoreError, accounts, memberships, relations},
};

/// Rooms of one page of a hierarchy, and how deep it goes.
const MAX_ROOMS: usize = 50;
const MAX_DEPTH: usize = 10;

/// Children of one space.
const MAX_CHILDREN: usize = 50;

/// Users that one search finds.
const MAX_USERS: usize = 50;

/// Bytes of what is looked for, and of why one knocks.
const MAX_TEXT: usize = 500;

/// Servers that a client may name for one knock.
const MAX_VIA: usize = 20;

#[derive(Deserialize)]
pub(super) struct HierarchyQuery {
    #[serde(default)]
    suggested_only: bool,
    limit: Option<usize>,
    max_depth: Option<usize>,
    from: Option<String>,
}

/// `GET /_matrix/client/v1/rooms/{roomId}/hierarchy`: the space and what is below it, from above.
pub(super) async fn hierarchy(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<HierarchyQuery>,
) -> Result<Json<Value>, MatrixError> {
    let root: OwnedRoomId = id(room)?;
    let limit = query.limit.unwrap_or(MAX_ROOMS).clamp(1, MAX_ROOMS);
    let skip: usize = query
        .from
        .as_deref()
        .map_or(Ok(0), str::parse)
        .map_err(|_| MatrixError::invalid_param("`from` is not a token of this server"))?;
    let deepest = query.max_depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH);
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next: Vec<(OwnedRoomId, Vec<OwnedServerName>, usize)> =
        vec![(root.clone(), Vec::new(), 0)];
    while let Some((room, via, depth)) = next.pop() {
        if found.len() > skip + limit || !seen.insert(room.clone()) {
            continue;
        }
        let Some(summary) =
            look_at(&api, &device.user_id, &room, &via, query.suggested_only).await?
        else {
            continue;
        };
        if depth < deepest {
            let children = summary["children_state"].as_array().into_iter().flatten();
            let below: Vec<_> = children.filter_map(child).collect();
            next.extend(below.into_iter().rev().map(|(room, via)| (room, via, depth + 1)));
        }
        found.push(summary);
    }
    if found.is_empty() {
        return Err(MatrixError::forbidden(format!("{root} is not shown to the user")));
    }
    let more = found.len() > skip + limit;
    let page: Vec<_> = found.into_iter().skip(skip).take(limit).collect();
    let mut answer = json!({ "rooms": page });
    if more {
        answer["next_batch"] = (skip + limit).to_string().into();
    }
    Ok(Json(answer))
}

fn child(event: &Value) -> Option<(OwnedRoomId, Vec<OwnedServerName>)> {
    let room = event["state_key"].as_str()?.try_into().ok()?;
    let via = event["content"]["via"].as_array()?.iter();
    let via = via.filter_map(|server| server.as_str()?.try_into().ok()).take(3).collect();
    Some((room, via))
}

/// Returns a room with its children, if the user may know of it: as this server knows it, or as one of
/// `via` tells.
async fn look_at(
    api: &ClientApi,
    user: &UserId,
    room: &RoomId,
    via: &[OwnedServerName],
    suggested_only: bool,
) -> Result<Option<Value>, MatrixError> {
    let (user, id) = (user.to_owned(), room.to_owned());
    let own = api.core.owned_server_name();
    let here = api.core.database.call(move |db| {
        if !memberships::is_member_server(db, &id, &own)? {
            return Ok(None);
        }
        local(db, &user, &id, suggested_only).map(Some)
    });
    if let Some(known) = here.await? {
        return Ok(known);
    }
    for server in via.iter().filter(|server| *server != api.core.server_name()) {
        let mut request = get_hierarchy::Request::new(room.to_owned());
        request.suggested_only = suggested_only;
        let deadline = api.core.config.request_timeout;
        let answer = api.core.federation.call_for_json(server, request, deadline).await;
        if let Ok(mut answer) = answer
            && answer["room"]["room_id"] == room.as_str()
        {
            return Ok(Some(answer["room"].take()));
        }
    }
    Ok(None)
}

fn local(
    connection: &Connection,
    user: &UserId,
    room: &RoomId,
    suggested_only: bool,
) -> Result<Option<Value>, StoreError> {
    if !summaries::may_look(connection, room, Onlooker::User(user))? {
        return Ok(None);
    }
    let Some(mut summary) = summaries::summary(connection, room)? else { return Ok(None) };
    let children = summaries::children(connection, room, suggested_only, MAX_CHILDREN)?;
    summary["children_state"] = children.into();
    Ok(Some(summary))
}

#[derive(Deserialize)]
pub(super) struct KnockRequest {
    reason: Option<String>,
}

/// `POST /_matrix/client/v3/knock/{roomIdOrAlias}`.
pub(super) async fn knock(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
    BodyOf(body): BodyOf<KnockRequest>,
) -> Result<Json<Value>, MatrixError> {
    let via = query.into_iter().filter(|(key, _)| key == "via" || key == "server_name");
    let via: Result<Vec<_>, _> = via.take(MAX_VIA).map(|(_, server)| id(server)).collect();
    let (room, via) = room_and_servers(&api, &room, via?).await?;
    if body.reason.as_ref().is_some_and(|reason| reason.len() > MAX_TEXT) {
        return Err(MatrixError::invalid_param("the reason is too long"));
    }
    let (rooms, at) = (api.messaging.rooms.clone(), room.clone());
    let knock = async move { rooms.knock(&device.user_id, &at, &via, body.reason).await };
    api.finish(knock).await?;
    Ok(Json(json!({ "room_id": room })))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/forget`, by one who has left.
pub(super) async fn forget(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let user = device.user_id;
    let forget = api.core.database.transaction(move |tx| {
        let row = memberships::row(tx, &room, &user)?;
        let left = row.filter(|row| matches!(row.membership, Membership::Leave | Membership::Ban));
        let Some(row) = left else { return Ok(false) };
        relations::forget(tx, user.as_str(), &room, row.position)?;
        Ok::<_, StoreError>(true)
    });
    if forget.await? {
        return Ok(Json(json!({})));
    }
    let message = "the user has not left the room";
    Err(MatrixError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", message))
}

#[derive(Deserialize)]
pub(super) struct UpgradeRequest {
    new_version: RoomVersionId,
}

/// `POST /_matrix/client/v3/rooms/{roomId}/upgrade`.
pub(super) async fn upgrade(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<UpgradeRequest>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let (rooms, user) = (api.messaging.rooms.clone(), device.user_id);
    let upgrade = async move { rooms.upgrade(&user, &room, body.new_version).await };
    let replacement = api.finish(upgrade).await?;
    Ok(Json(json!({ "replacement_room": replacement })))
}

#[derive(Deserialize)]
pub(super) struct UsersRequest {
    search_term: String,
    limit: Option<usize>,
}

/// `POST /_matrix/client/v3/user_directory/search`: users of this server, and those who share a room.
pub(super) async fn users(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<UsersRequest>,
) -> Result<Json<Value>, MatrixError> {
    let (term, limit) = (body.search_term, body.limit.unwrap_or(10).clamp(1, MAX_USERS));
    if term.is_empty() || term.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("what is looked for is empty or too long"));
    }
    let search = move |db: &mut Connection| accounts::search(db, &device.user_id, &term, limit + 1);
    let mut found: Vec<(String, Option<String>, Option<String>)> =
        api.core.database.call(search).await?;
    let limited = found.len() > limit;
    found.truncate(limit);
    let results: Vec<Value> = found
        .into_iter()
        .map(|(user, name, avatar)| {
            let mut result = Map::from_iter([("user_id".to_owned(), user.into())]);
            result.extend(name.map(|name| ("display_name".to_owned(), name.into())));
            result.extend(avatar.map(|url| ("avatar_url".to_owned(), url.into())));
            Value::Object(result)
        })
        .collect();
    Ok(Json(json!({ "limited": limited, "results": results })))
}
