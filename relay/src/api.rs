//! The routes of the relay. HTTP statuses are known here only.

mod admin;
mod answer;

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{FromRef, State},
    response::Response,
    routing::{get, put},
};
use transport::{
    MatrixError,
    endpoints::{
        Endpoint,
        relay::{RelayTxn, SendRelay},
    },
    federation::{Authenticated, KeyRing, SignedBytes, json_answer},
};

use self::answer::refused;
use crate::{admin::Admin, forwarder::Forwarder, retriever::Retriever};

const VERSION_PATH: &str = "/_matrix/federation/v1/version";

/// What the routes stand on.
pub(crate) struct Services {
    pub(crate) authenticated: Authenticated,
    pub(crate) forwarder: Forwarder,
    pub(crate) retriever: Retriever,
    /// The admin API and its bearer token, if it is on.
    pub(crate) admin: Option<(Admin, String)>,
}

/// What the handlers share. One reference, since every route has it and every request clones it.
#[derive(Clone)]
struct Api(Arc<ApiFields>);

struct ApiFields {
    authenticated: Authenticated,
    forwarder: Forwarder,
    retriever: Retriever,
}

impl Deref for Api {
    type Target = ApiFields;

    fn deref(&self) -> &ApiFields {
        &self.0
    }
}

impl FromRef<Api> for Authenticated {
    fn from_ref(api: &Api) -> Self {
        api.authenticated.clone()
    }
}

impl FromRef<Api> for KeyRing {
    fn from_ref(api: &Api) -> Self {
        api.authenticated.keys.clone()
    }
}

/// Returns all routes.
pub(crate) fn router(services: Services) -> Router {
    let Services { authenticated, forwarder, retriever, admin } = services;
    let router =
        ROUTES.clone().with_state(Api(Arc::new(ApiFields { authenticated, forwarder, retriever })));
    match admin {
        Some((admin, token)) => router.merge(admin::router(admin, &token)),
        None => router,
    }
}

/// The routes without a relay behind them, sorted by their paths once a process.
static ROUTES: LazyLock<Router<Api>> = LazyLock::new(|| {
    Router::new()
        .route(SendRelay::PATH, put(send_relay))
        .route(RelayTxn::PATH, get(relay_txn))
        .route(VERSION_PATH, get(version))
        .merge(KeyRing::routes())
});

/// Answers `null`: Dendrite takes an empty body for a failure.
async fn send_relay(State(api): State<Api>, call: SignedBytes) -> Response {
    let [transaction_id, user_id] = call.path_arguments.as_slice() else {
        unreachable!("the route has two braces");
    };
    match api.forwarder.send_relay(call.origin, transaction_id, user_id, &call.body).await {
        Ok(()) => json_answer(&()),
        Err(refusal) => refused(refusal),
    }
}

async fn relay_txn(State(api): State<Api>, call: SignedBytes) -> Response {
    let [user_id] = call.path_arguments.as_slice() else {
        unreachable!("the route has one brace");
    };
    match api.retriever.relay_txn(call.origin, user_id, &call.body).await {
        Ok(answer) => json_answer(&answer),
        Err(refusal) => refused(refusal),
    }
}

async fn version() -> Result<Response, MatrixError> {
    Ok(json_answer(&serde_json::json!({
        "server": { "name": "fedsim-relay", "version": env!("CARGO_PKG_VERSION") }
    })))
}
