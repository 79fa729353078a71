//! `/directory` and `/publicRooms`: names of rooms, and the rooms that are listed.

use axum::Json;
use http::StatusCode;
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedServerName};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf, id, room_of},
};
use crate::{
    messaging::directory::{self, MAX_PAGE, Page},
    pdu::power,
    store::aliases::{self, Alias},
};

/// Bytes of what is looked for.
const MAX_TERM: usize = 255;

/// `GET /_matrix/client/v3/directory/room/{roomAlias}`.
pub(super) async fn resolve(
    api: ClientApi,
    PathOf(alias): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let alias: OwnedRoomAliasId = id(alias)?;
    match api.messaging.directory.resolve(&alias).await? {
        Some((room_id, servers)) => Ok(Json(json!({ "room_id": room_id, "servers": servers }))),
        None => Err(MatrixError::not_found(format!("there is no room {alias}"))),
    }
}

#[derive(Deserialize)]
pub(super) struct NameRequest {
    room_id: OwnedRoomId,
}

/// `PUT /_matrix/client/v3/directory/room/{roomAlias}`.
pub(super) async fn name(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(alias): PathOf<String>,
    BodyOf(body): BodyOf<NameRequest>,
) -> Result<Json<Value>, MatrixError> {
    let alias: OwnedRoomAliasId = id(&alias)?;
    let named = api.messaging.directory.name(&device.user_id, alias.clone(), body.room_id).await?;
    if named {
        return Ok(Json(json!({})));
    }
    let message = format!("{alias} is taken, or the room has too many names");
    Err(MatrixError::new(StatusCode::CONFLICT, "M_UNKNOWN", message))
}

/// `DELETE /_matrix/client/v3/directory/room/{roomAlias}`.
pub(super) async fn remove(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(alias): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let (alias, user): (OwnedRoomAliasId, _) = (id(&alias)?, device.user_id);
    let may = move |db: &Connection, found: &Alias| {
        Ok(found.creator == user.as_str()
            || power::may_send_state(db, &found.room_id, &user, "m.room.canonical_alias")?)
    };
    if api.messaging.directory.remove(alias.clone(), may).await? {
        return Ok(Json(json!({})));
    }
    Err(MatrixError::not_found(format!("there is no room {alias}")))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/aliases`.
pub(super) async fn of_room(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let found = api.core.database.call(move |db| aliases::of_room(db, &room)).await?;
    Ok(Json(json!({ "aliases": found })))
}

/// `GET /_matrix/client/v3/directory/list/room/{roomId}`.
pub(super) async fn visibility(
    api: ClientApi,
    PathOf(room): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let listed = api.core.database.call(move |db| directory::is_listed(db, &room)).await?;
    Ok(Json(json!({ "visibility": if listed { "public" } else { "private" } })))
}

#[derive(Deserialize)]
pub(super) struct VisibilityRequest {
    visibility: Option<String>,
}

/// `PUT /_matrix/client/v3/directory/list/room/{roomId}`, by one who may name the room.
pub(super) async fn set_visibility(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    BodyOf(body): BodyOf<VisibilityRequest>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let listed = match body.visibility.as_deref() {
        None | Some("public") => true,
        Some("private") => false,
        Some(_) => return Err(MatrixError::invalid_param("a room is public or private")),
    };
    let user = device.user_id;
    let list = api.core.database.transaction(move |tx| {
        let may = power::may_send_state(tx, &room, &user, "m.room.canonical_alias")?;
        if may {
            aliases::list(tx, &room, listed)?;
        }
        Ok::<_, crate::store::StoreError>(may)
    });
    if list.await? {
        return Ok(Json(json!({})));
    }
    Err(MatrixError::forbidden("only who may name the room may list it"))
}

#[derive(Deserialize)]
pub(super) struct RoomsQuery {
    server: Option<OwnedServerName>,
    limit: Option<usize>,
    since: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct RoomsRequest {
    limit: Option<usize>,
    since: Option<String>,
    #[serde(default)]
    filter: Filter,
}

#[derive(Default, Deserialize)]
struct Filter {
    generic_search_term: Option<String>,
}

/// `GET /_matrix/client/v3/publicRooms`.
pub(super) async fn public_rooms(
    api: ClientApi,
    QueryOf(query): QueryOf<RoomsQuery>,
) -> Result<Json<Value>, MatrixError> {
    // Other servers are asked for whoever is logged in alone.
    if query.server.is_some_and(|server| server != api.core.server_name()) {
        return Err(MatrixError::invalid_param(
            "the rooms of another server are asked for by POST",
        ));
    }
    let page = Page { limit: query.limit, since: query.since, term: None };
    Ok(Json(api.messaging.directory.page(page).await?))
}

/// `POST /_matrix/client/v3/publicRooms`.
pub(super) async fn search_public_rooms(
    api: ClientApi,
    Caller(_): Caller,
    QueryOf(query): QueryOf<RoomsQuery>,
    BodyOf(body): BodyOf<RoomsRequest>,
) -> Result<Json<Value>, MatrixError> {
    let term = body.filter.generic_search_term.filter(|term| !term.is_empty());
    if term.as_ref().is_some_and(|term| term.len() > MAX_TERM) {
        return Err(MatrixError::invalid_param("what is looked for is too long"));
    }
    let limit = body.limit.or(query.limit).map(|limit| limit.min(MAX_PAGE));
    let page = Page { limit, since: body.since.or(query.since), term };
    match query.server.filter(|server| server != api.core.server_name()) {
        Some(server) => Ok(Json(api.messaging.directory.page_of(&server, page).await?)),
        None => Ok(Json(api.messaging.directory.page(page).await?)),
    }
}
