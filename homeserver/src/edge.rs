//! What both APIs share: how each error of the layers is told over HTTP, and work that goes on when
//! its caller hangs up.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{
    StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use serde_json::{Value, json};
use transport::{Host, MatrixError};

use crate::{
    delivery::{SendError, m1::ParticipantError},
    messaging::{accounts::AccountError, rooms::RoomError},
    store::{StoreError, accounts::Profile},
    transaction::ReceiveError,
};

/// The code of an operation that may or may not have been done.
const OUTCOME_UNKNOWN: &str = "ORG.FEDSIM.OUTCOME_UNKNOWN";

/// After how long somebody may try again whose password was not looked at.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Runs `work` as a task of its own and waits for it.
///
/// A handler is dropped when its caller hangs up. What it has begun must be finished all the same:
/// a decision that nobody is told of would hold up those who wait for it.
///
/// # Errors
/// Those of `work`; or 504, when the process ends first.
pub(crate) async fn to_the_end<T, E>(
    host: &Host,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, MatrixError>
where
    T: Send + 'static,
    E: Into<MatrixError> + Send + 'static,
{
    let (sender, result) = tokio::sync::oneshot::channel();
    host.spawn(async move {
        // Nobody may be waiting any more; that is the point.
        drop(sender.send(work.await));
    });
    match result.await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(MatrixError::new(
            StatusCode::GATEWAY_TIMEOUT,
            OUTCOME_UNKNOWN,
            "the server is stopping",
        )),
    }
}

/// Returns the answer to a request, or if nothing here was asked, the one for that (client-server API,
/// "Common error codes"). Every answer of a handler with such a status has a content type.
pub(crate) fn unless_unrecognized(response: Response) -> Response {
    let status = response.status();
    let is_for_nobody = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        && !response.headers().contains_key(CONTENT_TYPE);
    if !is_for_nobody {
        return response;
    }
    let message = "this server has no such endpoint";
    let mut unrecognized = MatrixError::new(status, "M_UNRECOGNIZED", message).into_response();
    if let Some(allowed) = response.headers().get(ALLOW) {
        unrecognized.headers_mut().insert(ALLOW, allowed.clone());
    }
    unrecognized
}

/// Returns whether a secret that was given is the right one. Takes as long for a wrong one as for the
/// right one, so that a guess learns nothing from it.
pub(crate) fn is_same_secret(given: &str, secret: &str) -> bool {
    let bytes = given.bytes().zip(secret.bytes());
    let difference = bytes.fold(0, |sum, (given, right)| sum | (given ^ right));
    given.len() == secret.len() && difference == 0
}

/// Returns a profile as both APIs show it.
pub(crate) fn shown_profile(profile: &Profile) -> Value {
    let mut shown = json!({});
    if let Some(name) = &profile.display_name {
        shown["displayname"] = name.as_str().into();
    }
    if let Some(url) = &profile.avatar_url {
        shown["avatar_url"] = url.as_str().into();
    }
    shown
}

impl From<StoreError> for MatrixError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => error.into(),
            StoreError::Corrupt(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<ReceiveError> for MatrixError {
    fn from(error: ReceiveError) -> Self {
        let message = error.to_string();
        match error {
            ReceiveError::TooLarge { .. } => Self::bad_json(message),
            ReceiveError::Busy(_) | ReceiveError::NotYet(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", message)
            }
            ReceiveError::Store(error) => error.into(),
        }
    }
}

impl From<RoomError> for MatrixError {
    fn from(error: RoomError) -> Self {
        let message = error.to_string();
        match error {
            RoomError::UnknownRoom(_) => Self::not_found(message),
            RoomError::Forbidden(_) => Self::forbidden(message),
            RoomError::Invalid(_) => Self::invalid_param(message),
            RoomError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
            }
            RoomError::Unavailable(_) => Self::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message),
            RoomError::Outdated(_) => Self::new(StatusCode::CONFLICT, "M_UNKNOWN", message),
            RoomError::UnsupportedVersion(_) => {
                Self::new(StatusCode::BAD_REQUEST, "M_UNSUPPORTED_ROOM_VERSION", message)
            }
            RoomError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for MatrixError {
    fn from(error: AccountError) -> Self {
        let message = error.to_string();
        match error {
            AccountError::Taken => Self::new(StatusCode::BAD_REQUEST, "M_USER_IN_USE", message),
            AccountError::InvalidName(_) => {
                Self::new(StatusCode::BAD_REQUEST, "M_INVALID_USERNAME", message)
            }
            AccountError::Unknown => Self::not_found(message),
            AccountError::WrongPassword => Self::forbidden(message),
            AccountError::Deactivated => {
                Self::new(StatusCode::FORBIDDEN, "M_USER_DEACTIVATED", message)
            }
            AccountError::TooManyDevices => {
                Self::new(StatusCode::BAD_REQUEST, "M_RESOURCE_LIMIT_EXCEEDED", message)
            }
            AccountError::Busy => Self::limit_exceeded(message, BUSY_PAUSE),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<SendError> for MatrixError {
    fn from(error: SendError) -> Self {
        let message = error.to_string();
        match error {
            SendError::Unknown(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, OUTCOME_UNKNOWN, message)
            }
            SendError::Room(error) => error.into(),
        }
    }
}

impl From<ParticipantError> for MatrixError {
    fn from(error: ParticipantError) -> Self {
        match error {
            ParticipantError::NeverPrepared => Self::not_found(error.to_string()),
            ParticipantError::Room(error) => error.into(),
        }
    }
}
