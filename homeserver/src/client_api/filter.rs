//! `/user/{userId}/filter`: filters are kept as they came, if they are filters.

use axum::Json;
use ruma::{OwnedUserId, UserId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id},
};
use crate::{
    messaging::filter::{self, Filter},
    store::filters::{self, MAX_PER_USER},
};

/// `POST /_matrix/client/v3/user/{userId}/filter`.
pub(super) async fn store(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(user): PathOf<String>,
    BodyOf(filter): BodyOf<serde_json::Map<String, Value>>,
) -> Result<Json<Value>, MatrixError> {
    ensure_self(&device.user_id, &user)?;
    let filter = Value::Object(filter).to_string();
    filter::parse::<Filter>(&filter).map_err(MatrixError::bad_json)?;
    let keep = api.core.database.transaction(move |tx| filters::keep(tx, &device.user_id, &filter));
    let number = keep.await?;
    match number {
        Some(number) => Ok(Json(json!({ "filter_id": number.to_string() }))),
        None => {
            Err(MatrixError::invalid_param(format!("the user already has {MAX_PER_USER} filters")))
        }
    }
}

/// `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`.
pub(super) async fn load(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((user, filter_id)): PathOf<(String, String)>,
) -> Result<Json<Value>, MatrixError> {
    ensure_self(&device.user_id, &user)?;
    let filter = find(&api, &device.user_id, &filter_id).await?;
    let filter = serde_json::from_str(&filter);
    filter.map(Json).map_err(|error| MatrixError::internal(error.to_string()))
}

/// Reads a filter of a query: what is malformed is refused with its place.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, MatrixError> {
    filter::parse(text).map_err(MatrixError::invalid_param)
}

/// Returns the filter that `user` stored under `filter_id`, which is JSON.
pub(super) async fn find(
    api: &ClientApi,
    user: &UserId,
    filter_id: &str,
) -> Result<String, MatrixError> {
    let unknown = || MatrixError::not_found("there is no such filter");
    let number: i64 = filter_id.parse().map_err(|_| unknown())?;
    let user = user.to_owned();
    let found = api.core.database.call(move |db| filters::find(db, &user, number)).await?;
    found.ok_or_else(unknown)
}

fn ensure_self(user: &UserId, named: &str) -> Result<(), MatrixError> {
    if id::<OwnedUserId>(named)? == user {
        Ok(())
    } else {
        Err(MatrixError::forbidden("only their own user may use filters"))
    }
}
