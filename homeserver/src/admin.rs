//! The admin API, below `/_fedsim/admin/v1/`, for whoever has the token of the configuration:
//! relays per destination, outgoing queues, and a room's state for comparing servers.

use axum::{
    Json, Router,
    extract::{FromRef, FromRequestParts, Path, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    response::Response,
    routing::get,
};
use ruma::{OwnedRoomId, OwnedServerName};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use transport::{MatrixError, federation::json_answer};

use crate::{
    core::Core,
    delivery::Policies,
    messaging::rooms::welcome::summary,
    store::{StoreError, deferred, queues},
    transaction::Outgoing,
};

/// The most relays that a destination may have.
const MAX_RELAYS: usize = 16;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) core: Core,
    pub(crate) outgoing: Outgoing,
    pub(crate) policies: Policies,
}

/// Returns the routes, for a server with an admin token; one without has none of them.
pub(crate) fn routes<S>() -> Router<S>
where
    Admin: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let routes = Router::new()
        .route("/relays/{destination}", get(relays).put(put_relays))
        .route("/queues", get(queues_of_all))
        .route("/rooms/{room_id}/state", get(room_state));
    Router::new().nest("/_fedsim/admin/v1", routes)
}

/// Proof that a request carries the token.
struct Operator;

impl<S: Sync> FromRequestParts<S> for Operator
where
    Admin: FromRef<S>,
{
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        let admin = Admin::from_ref(state);
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
            let code = "M_MISSING_TOKEN";
            return Err(MatrixError::new(
                StatusCode::UNAUTHORIZED,
                code,
                "the request has no bearer token",
            ));
        };
        match admin.core.config.admin_token.as_deref() {
            Some(token) if same(given.as_bytes(), token.as_bytes()) => Ok(Self),
            Some(_) => Err(MatrixError::forbidden("this is not the admin token")),
            None => Err(MatrixError::forbidden("no admin token is configured")),
        }
    }
}

/// Compares in constant time, so that a guess learns nothing from it.
fn same(given: &[u8], token: &[u8]) -> bool {
    let difference = given.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && difference == 0
}

#[derive(Debug, Serialize, Deserialize)]
struct Relays {
    relays: Vec<OwnedServerName>,
}

async fn relays(
    State(admin): State<Admin>,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let relays = admin.outgoing.relays(&destination).await?;
    Ok(json_answer(&Relays { relays }))
}

async fn put_relays(
    State(admin): State<Admin>,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
    body: Result<Json<Relays>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, MatrixError> {
    let Json(Relays { relays }) = body.map_err(|error| MatrixError::bad_json(error.body_text()))?;
    if relays.len() > MAX_RELAYS {
        return Err(MatrixError::invalid_param(format!("at most {MAX_RELAYS} relays are allowed")));
    }
    let name = destination.clone();
    admin.core.database.transaction(move |tx| queues::put_relays(tx, &name, &relays)).await?;
    admin.outgoing.relays_changed(&destination);
    Ok(json_answer(&json!({})))
}

async fn queues_of_all(
    State(admin): State<Admin>,
    _operator: Operator,
) -> Result<Response, MatrixError> {
    let Admin { core, policies, .. } = admin;
    let read = move |db: &mut Connection| {
        let (queues, set_aside) = (queues::all(db)?, queues::set_aside_counts(db)?);
        let (deferred, unfinished) = (deferred::counts(db)?, policies.unfinished(db)?);
        Ok::<_, StoreError>((queues, set_aside, deferred, unfinished))
    };
    let (queues, set_aside, deferred, mut unfinished) = core.database.call(read).await?;
    unfinished.insert("queues".to_owned(), json!(queues));
    unfinished.insert("deferred".to_owned(), json!(deferred));
    if !set_aside.is_empty() {
        unfinished.insert("set_aside".to_owned(), json!(set_aside));
    }
    Ok(json_answer(&unfinished))
}

async fn room_state(
    State(admin): State<Admin>,
    _operator: Operator,
    Path(room): Path<OwnedRoomId>,
) -> Result<Response, MatrixError> {
    let (state, extremities) = admin.core.database.call(move |db| summary(db, &room)).await?;
    Ok(json_answer(&json!({ "state": state, "forward_extremities": extremities })))
}
