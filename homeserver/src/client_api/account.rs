//! What a client learns about the server and itself: versions, whoami, capabilities.

use axum::Json;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{ClientApi, extract::Caller};
use crate::metrics::health_of;

/// `GET /_matrix/client/versions`.
pub(super) async fn versions() -> Json<Value> {
    Json(json!({
        "versions": ["r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6"],
        // Media for whoever is logged in alone, before the version in which it stands.
        "unstable_features": { "org.matrix.msc3916.stable": true },
    }))
}

/// `GET /health`: what a proxy in front asks.
pub(super) async fn health(api: ClientApi) -> Result<&'static str, MatrixError> {
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
            "m.change_password": { "enabled": true },
            "m.room_versions": {
                "default": "11",
                "available": { "10": "stable", "11": "stable", "12": "stable" },
            },
            "m.set_displayname": { "enabled": true },
            "m.set_avatar_url": { "enabled": true },
            "m.3pid_changes": { "enabled": false },
        },
    }))
}
