//! `/user/{userId}/filter`: filters are kept as they came; sync honors the timeline's limit in them.

use axum::{Json, extract::State};
use ruma::{OwnedUserId, UserId};
use rusqlite::OptionalExtension;
use serde_json::{Value, json};
use transport::{DatabaseError, MatrixError};

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};

/// Filters of one user; the same filter again is the same one.
const MAX_FILTERS: i64 = 100;

/// Bytes of a filter.
const MAX_FILTER: usize = 16 << 10;

/// `POST /_matrix/client/v3/user/{userId}/filter`.
pub(super) async fn store(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf(user): PathOf<String>,
    BodyOf(filter): BodyOf<serde_json::Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    ensure_self(&device.user_id, &user)?;
    let filter = Value::Object(filter).to_string();
    if filter.len() > MAX_FILTER {
        return Err(MatrixError::invalid_param("the filter is too long"));
    }
    let number: Option<i64> = api
        .core
        .database
        .transaction(move |tx| keep(tx, &device.user_id, &filter).map_err(DatabaseError::from))
        .await?;
    match number {
        Some(number) => Ok(Json(json!({ "filter_id": number.to_string() }))),
        None => Err(MatrixError::invalid_param(format!("there are {MAX_FILTERS} filters already"))),
    }
}

/// `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`.
pub(super) async fn load(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf((user, filter_id)): PathOf<(String, String)>,
) -> Result<Json<Value>, MatrixError> {
    ensure_self(&device.user_id, &user)?;
    find(&api, &device.user_id, &filter_id).await.map(Json)
}

/// The filter that `user` stored under `filter_id`.
pub(super) async fn find(
    api: &ClientApi,
    user: &UserId,
    filter_id: &str,
) -> Result<Value, MatrixError> {
    let unknown = || MatrixError::not_found("there is no such filter");
    let number: i64 = filter_id.parse().map_err(|_| unknown())?;
    let user = user.to_owned();
    let found: Option<String> = api
        .core
        .database
        .call(move |connection| {
            connection
                .prepare_cached("SELECT filter FROM filters WHERE user_id = ?1 AND filter_id = ?2")?
                .query_row((user.as_str(), number), |row| row.get(0))
                .optional()
                .map_err(DatabaseError::from)
        })
        .await?;
    let filter = found.ok_or_else(unknown)?;
    serde_json::from_str(&filter).map_err(|error| MatrixError::internal(error.to_string()))
}

fn keep(
    tx: &transport::Transaction<'_>,
    user: &UserId,
    filter: &str,
) -> rusqlite::Result<Option<i64>> {
    let known = tx
        .query_row(
            "SELECT filter_id FROM filters WHERE user_id = ?1 AND filter = ?2",
            (user.as_str(), filter),
            |row| row.get(0),
        )
        .optional()?;
    if known.is_some() {
        return Ok(known);
    }
    let count: i64 =
        tx.query_row("SELECT COUNT(*) FROM filters WHERE user_id = ?1", [user.as_str()], |row| {
            row.get(0)
        })?;
    if count >= MAX_FILTERS {
        return Ok(None);
    }
    tx.execute(
        "INSERT INTO filters (user_id, filter_id, filter) VALUES (?1, ?2, ?3)",
        (user.as_str(), count, filter),
    )?;
    Ok(Some(count))
}

fn ensure_self(user: &UserId, named: &str) -> Result<(), MatrixError> {
    if id::<OwnedUserId>(named)? == user {
        Ok(())
    } else {
        Err(MatrixError::forbidden("filters are their user's alone"))
    }
}
