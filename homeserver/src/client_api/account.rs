//! What a client learns about the server and about users: versions, whoami, capabilities, profile,
//! and the empty answers of what this server does not have (push rules, encryption keys).

use axum::{Json, extract::State};
use http::StatusCode;
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};
use crate::{edge::shown_profile, metrics::health_of};

/// Bytes of a display name.
const MAX_DISPLAY_NAME: usize = 255;

/// `GET /_matrix/client/versions`.
pub(super) async fn versions() -> Json<Value> {
    Json(json!({
        "versions": ["r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6"],
        "unstable_features": {},
    }))
}

/// `GET /health`: what a proxy in front asks.
pub(super) async fn health(State(api): State<ClientApi>) -> Result<&'static str, MatrixError> {
    health_of(&api.core).await
}

/// `GET /_matrix/client/v3/account/whoami`.
pub(super) async fn whoami(Caller(device): Caller) -> Json<Value> {
    Json(json!({
        "user_id": device.user_id,
        "device_id": device.device_id,
        "is_guest": false,
    }))
}

/// `GET /_matrix/client/v3/capabilities`.
pub(super) async fn capabilities(Caller(_): Caller) -> Json<Value> {
    Json(json!({
        "capabilities": {
            "m.change_password": { "enabled": false },
            "m.room_versions": {
                "default": "11",
                "available": { "10": "stable", "11": "stable", "12": "stable" },
            },
            "m.set_displayname": { "enabled": true },
            "m.set_avatar_url": { "enabled": false },
        },
    }))
}

/// `GET /_matrix/client/v3/pushrules/`: a gateway is told of everything, so there are no rules.
pub(super) async fn push_rules(Caller(_): Caller) -> Json<Value> {
    Json(json!({
        "global": { "override": [], "content": [], "room": [], "sender": [], "underride": [] },
    }))
}

/// `POST /_matrix/client/v3/keys/upload`: keys are not kept, and the answer says so.
pub(super) async fn keys_upload(Caller(_): Caller) -> Json<Value> {
    Json(json!({ "one_time_key_counts": {} }))
}

/// `POST /_matrix/client/v3/keys/query`.
pub(super) async fn keys_query(Caller(_): Caller) -> Json<Value> {
    Json(json!({ "device_keys": {}, "failures": {} }))
}

/// `GET /_matrix/client/v3/profile/{userId}`.
pub(super) async fn profile(
    State(api): State<ClientApi>,
    PathOf(user): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let user: OwnedUserId = id(user)?;
    profile_of(&api, &user).await.map(Json)
}

/// `GET /_matrix/client/v3/profile/{userId}/displayname`.
pub(super) async fn display_name(
    State(api): State<ClientApi>,
    PathOf(user): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let user: OwnedUserId = id(user)?;
    profile_of(&api, &user).await.map(Json)
}

#[derive(Deserialize)]
pub(super) struct DisplayName {
    displayname: Option<String>,
}

/// `PUT /_matrix/client/v3/profile/{userId}/displayname`. Rooms joined later show the new name.
pub(super) async fn set_display_name(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf(user): PathOf<String>,
    BodyOf(body): BodyOf<DisplayName>,
) -> Result<Json<Value>, MatrixError> {
    if id::<OwnedUserId>(user)? != device.user_id {
        return Err(MatrixError::forbidden("only the user may change this profile"));
    }
    if body.displayname.as_ref().is_some_and(|name| name.len() > MAX_DISPLAY_NAME) {
        return Err(MatrixError::invalid_param("the display name is too long"));
    }
    api.messaging.accounts.set_display_name(&device.user_id, body.displayname).await?;
    Ok(Json(json!({})))
}

/// Returns the profile of a local user. Other servers' users are not asked about there.
async fn profile_of(api: &ClientApi, user: &UserId) -> Result<Value, MatrixError> {
    let profile = api.messaging.accounts.profile(user).await?;
    profile.as_ref().map(shown_profile).ok_or_else(|| {
        MatrixError::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", "the profile is not known here")
    })
}
