//! `GET /_matrix/federation/v1/version` and `GET /_matrix/federation/v1/query/profile`

use axum::{extract::State, response::Response};
use ruma::api::federation::query::get_profile_information::v1::Request;
use serde_json::{Value, json};
use transport::{
    MatrixError,
    federation::{Signed, json_answer},
};

use super::FederationApi;
use crate::edge::shown_profile;

/// Answers which program this is.
pub(super) async fn version() -> Response {
    json_answer(&json!({
        "server": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }
    }))
}

/// Answers with the profile of one of this server's users.
pub(super) async fn profile(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<Request>,
) -> Result<Response, MatrixError> {
    let user = request.user_id;
    if !api.rooms().core().is_local(&user) {
        return Err(MatrixError::not_found(format!("{user} is not a user of this server")));
    }
    let profile = api.messaging.accounts.profile(&user).await?;
    let profile =
        profile.ok_or_else(|| MatrixError::not_found(format!("there is no user {user}")))?;
    let mut profile = shown_profile(&profile);
    if let (Some(field), Value::Object(fields)) = (request.field, &mut profile) {
        fields.retain(|name, _| name == field.as_str());
    }
    Ok(json_answer(&profile))
}
