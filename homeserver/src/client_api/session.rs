//! `/login`, `/logout`, `/logout/all`.

use axum::Json;
use http::StatusCode;
use ruma::{OwnedDeviceId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    attempts::AddressOf,
    extract::{BodyOf, Caller},
};
use crate::messaging::accounts::{AccountError, DeviceChoice, Login};

/// Bytes of a password.
const MAX_PASSWORD: usize = 512;

/// Characters of a device id, and of its name.
const MAX_DEVICE_TEXT: usize = 255;

#[derive(Deserialize)]
pub(super) struct LoginRequest {
    r#type: String,
    identifier: Option<Identifier>,
    /// The old way to name the user.
    user: Option<String>,
    password: Option<String>,
    device_id: Option<OwnedDeviceId>,
    initial_device_display_name: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    r#type: String,
    user: Option<String>,
}

/// `GET /_matrix/client/v3/login`.
pub(super) async fn login_flows() -> Json<Value> {
    Json(json!({ "flows": [{ "type": "m.login.password" }] }))
}

/// `POST /_matrix/client/v3/login`.
pub(super) async fn login(
    api: ClientApi,
    AddressOf(address): AddressOf,
    BodyOf(body): BodyOf<LoginRequest>,
) -> Result<Json<Value>, MatrixError> {
    if body.r#type != "m.login.password" {
        return Err(unknown(format!("login by {} is not supported", body.r#type)));
    }
    let user = match body.identifier {
        Some(identifier) if identifier.r#type != "m.id.user" => {
            return Err(unknown(format!(
                "users cannot be identified by {} here",
                identifier.r#type
            )));
        }
        Some(identifier) => identifier.user,
        None => body.user,
    };
    let user = user.ok_or_else(|| missing("identifier.user"))?;
    let password = body.password.ok_or_else(|| missing("password"))?;
    check_password(&password)?;
    let user_id = UserId::parse_with_server_name(user.as_str(), api.core.server_name())
        .map_err(|error| MatrixError::invalid_param(error.to_string()))?;
    let choice = device_choice(body.device_id, body.initial_device_display_name)?;
    let attempt = api.attempts.login(&user_id, address)?;
    let login = api.messaging.accounts.login(&user_id, &password, choice).await;
    if !matches!(login, Err(AccountError::WrongPassword)) {
        attempt.was_right();
    }
    Ok(login_answer(&login?))
}

/// `POST /_matrix/client/v3/logout`.
pub(super) async fn logout(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    api.messaging.accounts.logout(&device).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/logout/all`.
pub(super) async fn logout_all(
    api: ClientApi,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    api.messaging.accounts.logout_all(&device.user_id).await?;
    Ok(Json(json!({})))
}

pub(super) fn login_answer(login: &Login) -> Json<Value> {
    Json(json!({
        "user_id": login.device.user_id,
        "device_id": login.device.device_id,
        "access_token": login.access_token,
        "home_server": login.device.user_id.server_name(),
    }))
}

pub(super) fn device_choice(
    device_id: Option<OwnedDeviceId>,
    display_name: Option<String>,
) -> Result<DeviceChoice, MatrixError> {
    let id_length = device_id.as_ref().map_or(1, |id| id.as_str().len());
    let name_length = display_name.as_ref().map_or(0, String::len);
    if id_length == 0 || id_length > MAX_DEVICE_TEXT || name_length > MAX_DEVICE_TEXT {
        return Err(MatrixError::invalid_param(
            "the device id or display name is empty or too long",
        ));
    }
    Ok(DeviceChoice { device_id, display_name })
}

/// Refuses a password that no account can have.
pub(crate) fn check_password(password: &str) -> Result<(), MatrixError> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        let message = format!("a password must have 1 to {MAX_PASSWORD} bytes");
        return Err(MatrixError::invalid_param(message));
    }
    Ok(())
}

pub(super) fn missing(field: &str) -> MatrixError {
    let message = format!("`{field}` is missing");
    MatrixError::new(StatusCode::BAD_REQUEST, "M_MISSING_PARAM", message)
}

fn unknown(message: String) -> MatrixError {
    MatrixError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", message)
}
