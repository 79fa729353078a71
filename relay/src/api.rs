//! The routes of the relay. HTTP statuses are known here only.

pub(crate) mod admin;
mod answer;

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{FromRef, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};
use http::{HeaderName, HeaderValue, Method, header};
use ruma::ServerName;
use transport::{
    MatrixError,
    bounds::MAX_CARRIED_DEPTH,
    endpoints::{
        Endpoint,
        relay::{RelayTxn, SendRelay, TAKE, Take},
    },
    federation::{Authenticated, KeyRing, SignedBytes, json_answer},
    http::{AnswerRoom, TakenRoom},
};

use self::answer::refused;
use crate::{
    events::Events,
    forwarder::Forwarder,
    refusal::Refusal,
    retriever::{MAX_BYTES, MAX_ENTRIES, Retriever},
};

const VERSION_PATH: &str = "/_matrix/federation/v1/version";

/// What the routes stand on.
pub(crate) struct Services {
    pub(crate) authenticated: Authenticated,
    pub(crate) forwarder: Forwarder,
    pub(crate) retriever: Retriever,
    pub(crate) events: Events,
}

/// A request to the relay, whatever levels and numbers its body has: it is carried, not understood.
type Carried = SignedBytes<MAX_CARRIED_DEPTH>;

/// What the handlers share. One reference, since every route has it and every request clones it.
#[derive(Clone)]
struct Api(Arc<ApiFields>);

struct ApiFields {
    authenticated: Authenticated,
    forwarder: Forwarder,
    retriever: Retriever,
    events: Events,
}

impl ApiFields {
    fn refused(&self, refusal: Refusal, origin: &ServerName) -> Response {
        self.events.refused(&refusal, origin);
        refused(refusal)
    }
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

/// Returns all routes for servers.
pub(crate) fn router(services: Services) -> Router {
    let Services { authenticated, forwarder, retriever, events } = services;
    let fields = ApiFields { authenticated, forwarder, retriever, events };
    ROUTES.clone().with_state(Api(Arc::new(fields)))
}

/// The routes without a relay behind them, sorted by their paths once a process.
static ROUTES: LazyLock<Router<Api>> = LazyLock::new(|| {
    Router::new()
        .route(SendRelay::PATH, put(send_relay))
        .route(RelayTxn::PATH, get(relay_txn))
        .route(Take::PATH, post(take))
        .route(VERSION_PATH, get(version))
        .merge(KeyRing::routes())
        .layer(middleware::from_fn(as_dendrite_answers))
});

/// What every answer has, as Dendrite's have it.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Origin, X-Requested-With, Content-Type, Accept, Authorization"),
    ),
];

/// Answers `OPTIONS` to anybody, and adds what every answer has.
async fn as_dendrite_answers(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        json_answer(&serde_json::json!({}))
    } else {
        next.run(request).await
    };
    response.headers_mut().extend(HEADERS);
    response
}

/// Answers `null`: Dendrite takes an empty body for a failure.
async fn send_relay(State(api): State<Api>, call: Carried) -> Response {
    let [transaction_id, user_id] = call.path_arguments.as_slice() else {
        unreachable!("the route has two braces");
    };
    let origin = call.origin.clone();
    match api.forwarder.send_relay(origin, transaction_id, user_id, &call.body).await {
        Ok(()) => json_answer(&()),
        Err(refusal) => api.refused(refusal, &call.origin),
    }
}

async fn relay_txn(State(api): State<Api>, room: AnswerRoom, call: Carried) -> Response {
    let [user_id] = call.path_arguments.as_slice() else {
        unreachable!("the route has one brace");
    };
    match api.retriever.relay_txn(call.origin.clone(), user_id, &call.body, &room).await {
        Ok((answer, room)) => in_room(room, json_answer(&answer)),
        Err(refusal) => api.refused(refusal, &call.origin),
    }
}

async fn take(State(api): State<Api>, room: AnswerRoom, call: Carried) -> Response {
    let [user_id] = call.path_arguments.as_slice() else {
        unreachable!("the route has one brace");
    };
    match api.retriever.take(call.origin.clone(), user_id, &call.body, &room).await {
        Ok((answer, room)) => in_room(room, json_answer(&answer)),
        Err(refusal) => api.refused(refusal, &call.origin),
    }
}

fn in_room(room: Option<TakenRoom>, answer: Response) -> Response {
    match room {
        Some(room) => room.keep(answer),
        None => answer,
    }
}

async fn version() -> Result<Response, MatrixError> {
    Ok(json_answer(&serde_json::json!({
        "server": { "name": "fedsim-relay", "version": env!("CARGO_PKG_VERSION") },
        TAKE: { "max_entries": MAX_ENTRIES, "max_bytes": MAX_BYTES },
    })))
}
