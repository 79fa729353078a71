//! `/devices`: which devices a user has, and ending their logins.

use axum::Json;
use ruma::{OwnedDeviceId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    attempts::AddressOf,
    extract::{BodyOf, Caller, PathOf},
    interactive::{self, Auth},
};
use crate::store::accounts::{self, Device, DeviceRow};

/// Bytes of a device's name.
const MAX_NAME: usize = 255;

/// `GET /_matrix/client/v3/devices`.
pub(super) async fn list(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    let devices: Vec<_> = of(&api, device.user_id).await?.iter().map(shown).collect();
    Ok(Json(json!({ "devices": devices })))
}

/// `GET /_matrix/client/v3/devices/{deviceId}`.
pub(super) async fn find(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(named): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    let devices = of(&api, device.user_id).await?;
    let found = devices.iter().find(|row| row.device_id == named);
    found.map(shown).map(Json).ok_or_else(unknown)
}

#[derive(Deserialize)]
pub(super) struct RenameRequest {
    display_name: Option<String>,
}

/// `PUT /_matrix/client/v3/devices/{deviceId}`.
pub(super) async fn rename(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(named): PathOf<String>,
    BodyOf(body): BodyOf<RenameRequest>,
) -> Result<Json<Value>, MatrixError> {
    if body.display_name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
        return Err(MatrixError::invalid_param("the name is too long"));
    }
    let device = Device { user_id: device.user_id, device_id: named.into() };
    if !api.messaging.accounts.rename_device(device, body.display_name).await? {
        return Err(unknown());
    }
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct RemoveRequest {
    #[serde(default)]
    devices: Vec<OwnedDeviceId>,
    auth: Option<Auth>,
}

/// `DELETE /_matrix/client/v3/devices/{deviceId}`: takes the user's password.
pub(super) async fn remove(
    api: ClientApi,
    Caller(device): Caller,
    AddressOf(address): AddressOf,
    PathOf(named): PathOf<String>,
    BodyOf(body): BodyOf<RemoveRequest>,
) -> Result<interactive::Answer, MatrixError> {
    let question = interactive::ask(&api, &device.user_id, body.auth, address).await?;
    if let Some(question) = question {
        return Ok(question);
    }
    api.messaging.accounts.forget(device.user_id, vec![named.into()]).await?;
    Ok(interactive::done(json!({})))
}

/// `POST /_matrix/client/v3/delete_devices`: takes the user's password.
pub(super) async fn remove_all(
    api: ClientApi,
    Caller(device): Caller,
    AddressOf(address): AddressOf,
    BodyOf(body): BodyOf<RemoveRequest>,
) -> Result<interactive::Answer, MatrixError> {
    let question = interactive::ask(&api, &device.user_id, body.auth, address).await?;
    if let Some(question) = question {
        return Ok(question);
    }
    api.messaging.accounts.forget(device.user_id, body.devices).await?;
    Ok(interactive::done(json!({})))
}

async fn of(api: &ClientApi, user: OwnedUserId) -> Result<Vec<DeviceRow>, MatrixError> {
    Ok(api.core.database.call(move |db| accounts::device_rows(db, &user)).await?)
}

fn shown(row: &DeviceRow) -> Value {
    json!({ "device_id": row.device_id, "display_name": row.display_name })
}

fn unknown() -> MatrixError {
    MatrixError::not_found("there is no such device")
}
