//! Keys of this server's users, for other servers: `user/devices`, `user/keys/query` and
//! `user/keys/claim` of `/_matrix/federation/v1`.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use ruma::{
    OwnedUserId,
    api::federation::{
        device::get_devices::v1 as get_devices,
        keys::{claim_keys::v1 as claim_keys, get_keys::v1 as get_keys},
    },
};
use serde_json::json;
use transport::{
    MatrixError,
    federation::{Signed, json_answer},
};

use super::FederationApi;

/// Users that one request asks about.
const MAX_USERS: usize = 10_000;

/// Answers with a user's devices and their keys.
pub(super) async fn devices(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<get_devices::Request>,
) -> Result<Response, MatrixError> {
    must_be_local(&api, &request.user_id)?;
    Ok(json_answer(&api.messaging.keys.device_list(request.user_id).await?))
}

/// Answers with keys of devices and users.
pub(super) async fn query(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<get_keys::Request>,
) -> Result<Response, MatrixError> {
    let wanted = request.device_keys;
    must_be_few(wanted.len())?;
    wanted.keys().try_for_each(|user| must_be_local(&api, user))?;
    Ok(json_answer(&api.messaging.keys.query_here(None, wanted).await?))
}

/// Hands one-time keys out, each once.
pub(super) async fn claim(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<claim_keys::Request>,
) -> Result<Response, MatrixError> {
    must_be_few(request.one_time_keys.len())?;
    request.one_time_keys.keys().try_for_each(|user| must_be_local(&api, user))?;
    let wanted = request.one_time_keys.into_iter().map(|(user, devices)| {
        let named = devices.into_iter().map(|(id, algorithm)| (id, algorithm.to_string()));
        (user, named.collect::<BTreeMap<_, _>>())
    });
    let (wanted, keys) = (wanted.collect(), api.messaging.keys.clone());
    let claimed = api.finish(async move { keys.claim_here(wanted).await }).await?;
    Ok(json_answer(&json!({ "one_time_keys": claimed })))
}

fn must_be_few(users: usize) -> Result<(), MatrixError> {
    if users > MAX_USERS {
        return Err(MatrixError::invalid_param("too many users"));
    }
    Ok(())
}

fn must_be_local(api: &FederationApi, user: &OwnedUserId) -> Result<(), MatrixError> {
    if api.rooms().core().is_local(user) {
        return Ok(());
    }
    Err(MatrixError::invalid_param(format!("{user} is not a user of this server")))
}
