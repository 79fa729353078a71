//! `/register`: making an account, for anybody where registration is open, or for whoever has the
//! token that the operator gives out.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use ruma::{OwnedDeviceId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    attempts::AddressOf,
    extract::{BodyOf, QueryOf},
    session::{check_password, device_choice, login_answer, missing},
};
use crate::{edge::is_same_secret, messaging::accounts};

/// Bytes of entropy of an authentication session's name.
const SESSION_BYTES: usize = 12;

/// Bytes of entropy of a user name that is made up.
const NAME_BYTES: usize = 8;

const DUMMY: &str = "m.login.dummy";
const TOKEN: &str = "m.login.registration_token";

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
    token: Option<String>,
}

/// `POST /_matrix/client/v3/register`: one stage, [`DUMMY`] or [`TOKEN`].
pub(super) async fn register(
    api: ClientApi,
    AddressOf(address): AddressOf,
    QueryOf(query): QueryOf<Kind>,
    BodyOf(body): BodyOf<RegisterRequest>,
) -> Result<Response, MatrixError> {
    if query.kind.is_some_and(|kind| kind != "user") {
        return Err(MatrixError::forbidden("this server does not accept guests"));
    }
    let stages = stages(&api)?;
    match body.auth {
        Some(Auth { r#type: Some(stage), token }) if stages.contains(&&*stage) => {
            api.attempts.registration(address.as_ref())?;
            if stage == TOKEN && !is_the_token(&api, token.as_deref()) {
                return Ok(ask_for_stage(&api, &stages, Some("this is not the token")));
            }
        }
        _ => return Ok(ask_for_stage(&api, &stages, None)),
    }
    let password = body.password.ok_or_else(|| missing("password"))?;
    check_password(&password)?;
    let user_id = new_user_id(&api, body.username)?;
    let device = (!body.inhibit_login)
        .then(|| device_choice(body.device_id, body.initial_device_display_name))
        .transpose()?;
    Ok(match api.messaging.accounts.register(&user_id, &password, device).await? {
        Some(login) => login_answer(&login).into_response(),
        None => Json(json!({ "user_id": user_id })).into_response(),
    })
}

#[derive(Deserialize)]
pub(super) struct Available {
    username: String,
}

/// `GET /_matrix/client/v3/register/available?username=`.
pub(super) async fn available(
    api: ClientApi,
    QueryOf(query): QueryOf<Available>,
) -> Result<Json<Value>, MatrixError> {
    stages(&api)?;
    let user_id = accounts::user_id(&query.username, api.core.server_name())?;
    if !api.messaging.accounts.is_free(&user_id).await? {
        return Err(accounts::AccountError::Taken.into());
    }
    Ok(Json(json!({ "available": true })))
}

/// Returns the stages of which one makes an account.
fn stages(api: &ClientApi) -> Result<Vec<&'static str>, MatrixError> {
    let config = &api.core.config;
    let open = config.open_registration.then_some(DUMMY);
    let token = config.registration_token.as_ref().map(|_| TOKEN);
    let stages: Vec<_> = open.into_iter().chain(token).collect();
    if stages.is_empty() {
        return Err(MatrixError::forbidden("accounts are made by this server's operator alone"));
    }
    Ok(stages)
}

fn is_the_token(api: &ClientApi, given: Option<&str>) -> bool {
    let right = api.core.config.registration_token.as_deref();
    given.zip(right).is_some_and(|(given, right)| is_same_secret(given, right))
}

/// Returns what is told to a client that has not authenticated yet (client-server API,
/// "User-interactive authentication").
fn ask_for_stage(api: &ClientApi, stages: &[&str], problem: Option<&str>) -> Response {
    let flows: Vec<_> = stages.iter().map(|stage| json!({ "stages": [stage] })).collect();
    let mut body = json!({
        "flows": flows,
        "params": {},
        "session": api.core.host.random_token(SESSION_BYTES),
    });
    if let Some(problem) = problem {
        (body["errcode"], body["error"]) = (json!("M_FORBIDDEN"), json!(problem));
    }
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// Returns the id of the user to be made; whoever brings no name gets one that nobody has.
fn new_user_id(api: &ClientApi, name: Option<String>) -> Result<OwnedUserId, MatrixError> {
    let made_up = || {
        let bytes: [u8; NAME_BYTES] = api.core.host.random_bytes();
        bytes.iter().fold("u".to_owned(), |name, byte| name + &format!("{byte:02x}"))
    };
    let name = name.unwrap_or_else(made_up);
    Ok(accounts::user_id(&name, api.core.server_name())?)
}
