//! `/user/{userId}/account_data` and tags: what clients keep with their account, or with a room.

use axum::Json;
use http::StatusCode;
use ruma::{OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};
use crate::{
    messaging::{notifications::Topic, push_rules},
    store::account_data,
};

/// Bytes of a kind, and of a tag.
const MAX_TEXT: usize = 255;

/// Bytes of the data of one kind.
const MAX_CONTENT: usize = 64 << 10;

/// Kinds that the server keeps itself (client-server API, "Client Config").
const OF_SERVER: [&str; 2] = ["m.fully_read", push_rules::KIND];

const TAG: &str = "m.tag";

/// Which data; of the account where there is no room.
#[derive(Deserialize)]
pub(super) struct Which {
    user_id: String,
    room_id: Option<String>,
    kind: String,
}

/// Whose data, and of which room.
type Place = (OwnedUserId, Option<OwnedRoomId>);

/// `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`, and the same of a room.
pub(super) async fn put(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    BodyOf(content): BodyOf<Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    let place = place_of(&device.user_id, &which.user_id, which.room_id.as_deref())?;
    if OF_SERVER.contains(&&*which.kind) {
        let message = format!("{} is not set so", which.kind);
        return Err(MatrixError::new(StatusCode::METHOD_NOT_ALLOWED, "M_BAD_JSON", message));
    }
    keep(&api, place, which.kind, Value::Object(content)).await
}

/// `GET /_matrix/client/v3/user/{userId}/account_data/{type}`, and the same of a room.
pub(super) async fn get(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Json<Value>, MatrixError> {
    let place = place_of(&device.user_id, &which.user_id, which.room_id.as_deref())?;
    if place.1.is_none() && which.kind == push_rules::KIND {
        let rules = api.core.database.call(move |db| push_rules::of_user(db, &place.0)).await?;
        return Ok(Json(push_rules::content(&rules)));
    }
    let found = find(&api, place, which.kind).await?;
    found.map(Json).ok_or_else(|| MatrixError::not_found("there is no such data"))
}

/// Which tag, or all of a room.
#[derive(Deserialize)]
pub(super) struct WhichTag {
    user_id: String,
    room_id: String,
    tag: Option<String>,
}

/// `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags`.
pub(super) async fn tags(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<WhichTag>,
) -> Result<Json<Value>, MatrixError> {
    let place = place_of(&device.user_id, &which.user_id, Some(&which.room_id))?;
    let found = find(&api, place, TAG.to_owned()).await?;
    Ok(Json(found.unwrap_or_else(|| json!({ "tags": {} }))))
}

/// `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`.
pub(super) async fn put_tag(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<WhichTag>,
    BodyOf(body): BodyOf<Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    change_tag(&api, &device.user_id, which, Some(Value::Object(body))).await
}

/// `DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`.
pub(super) async fn remove_tag(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<WhichTag>,
) -> Result<Json<Value>, MatrixError> {
    change_tag(&api, &device.user_id, which, None).await
}

async fn change_tag(
    api: &ClientApi,
    user: &OwnedUserId,
    which: WhichTag,
    content: Option<Value>,
) -> Result<Json<Value>, MatrixError> {
    let place = place_of(user, &which.user_id, Some(&which.room_id))?;
    let tag = which.tag.unwrap_or_default();
    if tag.is_empty() || tag.len() > MAX_TEXT {
        return Err(MatrixError::invalid_param("the tag is empty or too long"));
    }
    let found = find(api, place.clone(), TAG.to_owned()).await?;
    let mut tags = found.unwrap_or_else(|| json!({ "tags": {} }));
    match (content, tags["tags"].as_object_mut()) {
        (Some(content), Some(tags)) => drop(tags.insert(tag, content)),
        (None, Some(tags)) => drop(tags.remove(&tag)),
        (content, None) => tags = json!({ "tags": { tag: content } }),
    }
    keep(api, place, TAG.to_owned(), tags).await
}

async fn keep(
    api: &ClientApi,
    (user, room): Place,
    kind: String,
    content: Value,
) -> Result<Json<Value>, MatrixError> {
    if kind.len() > MAX_TEXT || content.to_string().len() > MAX_CONTENT {
        return Err(MatrixError::invalid_param("the data or its type is too long"));
    }
    let news = api.messaging.notifications.news.clone();
    let keep = api.core.database.transaction(move |tx| {
        let kept = account_data::put(tx, &user, room.as_deref(), &kind, &content)?;
        news.ring([Topic::User(user)]);
        Ok::<_, crate::store::StoreError>(kept)
    });
    if keep.await? {
        return Ok(Json(json!({})));
    }
    let message = "the account has as much data as one may have";
    Err(MatrixError::new(StatusCode::BAD_REQUEST, "M_RESOURCE_LIMIT_EXCEEDED", message))
}

async fn find(
    api: &ClientApi,
    (user, room): Place,
    kind: String,
) -> Result<Option<Value>, MatrixError> {
    let find =
        move |db: &mut rusqlite::Connection| account_data::find(db, &user, room.as_deref(), &kind);
    Ok(api.core.database.call(find).await?)
}

fn place_of(user: &OwnedUserId, named: &str, room: Option<&str>) -> Result<Place, MatrixError> {
    if id::<OwnedUserId>(named)? != *user {
        return Err(MatrixError::forbidden("account data is its own user's"));
    }
    Ok((user.clone(), room.map(id).transpose()?))
}
