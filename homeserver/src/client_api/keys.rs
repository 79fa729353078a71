//! `/keys`: uploading, asking for and claiming keys, cross-signing, and whose devices changed.

use std::{collections::BTreeMap, time::Duration};

use axum::Json;
use ruma::OwnedUserId;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    attempts::AddressOf,
    extract::{BodyOf, Caller, QueryOf},
    interactive::{self, Auth},
    token::Token,
};
use crate::{
    messaging::keys::{KeysError, Upload, Wanted, WantedOneTime},
    store::device_keys::Usage,
};

/// Users that one request asks about.
const MAX_USERS: usize = 10_000;

/// How long other servers are waited for when the client does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub(super) struct UploadRequest {
    #[serde(rename = "device_keys")]
    device: Option<Value>,
    #[serde(default, rename = "one_time_keys")]
    one_time: BTreeMap<String, Value>,
    #[serde(default, rename = "fallback_keys", alias = "org.matrix.msc2732.fallback_keys")]
    fallback: BTreeMap<String, Value>,
}

/// `POST /_matrix/client/v3/keys/upload`: all of it is durable when this answers.
pub(super) async fn upload(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<UploadRequest>,
) -> Result<Json<Value>, MatrixError> {
    let UploadRequest { device: of_device, one_time, fallback } = body;
    let upload = Upload { of_device, one_time, fallback };
    let keys = api.messaging.keys.clone();
    let mut counts = api.finish(async move { keys.upload(device, upload).await }).await?;
    counts.entry("signed_curve25519".to_owned()).or_insert(0);
    Ok(Json(json!({ "one_time_key_counts": counts })))
}

#[derive(Deserialize)]
pub(super) struct QueryRequest {
    device_keys: Wanted,
    /// Milliseconds.
    timeout: Option<u64>,
}

/// `POST /_matrix/client/v3/keys/query`.
pub(super) async fn query(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<QueryRequest>,
) -> Result<Json<Value>, MatrixError> {
    must_be_few(body.device_keys.len())?;
    let patience = patience(body.timeout);
    Ok(Json(api.messaging.keys.query(device.user_id, body.device_keys, patience).await?))
}

#[derive(Deserialize)]
pub(super) struct ClaimRequest {
    one_time_keys: WantedOneTime,
    /// Milliseconds.
    timeout: Option<u64>,
}

/// `POST /_matrix/client/v3/keys/claim`.
pub(super) async fn claim(
    api: ClientApi,
    Caller(_): Caller,
    BodyOf(body): BodyOf<ClaimRequest>,
) -> Result<Json<Value>, MatrixError> {
    must_be_few(body.one_time_keys.len())?;
    let (keys, patience) = (api.messaging.keys.clone(), patience(body.timeout));
    let claim = async move { keys.claim(body.one_time_keys, patience).await };
    let (claimed, failures) = api.finish(claim).await?;
    Ok(Json(json!({ "one_time_keys": claimed, "failures": failures })))
}

#[derive(Deserialize)]
pub(super) struct ChangesQuery {
    from: String,
    to: String,
}

/// `GET /_matrix/client/v3/keys/changes?from=&to=`.
pub(super) async fn changes(
    api: ClientApi,
    Caller(device): Caller,
    QueryOf(query): QueryOf<ChangesQuery>,
) -> Result<Json<Value>, MatrixError> {
    let (from, to) = (Token::parse(&query.from)?.beside, Token::parse(&query.to)?.beside);
    let changed = api.messaging.keys.changed(device.user_id, from.side, to.side).await?;
    Ok(Json(json!({ "changed": changed, "left": [] })))
}

#[derive(Deserialize)]
pub(super) struct CrossSigningRequest {
    #[serde(rename = "master_key")]
    master: Option<Value>,
    #[serde(rename = "self_signing_key")]
    self_signing: Option<Value>,
    #[serde(rename = "user_signing_key")]
    user_signing: Option<Value>,
    auth: Option<Auth>,
}

/// `POST /_matrix/client/v3/keys/device_signing/upload`. Whoever replaces keys gives the password.
pub(super) async fn upload_cross_signing(
    api: ClientApi,
    Caller(device): Caller,
    AddressOf(address): AddressOf,
    BodyOf(body): BodyOf<CrossSigningRequest>,
) -> Result<interactive::Answer, MatrixError> {
    let named = [
        (Usage::Master, body.master),
        (Usage::SelfSigning, body.self_signing),
        (Usage::UserSigning, body.user_signing),
    ];
    let keys: Vec<_> = named.into_iter().filter_map(|(usage, key)| Some((usage, key?))).collect();
    let user = device.user_id;
    if api.messaging.keys.replaces(user.clone(), keys.clone()).await?
        && let Some(question) = interactive::ask(&api, &user, body.auth, address).await?
    {
        return Ok(question);
    }
    let of_server = api.messaging.keys.clone();
    api.finish(async move { of_server.upload_cross_signing(user, keys).await }).await?;
    Ok(interactive::done(json!({})))
}

/// `POST /_matrix/client/v3/keys/signatures/upload`.
pub(super) async fn upload_signatures(
    api: ClientApi,
    Caller(device): Caller,
    BodyOf(body): BodyOf<BTreeMap<OwnedUserId, BTreeMap<String, Value>>>,
) -> Result<Json<Value>, MatrixError> {
    let keys = api.messaging.keys.clone();
    let upload = async move { keys.upload_signatures(device.user_id, body).await };
    Ok(Json(json!({ "failures": api.finish(upload).await? })))
}

fn patience(milliseconds: Option<u64>) -> Duration {
    milliseconds.map_or(DEFAULT_PATIENCE, Duration::from_millis)
}

fn must_be_few(users: usize) -> Result<(), MatrixError> {
    if users > MAX_USERS {
        return Err(MatrixError::invalid_param("too many users"));
    }
    Ok(())
}

impl From<KeysError> for MatrixError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Invalid(message) => Self::invalid_param(message),
            KeysError::Store(error) => error.into(),
        }
    }
}
