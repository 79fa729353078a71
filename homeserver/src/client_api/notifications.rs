//! `GET /notifications` and `GET /notifications/last`: how a device catches up (Wire's step 2).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use transport::MatrixError;
use uuid::Uuid;

use super::{
    ClientApi,
    extract::{Caller, QueryOf},
};
use crate::{
    messaging::notifications::{DEFAULT_PAGE, MAX_PAGE, MIN_PAGE},
    store::{accounts::Device, notifications::Notification},
};

#[derive(Deserialize)]
pub(super) struct PageQuery {
    since: Option<String>,
    client: Option<String>,
    size: Option<usize>,
}

/// `GET /notifications?since=&client=&size=`: what was stored for the device after `since`, oldest
/// first. 404 with the same body when `since` is not, or no longer, one of its notifications; what
/// is newer is there all the same.
pub(super) async fn page(
    api: ClientApi,
    Caller(device): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Response, MatrixError> {
    ensure_own(&device, query.client.as_deref())?;
    let since = query.since.map(|since| Uuid::try_parse(&since)).transpose();
    let since = since.map_err(|_| MatrixError::invalid_param("`since` is not a UUID"))?;
    let size = query.size.unwrap_or(DEFAULT_PAGE).clamp(MIN_PAGE, MAX_PAGE);
    let page = api.messaging.notifications.page(&device, since, size).await?;
    if let Some(since) = since.filter(|_| page.since_known) {
        // Who asks for what came after it has it.
        api.messaging.pushers.confirm(&device, since).await?;
    }
    let status = if page.since_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let notifications: Vec<_> = page.notifications.iter().map(shown).collect();
    let body = json!({
        "notifications": notifications,
        "has_more": page.has_more,
        "time": api.core.host.unix_ms(),
    });
    Ok((status, Json(body)).into_response())
}

#[derive(Deserialize)]
pub(super) struct LastQuery {
    client: Option<String>,
}

/// `GET /notifications/last?client=`: the newest one; 404 when there is none.
pub(super) async fn last(
    api: ClientApi,
    Caller(device): Caller,
    QueryOf(query): QueryOf<LastQuery>,
) -> Result<Response, MatrixError> {
    ensure_own(&device, query.client.as_deref())?;
    match api.messaging.notifications.last(&device).await? {
        Some(notification) => Ok(Json(shown(&notification)).into_response()),
        None => Err(MatrixError::not_found("there is no notification")),
    }
}

/// Returns a notification as devices read it.
fn shown(notification: &Notification) -> Shown<'_> {
    Shown { id: notification.id, payload: [&notification.event] }
}

#[derive(Serialize)]
struct Shown<'a> {
    /// A `UUIDv7`; a later one is larger.
    id: Uuid,
    /// The events, in the client format; one today.
    payload: [&'a RawValue; 1],
}

/// A device reads its own notifications only.
pub(super) fn ensure_own(device: &Device, client: Option<&str>) -> Result<(), MatrixError> {
    if client.is_some_and(|client| client != device.device_id.as_str()) {
        return Err(MatrixError::forbidden("the access token belongs to another device"));
    }
    Ok(())
}
