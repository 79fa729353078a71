//! The admin routes, behind bearer tokens, each of which is an operator's.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use http::{HeaderMap, StatusCode, header};
use ruma::{OwnedServerName, ServerName};
use serde::{Deserialize, de::DeserializeOwned};
use transport::{MatrixError, federation::json_answer, object::read_object};

use crate::{
    admin::{Admin, BlockAsked, Destinations, Disobeyed, PurgeAsked, Relaying},
    store::host_of,
};

/// The operators, by the hashes of their tokens.
pub(crate) type Operators = Arc<BTreeMap<[u8; 32], String>>;

/// Who asks.
#[derive(Clone)]
struct Operator(String);

/// Returns the admin routes, for whoever brings the token of one of `operators`.
pub(crate) fn router(admin: Admin, operators: Operators) -> Router {
    Router::new()
        .route("/_relay/admin/v1/status", get(status))
        .route("/_relay/admin/v1/relaying", put(set_relaying))
        .route("/_relay/admin/v1/purge", post(purge))
        .route("/_relay/admin/v1/quotas", get(quotas).put(set_quotas))
        .route("/_relay/admin/v1/destinations", get(destinations).put(set_destinations))
        .route(
            "/_relay/admin/v1/destinations/{destination}/entries",
            get(entries).delete(purge_mailbox),
        )
        .route("/_relay/admin/v1/entries/{id}", get(show).delete(drop_entry))
        .route("/_relay/admin/v1/entries/{id}/requeue", post(requeue))
        .route("/_relay/admin/v1/quarantine", get(quarantine))
        .route("/_relay/admin/v1/quarantine/{id}", get(show_set_aside).delete(drop_set_aside))
        .route("/_relay/admin/v1/quarantine/{id}/release", post(release))
        .route("/_relay/admin/v1/blocks", get(blocks))
        .route("/_relay/admin/v1/blocks/{origin}", put(block).merge(delete(unblock)))
        .route_layer(middleware::from_fn_with_state(operators, with_token))
        .with_state(admin)
}

async fn with_token(
    State(operators): State<Operators>,
    mut request: Request,
    next: Next,
) -> Response {
    match operator(request.headers(), &operators) {
        Ok(name) => {
            request.extensions_mut().insert(Operator(name));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Looks for the hash of the token: how long that takes tells nothing of the token itself.
fn operator(headers: &HeaderMap, operators: &Operators) -> Result<String, MatrixError> {
    let refused = |errcode, message| MatrixError::new(StatusCode::UNAUTHORIZED, errcode, message);
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .ok_or_else(|| {
            refused("M_MISSING_TOKEN", "send the admin token in an Authorization header, as Bearer")
        })?;
    let found = operators.get(blake3::hash(bearer).as_bytes());
    found.cloned().ok_or_else(|| refused("M_UNKNOWN_TOKEN", "this is not the admin token"))
}

impl From<Disobeyed> for MatrixError {
    fn from(disobeyed: Disobeyed) -> Self {
        match disobeyed {
            Disobeyed::NoEntry => Self::not_found(disobeyed.to_string()),
            Disobeyed::Wrong(message) => Self::invalid_param(message),
            Disobeyed::Disk(error) => error.into(),
        }
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

async fn set_relaying(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    body: Bytes,
) -> Answer {
    let relaying: Relaying = read(&body)?;
    admin.set_relaying(relaying).await?;
    admin.note(&operator, "set relaying", if relaying.enabled { "on" } else { "off" });
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

async fn purge_mailbox(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(destination): Path<String>,
) -> Answer {
    let destination = Some(server_name(destination)?);
    carry_out(&admin, &operator, PurgeAsked { destination, ..PurgeAsked::default() }).await
}

async fn purge(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    body: Bytes,
) -> Answer {
    carry_out(&admin, &operator, read(&body)?).await
}

async fn carry_out(admin: &Admin, operator: &str, asked: PurgeAsked) -> Answer {
    let what = serde_json::to_string(&asked).unwrap_or_default();
    let purged = admin.purge(asked).await?;
    if !purged.dry_run {
        admin.note(operator, "purged", &format!("{what}: {} entries", purged.purged));
    }
    Ok(json_answer(&purged))
}

async fn show(State(admin): State<Admin>, Path(id): Path<i64>) -> Answer {
    Ok(json_answer(&admin.show(id, false).await?))
}

async fn show_set_aside(State(admin): State<Admin>, Path(id): Path<i64>) -> Answer {
    Ok(json_answer(&admin.show(id, true).await?))
}

async fn drop_entry(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(id): Path<i64>,
) -> Answer {
    admin.drop_entry(id, false).await?;
    admin.note(&operator, "dropped an entry", &id.to_string());
    Ok(done())
}

async fn drop_set_aside(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(id): Path<i64>,
) -> Answer {
    admin.drop_entry(id, true).await?;
    admin.note(&operator, "dropped an entry set aside", &id.to_string());
    Ok(done())
}

async fn requeue(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(id): Path<i64>,
) -> Answer {
    admin.requeue(id).await?;
    admin.note(&operator, "queued an entry again", &id.to_string());
    Ok(done())
}

async fn quarantine(State(admin): State<Admin>, Query(page): Query<Page<i64>>) -> Answer {
    Ok(json_answer(&admin.quarantine(page.after.unwrap_or(0)).await?))
}

async fn release(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(id): Path<i64>,
) -> Answer {
    let released = admin.release(id).await?;
    admin.note(&operator, "released an entry", &id.to_string());
    Ok(json_answer(&released))
}

async fn quotas(State(admin): State<Admin>) -> Answer {
    Ok(json_answer(&admin.quotas()))
}

async fn set_quotas(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    body: Bytes,
) -> Answer {
    let quotas = admin.set_quotas(read(&body)?).await?;
    admin.note(&operator, "set quotas", &String::from_utf8_lossy(&body));
    Ok(json_answer(&quotas))
}

async fn destinations(State(admin): State<Admin>) -> Answer {
    Ok(json_answer(&admin.destinations()))
}

async fn set_destinations(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    body: Bytes,
) -> Answer {
    let asked: Destinations = read(&body)?;
    let destinations = admin.set_destinations(asked.destinations).await?;
    admin.note(&operator, "set destinations", &String::from_utf8_lossy(&body));
    Ok(json_answer(&destinations))
}

async fn blocks(State(admin): State<Admin>) -> Answer {
    Ok(json_answer(&admin.blocks()))
}

async fn block(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(origin): Path<String>,
    body: Bytes,
) -> Answer {
    let host = host_of(&server_name(origin)?);
    let asked = if body.is_empty() { BlockAsked::default() } else { read(&body)? };
    admin.block(host.clone(), asked).await?;
    admin.note(&operator, "blocked", &host);
    Ok(done())
}

async fn unblock(
    State(admin): State<Admin>,
    Extension(Operator(operator)): Extension<Operator>,
    Path(origin): Path<String>,
) -> Answer {
    let host = host_of(&server_name(origin)?);
    admin.unblock(host.clone()).await?;
    admin.note(&operator, "unblocked", &host);
    Ok(done())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, MatrixError> {
    read_object(body).map_err(|error| MatrixError::bad_json(error.to_string()))
}

fn done() -> Response {
    json_answer(&serde_json::json!({}))
}

fn server_name(text: String) -> Result<OwnedServerName, MatrixError> {
    ServerName::parse(text).map_err(|error| MatrixError::invalid_param(error.to_string()))
}
