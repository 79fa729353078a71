//! What a request carries: who asks, path, query and body; what is malformed is a Matrix error.

use axum::{
    extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Path, Query, Request},
    http::{header, request::Parts},
};
use bytes::Bytes;
use http::StatusCode;
use ruma::{IdParseError, OwnedRoomId, RoomId, UserId};
use serde::de::DeserializeOwned;
use transport::{
    MatrixError,
    bounds::{MAX_REQUEST_DEPTH, is_within_depth},
};

use super::ClientApi;
use crate::{
    event::Membership,
    store::accounts::{Authority, Device},
};

/// The device whose access token the request carries, in the `Authorization` header or (as older
/// clients and websockets do) in the query.
pub(super) struct Caller(pub(super) Device);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        Ok(Self(Holder::from_request_parts(parts, state).await?.0.device))
    }
}

/// For what nobody needs an account for: nobody, if the request carries no token.
impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, MatrixError> {
        if token(parts).is_none() {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

/// The same with its token, for what goes on only as long as the token is the device's.
pub(super) struct Holder(pub(super) Authority);

impl<S: Sync> FromRequestParts<S> for Holder {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        let api = ClientApi::from_request_parts(parts, state).await?;
        let token = token(parts).ok_or_else(missing_token)?;
        let authority = api.messaging.accounts.holder_of(&token).await?;
        let authority = authority.ok_or_else(unknown_token)?;
        api.attempts.request(&authority.device.user_id)?;
        Ok(Self(authority))
    }
}

/// Returns the refusal of a request without a token.
pub(super) fn missing_token() -> MatrixError {
    let message = "the request has no access token";
    MatrixError::new(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", message)
}

/// Returns the refusal of a token that is no device's, or not any more.
pub(super) fn unknown_token() -> MatrixError {
    let message = "the access token is not known";
    MatrixError::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", message)
}

fn token(parts: &Parts) -> Option<String> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
        return Some(token.trim().to_owned());
    }
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok()?;
    pairs.into_iter().find(|(key, _)| key == "access_token").map(|(_, token)| token)
}

/// The parameters of the path, percent-decoded.
pub(super) struct PathOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        match <Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(MatrixError::invalid_param(rejection.body_text())),
        }
    }
}

/// The parameters of the query.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MatrixError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(MatrixError::invalid_param(rejection.body_text())),
        }
    }
}

/// The JSON body, whatever its content type is said to be. No body at all is `{}`: several
/// endpoints are called so.
pub(crate) struct BodyOf<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for BodyOf<T> {
    type Rejection = MatrixError;

    async fn from_request(request: Request, state: &S) -> Result<Self, MatrixError> {
        let body = match Bytes::from_request(request, state).await {
            Ok(body) => body,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(MatrixError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "M_TOO_LARGE",
                    "the body is too large",
                ));
            }
            Err(rejection) => return Err(MatrixError::bad_json(rejection.body_text())),
        };
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        if !is_within_depth(body, MAX_REQUEST_DEPTH) {
            return Err(MatrixError::bad_json(format!(
                "the body is nested deeper than {MAX_REQUEST_DEPTH} levels"
            )));
        }
        let not_json =
            |reason: String| MatrixError::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", reason);
        // The parser does not look into fields that nobody reads.
        let text = str::from_utf8(body).map_err(|error| not_json(error.to_string()))?;
        serde_json::from_str(text).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => MatrixError::bad_json(error.to_string()),
            _ => not_json(error.to_string()),
        })
    }
}

/// Parses an identifier of the path, the query or the body.
pub(super) fn id<T>(text: impl AsRef<str>) -> Result<T, MatrixError>
where
    T: for<'a> TryFrom<&'a str, Error = IdParseError>,
{
    let text = text.as_ref();
    T::try_from(text).map_err(|error| MatrixError::invalid_param(format!("{text}: {error}")))
}

/// Refuses a user who is not in the room.
pub(super) async fn ensure_joined(
    api: &ClientApi,
    user: &UserId,
    room: &RoomId,
) -> Result<(), MatrixError> {
    match api.messaging.rooms.membership(user, room).await? {
        Some(Membership::Join) => Ok(()),
        _ => Err(MatrixError::forbidden(format!("{user} is not in {room}"))),
    }
}

/// Returns the room of the path, for somebody who is in it.
pub(super) async fn room_of(
    api: &ClientApi,
    user: &UserId,
    room: &str,
) -> Result<OwnedRoomId, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    ensure_joined(api, user, &room).await?;
    Ok(room)
}
