//! The admin routes, behind a bearer token.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use http::{HeaderMap, StatusCode, header};
use ruma::OwnedServerName;
use serde::Deserialize;
use transport::{MatrixError, federation::json_answer};

use crate::admin::{Admin, Relaying};

/// Returns the admin routes, for whoever brings `token`.
pub(super) fn router(admin: Admin, token: &str) -> Router {
    let token_hash = blake3::hash(token.as_bytes());
    Router::new()
        .route("/_relay/admin/v1/status", get(status))
        .route("/_relay/admin/v1/relaying", put(set_relaying))
        .route("/_relay/admin/v1/destinations/{destination}/entries", get(entries).delete(purge))
        .route("/_relay/admin/v1/quarantine", get(quarantine))
        .route_layer(middleware::from_fn_with_state(token_hash, with_token))
        .with_state(admin)
}

async fn with_token(
    State(token_hash): State<blake3::Hash>,
    request: Request,
    next: Next,
) -> Response {
    match check_token(request.headers(), token_hash) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Compares hashes, in constant time: how long it takes tells nothing of the token.
fn check_token(headers: &HeaderMap, token_hash: blake3::Hash) -> Result<(), MatrixError> {
    let refused =
        |errcode, message| Err(MatrixError::new(StatusCode::UNAUTHORIZED, errcode, message));
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    match bearer {
        None => {
            refused("M_MISSING_TOKEN", "send the admin token in an Authorization header, as Bearer")
        }
        Some(bearer) if blake3::hash(bearer) == token_hash => Ok(()),
        Some(_) => refused("M_UNKNOWN_TOKEN", "this is not the admin token"),
    }
}

/// Where a page begins: after this key.
#[derive(Deserialize)]
struct Page<T> {
    after: Option<T>,
}

type Answer = Result<Response, MatrixError>;

async fn status(State(admin): State<Admin>, Query(page): Query<Page<String>>) -> Answer {
    Ok(json_answer(&admin.status(page.after.unwrap_or_default()).await?))
}

async fn set_relaying(State(admin): State<Admin>, body: Bytes) -> Answer {
    let relaying: Relaying =
        serde_json::from_slice(&body).map_err(|error| MatrixError::bad_json(error.to_string()))?;
    admin.set_relaying(relaying).await?;
    Ok(json_answer(&relaying))
}

async fn entries(
    State(admin): State<Admin>,
    Path(destination): Path<String>,
    Query(page): Query<Page<i64>>,
) -> Answer {
    let destination = server_name(destination)?;
    Ok(json_answer(&admin.entries(destination, page.after.unwrap_or(0)).await?))
}

async fn purge(State(admin): State<Admin>, Path(destination): Path<String>) -> Answer {
    Ok(json_answer(&admin.purge(server_name(destination)?).await?))
}

async fn quarantine(State(admin): State<Admin>, Query(page): Query<Page<i64>>) -> Answer {
    Ok(json_answer(&admin.quarantine(page.after.unwrap_or(0)).await?))
}

fn server_name(text: String) -> Result<OwnedServerName, MatrixError> {
    OwnedServerName::try_from(text).map_err(|error| MatrixError::invalid_param(error.to_string()))
}
