//! `/pushers` and `/pushers/set`: by which gateway a device is told while it is away.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller},
};
use crate::{messaging::pushers::Settings, store::pushers::PusherKey};

/// Bytes of an application's id (client-server API, "Push Notifications").
const MAX_APP_ID: usize = 64;

/// Bytes of a pushkey (the same).
const MAX_PUSHKEY: usize = 512;

/// Bytes of all that a device says of a pusher.
const MAX_SETTINGS: usize = 8 << 10;

#[derive(Deserialize)]
pub(super) struct SetRequest {
    app_id: String,
    pushkey: String,
    kind: Option<String>,
    #[serde(flatten)]
    settings: Value,
}

/// `POST /_matrix/client/v3/pushers/set`.
pub(super) async fn set(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<SetRequest>,
) -> Result<Json<Value>, MatrixError> {
    let SetRequest { app_id, pushkey, kind, settings } = body;
    if app_id.len() > MAX_APP_ID || pushkey.len() > MAX_PUSHKEY {
        return Err(MatrixError::invalid_param("`app_id` or `pushkey` is too long"));
    }
    let key = PusherKey { device, app_id, pushkey };
    match kind.as_deref() {
        None => api.messaging.pushers.forget(key).await?,
        Some("http") => {
            if settings.to_string().len() > MAX_SETTINGS {
                return Err(MatrixError::invalid_param("the pusher is too large"));
            }
            let settings: Settings = serde_json::from_value(settings)
                .map_err(|error| MatrixError::bad_json(error.to_string()))?;
            api.messaging.pushers.address(&settings).map_err(MatrixError::invalid_param)?;
            if !api.messaging.pushers.set(key, &settings).await? {
                return Err(MatrixError::new(
                    StatusCode::BAD_REQUEST,
                    "M_RESOURCE_LIMIT_EXCEEDED",
                    "the user has as many pushers as a user may have",
                ));
            }
        }
        Some(kind) => {
            return Err(MatrixError::invalid_param(format!(
                "pushers of kind {kind} are not known"
            )));
        }
    }
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/pushers`.
pub(super) async fn list(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    let rows = api.messaging.pushers.of_user(&device.user_id).await?;
    let pushers = rows.into_iter().map(|row| {
        let mut pusher: Value = serde_json::from_str(&row.settings).unwrap_or_default();
        (pusher["app_id"], pusher["pushkey"]) = (row.key.app_id.into(), row.key.pushkey.into());
        pusher["kind"] = "http".into();
        pusher
    });
    Ok(Json(json!({ "pushers": pushers.collect::<Vec<_>>() })))
}
