//! `/room_keys`: copies of room keys, which only their user's clients can read.

use std::collections::BTreeMap;

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf},
};
use crate::{
    messaging::backups::{BackupError, Size},
    store::key_backups::{Backup, Sessions, Which},
};

/// Characters of an algorithm, a room's id and a session's.
const MAX_TEXT: usize = 255;

#[derive(Deserialize)]
pub(super) struct VersionRequest {
    algorithm: String,
    auth_data: Value,
}

/// `POST /_matrix/client/v3/room_keys/version`.
pub(super) async fn create(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<VersionRequest>,
) -> Result<Json<Value>, MatrixError> {
    let VersionRequest { algorithm, auth_data } = body;
    if algorithm.len() > MAX_TEXT || !auth_data.is_object() {
        return Err(MatrixError::invalid_param("the algorithm or its data makes no sense"));
    }
    let version = api.messaging.backups.create(device.user_id, algorithm, auth_data).await?;
    Ok(Json(json!({ "version": version.to_string() })))
}

/// `GET /_matrix/client/v3/room_keys/version`.
pub(super) async fn current(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    let (backup, size) = api.messaging.backups.find(device.user_id, None).await?;
    Ok(Json(shown(&backup, size)))
}

/// `GET /_matrix/client/v3/room_keys/version/{version}`.
pub(super) async fn find(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(version): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let version = Some(number(&version)?);
    let (backup, size) = api.messaging.backups.find(device.user_id, version).await?;
    Ok(Json(shown(&backup, size)))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}`.
pub(super) async fn update(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(version): PathOf<String>,
    BodyOf(body): BodyOf<VersionRequest>,
) -> Result<Json<Value>, MatrixError> {
    let version = number(&version)?;
    let (backup, _) = api.messaging.backups.find(device.user_id.clone(), Some(version)).await?;
    if backup.algorithm != body.algorithm {
        return Err(MatrixError::invalid_param("the algorithm cannot change"));
    }
    api.messaging.backups.update(device.user_id, version, body.auth_data).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/room_keys/version/{version}`.
pub(super) async fn delete(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(version): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    api.messaging.backups.delete(device.user_id, number(&version)?).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct VersionQuery {
    version: String,
}

/// Which keys the path names.
#[derive(Deserialize)]
pub(super) struct Place {
    room_id: Option<String>,
    session_id: Option<String>,
}

impl From<Place> for Which {
    fn from(place: Place) -> Self {
        Self { room: place.room_id, session: place.session_id }
    }
}

#[derive(Deserialize)]
struct RoomKeys {
    sessions: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct AllKeys {
    rooms: BTreeMap<String, RoomKeys>,
}

/// `PUT /_matrix/client/v3/room_keys/keys`, and below it of a room, and of one session.
pub(super) async fn put(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(place): PathOf<Place>,
    QueryOf(query): QueryOf<VersionQuery>,
    BodyOf(body): BodyOf<Value>,
) -> Result<Json<Value>, MatrixError> {
    let version = number(&query.version)?;
    let sessions = sessions_of(place, body)?;
    let too_long = |text: &String| text.len() > MAX_TEXT;
    if sessions.iter().any(|(room, keys)| too_long(room) || keys.keys().any(too_long)) {
        return Err(MatrixError::invalid_param("a room's or session's id is too long"));
    }
    let backups = api.messaging.backups.clone();
    let put = async move { backups.put(device.user_id, version, sessions).await };
    Ok(Json(size(api.finish(put).await?)))
}

/// `GET` of the same.
pub(super) async fn get(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(place): PathOf<Place>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> Result<Json<Value>, MatrixError> {
    let version = number(&query.version)?;
    let (room, session) = (place.room_id.clone(), place.session_id.clone());
    let mut found = api.messaging.backups.sessions(device.user_id, version, place.into()).await?;
    let Some(room) = room else {
        let rooms: BTreeMap<_, _> =
            found.into_iter().map(|(room, keys)| (room, json!({ "sessions": keys }))).collect();
        return Ok(Json(json!({ "rooms": rooms })));
    };
    let mut keys = found.remove(&room).unwrap_or_default();
    match session {
        None => Ok(Json(json!({ "sessions": keys }))),
        Some(session) => {
            let key = keys.remove(&session);
            key.map(Json).ok_or_else(|| MatrixError::not_found("there is no such key"))
        }
    }
}

/// `DELETE` of the same.
pub(super) async fn remove(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(place): PathOf<Place>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> Result<Json<Value>, MatrixError> {
    let version = number(&query.version)?;
    let of = api.messaging.backups.delete_sessions(device.user_id, version, place.into()).await?;
    Ok(Json(size(of)))
}

fn sessions_of(place: Place, body: Value) -> Result<Sessions, MatrixError> {
    let wrong = |error: serde_json::Error| MatrixError::bad_json(error.to_string());
    let Place { room_id, session_id } = place;
    Ok(match (room_id, session_id) {
        (Some(room), Some(session)) => [(room, [(session, body)].into())].into(),
        (Some(room), None) => {
            let keys: RoomKeys = serde_json::from_value(body).map_err(wrong)?;
            [(room, keys.sessions)].into()
        }
        _ => {
            let keys: AllKeys = serde_json::from_value(body).map_err(wrong)?;
            keys.rooms.into_iter().map(|(room, keys)| (room, keys.sessions)).collect()
        }
    })
}

fn number(version: &str) -> Result<i64, MatrixError> {
    version.parse().map_err(|_| BackupError::Unknown.into())
}

fn shown(backup: &Backup, (etag, count): Size) -> Value {
    json!({
        "algorithm": backup.algorithm,
        "auth_data": backup.auth_data,
        "count": count,
        "etag": etag.to_string(),
        "version": backup.version.to_string(),
    })
}

fn size((etag, count): Size) -> Value {
    json!({ "count": count, "etag": etag.to_string() })
}

impl From<BackupError> for MatrixError {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::Unknown => Self::not_found(message),
            BackupError::WrongVersion(current) => {
                Self::new(StatusCode::FORBIDDEN, "M_WRONG_ROOM_KEYS_VERSION", message)
                    .with("current_version", current.to_string())
            }
            BackupError::Invalid(_) => Self::invalid_param(message),
            BackupError::Store(error) => error.into(),
        }
    }
}
