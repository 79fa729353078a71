//! `/register`, `/login`, `/logout`, `/logout/all`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use ruma::{OwnedDeviceId, OwnedUserId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, QueryOf},
};
use crate::messaging::accounts::{DeviceChoice, Login};

/// Bytes of a password.
const MAX_PASSWORD: usize = 512;

/// Characters of a device id, and of its name.
const MAX_DEVICE_TEXT: usize = 255;

/// Bytes of entropy of an authentication session's name.
const SESSION_BYTES: usize = 12;

#[derive(Deserialize)]
pub(super) struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RegisterRequest {
    username: Option<String>,
    password: Option<String>,
    auth: Option<Auth>,
    device_id: Option<OwnedDeviceId>,
    initial_device_display_name: Option<String>,
    #[serde(default)]
    inhibit_login: bool,
}

#[derive(Deserialize)]
struct Auth {
    r#type: Option<String>,
}

/// `POST /_matrix/client/v3/register`: one stage, `m.login.dummy`.
pub(super) async fn register(
    State(api): State<ClientApi>,
    QueryOf(query): QueryOf<Kind>,
    BodyOf(body): BodyOf<RegisterRequest>,
) -> Result<Response, MatrixError> {
    if query.kind.is_some_and(|kind| kind != "user") {
        return Err(MatrixError::forbidden("this server does not accept guests"));
    }
    let stage = body.auth.and_then(|auth| auth.r#type);
    if stage.is_none_or(|stage| stage != "m.login.dummy") {
        return Ok(ask_for_stage(&api));
    }
    let name = body.username.ok_or_else(|| missing("username"))?;
    let password = body.password.ok_or_else(|| missing("password"))?;
    check_password_length(&password)?;
    let user_id = new_user_id(&api, &name)?;
    let device = (!body.inhibit_login)
        .then(|| device_choice(body.device_id, body.initial_device_display_name))
        .transpose()?;
    Ok(match api.messaging.accounts.register(&user_id, &password, device).await? {
        Some(login) => login_answer(&login).into_response(),
        None => Json(json!({ "user_id": user_id })).into_response(),
    })
}

/// Returns what is told to a client that has not authenticated yet (client-server API,
/// "User-interactive authentication").
fn ask_for_stage(api: &ClientApi) -> Response {
    let body = json!({
        "flows": [{ "stages": ["m.login.dummy"] }],
        "params": {},
        "session": api.core.host.random_token(SESSION_BYTES),
    });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn new_user_id(api: &ClientApi, name: &str) -> Result<OwnedUserId, MatrixError> {
    let invalid =
        |reason: String| MatrixError::new(StatusCode::BAD_REQUEST, "M_INVALID_USERNAME", reason);
    if name.starts_with('@') || name.contains(':') {
        return Err(invalid("a user name cannot contain `@` or `:`".to_owned()));
    }
    let user_id = UserId::parse_with_server_name(name, api.core.server_name())
        .map_err(|error| invalid(error.to_string()))?;
    user_id.validate_strict().map_err(|error| invalid(error.to_string()))?;
    Ok(user_id)
}

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
    State(api): State<ClientApi>,
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
    check_password_length(&password)?;
    let user_id = UserId::parse_with_server_name(user.as_str(), api.core.server_name())
        .map_err(|error| MatrixError::invalid_param(error.to_string()))?;
    let choice = device_choice(body.device_id, body.initial_device_display_name)?;
    let login = api.messaging.accounts.login(&user_id, &password, choice).await?;
    Ok(login_answer(&login))
}

/// `POST /_matrix/client/v3/logout`.
pub(super) async fn logout(
    State(api): State<ClientApi>,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    api.messaging.accounts.logout(&device).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/logout/all`.
pub(super) async fn logout_all(
    State(api): State<ClientApi>,
    Caller(device): Caller,
) -> Result<Json<Value>, MatrixError> {
    api.messaging.accounts.logout_all(&device.user_id).await?;
    Ok(Json(json!({})))
}

fn login_answer(login: &Login) -> Json<Value> {
    Json(json!({
        "user_id": login.device.user_id,
        "device_id": login.device.device_id,
        "access_token": login.access_token,
        "home_server": login.device.user_id.server_name(),
    }))
}

fn device_choice(
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

fn check_password_length(password: &str) -> Result<(), MatrixError> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        let message = format!("a password must have 1 to {MAX_PASSWORD} bytes");
        return Err(MatrixError::invalid_param(message));
    }
    Ok(())
}

fn missing(field: &str) -> MatrixError {
    let message = format!("`{field}` is missing");
    MatrixError::new(StatusCode::BAD_REQUEST, "M_MISSING_PARAM", message)
}

fn unknown(message: String) -> MatrixError {
    MatrixError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", message)
}
