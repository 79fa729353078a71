//! User-interactive authentication: what a token alone does not allow takes the password too
//! (client-server API, "User-Interactive Authentication API").

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use ruma::UserId;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::{MatrixError, http::Peer};

use super::ClientApi;

/// Bytes of entropy of an authentication session's name.
const SESSION_BYTES: usize = 12;

const PASSWORD: &str = "m.login.password";

/// What a client gives to be believed.
#[derive(Deserialize)]
pub(super) struct Auth {
    r#type: Option<String>,
    password: Option<String>,
    identifier: Option<Identifier>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    user: Option<String>,
}

/// The answer, or what is asked for first.
pub(super) type Answer = Response;

/// Returns the answer of a request that was done.
pub(super) fn done(body: Value) -> Answer {
    Json(body).into_response()
}

/// Returns what is asked of the client; `None` if it gave the user's password.
pub(super) async fn ask(
    api: &ClientApi,
    user: &UserId,
    auth: Option<Auth>,
    address: Option<Peer>,
) -> Result<Option<Answer>, MatrixError> {
    let Some(auth) = auth.filter(|auth| auth.r#type.as_deref() == Some(PASSWORD)) else {
        return Ok(Some(question(api, None)));
    };
    let named = auth.identifier.and_then(|of| of.user).or(auth.user);
    let is_theirs = named.is_none_or(|name| {
        UserId::parse_with_server_name(name.as_str(), api.core.server_name())
            .is_ok_and(|named| named == *user)
    });
    let attempt = api.attempts.login(user, address)?;
    let password = auth.password.unwrap_or_default();
    if is_theirs && api.messaging.accounts.is_password(user, &password).await? {
        attempt.was_right();
        return Ok(None);
    }
    Ok(Some(question(api, Some("this is not the password"))))
}

fn question(api: &ClientApi, problem: Option<&str>) -> Answer {
    let mut body = json!({
        "flows": [{ "stages": [PASSWORD] }],
        "params": {},
        "session": api.core.host.random_token(SESSION_BYTES),
    });
    if let Some(problem) = problem {
        (body["errcode"], body["error"]) = (json!("M_FORBIDDEN"), json!(problem));
    }
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}
