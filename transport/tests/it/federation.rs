//! Signed calls between two servers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{FromRef, State},
    response::Response,
    routing,
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use ruma::{
    OwnedServerName, ServerName, UInt,
    api::federation::{
        authentication::{XMatrix, XMatrixSigningInput},
        transactions::send_transaction_message::v1 as send,
    },
};
use transport::{
    Database, Host, MatrixError,
    endpoints::{
        Endpoint,
        m1::{Decide, Decision, DecisionBody, Empty, GetOutcome},
        relay::{RelayTxn, RelayTxnRequest, RelayTxnResponse},
    },
    federation::{
        Authenticated, CallError, Federation, Identity, KeyRing, Signed, SignedBytes, address_of,
        json_answer, ruma_answer,
    },
    http::{Client, ClientLimits, ServerLimits, serve},
};

use crate::machines::World;

pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// A server with three signed endpoints, which write down whom they heard what from.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) database: Database,
    pub(crate) http: Client,
    pub(crate) identity: Identity,
    pub(crate) keys: KeyRing,
    pub(crate) federation: Federation,
    heard: Heard,
}

type Heard = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Answering {
    authenticated: Authenticated,
    heard: Heard,
}

impl FromRef<Answering> for Authenticated {
    fn from_ref(answering: &Answering) -> Self {
        answering.authenticated.clone()
    }
}

impl FromRef<Answering> for Heard {
    fn from_ref(answering: &Answering) -> Self {
        Self::clone(&answering.heard)
    }
}

pub(crate) fn name(name: &str) -> OwnedServerName {
    ServerName::parse(name).expect("a test's server name is one")
}

impl Node {
    pub(crate) async fn start(world: &World, server_name: &str) -> Self {
        let host = world.machine(server_name);
        let database = host.open("node").await.expect("memory is there");
        let identity = Identity::open(&host, &database, name(server_name)).await.expect("a key");
        let http = Client::new(&host, ClientLimits::default());
        let keys = KeyRing::open(&host, &database, http.clone(), identity.clone()).await;
        let keys = keys.expect("the tables are made");
        let federation = Federation::new(identity.clone(), http.clone());
        let heard = Heard::default();
        let node = Self { host, database, http, identity, keys, federation, heard };
        let router = KeyRing::routes().with_state(node.keys.clone()).merge(node.router());
        serve(&node.host, 8448, router, ServerLimits::default()).await.expect("a free port");
        node
    }

    fn router(&self) -> Router {
        let heard = Arc::clone(&self.heard);
        let authenticated = Authenticated {
            identity: self.identity.clone(),
            keys: self.keys.clone(),
            heard_from: Arc::new(move |origin| note(&heard, format!("signed by {origin}"))),
            rates: None,
        };
        Router::new()
            .route("/_matrix/federation/v1/send/{transaction_id}", routing::put(answer_send))
            .route(RelayTxn::PATH, routing::get(answer_relay_txn))
            .route(Decide::PATH, routing::put(answer_decide))
            .with_state(Answering { authenticated, heard: Arc::clone(&self.heard) })
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().expect("no test panics in here"))
    }
}

fn note(heard: &Heard, what: String) {
    heard.lock().expect("no test panics in here").push(what);
}

async fn answer_send(
    State(heard): State<Heard>,
    Signed { origin, request }: Signed<send::Request>,
) -> Response {
    note(&heard, format!("{} from {origin}", request.transaction_id));
    ruma_answer(send::Response::new(std::collections::BTreeMap::new()))
}

async fn answer_relay_txn(
    State(heard): State<Heard>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let body: RelayTxnRequest = request.json()?;
    note(&heard, format!("{:?} {} from {}", request.path_arguments, body.entry_id, request.origin));
    Ok(json_answer(&RelayTxnResponse::default()))
}

async fn answer_decide(State(heard): State<Heard>, request: SignedBytes) -> Response {
    note(&heard, format!("{:?}", request.path_arguments));
    json_answer(&Empty {})
}

fn transaction() -> send::Request {
    let at = ruma::MilliSecondsSinceUnixEpoch(UInt::from(1_u32));
    send::Request::new("t1".into(), name("a.example"), at)
}

/// A transaction's request, signed by `signer` for `destination`.
fn signed_for(signer: &Identity, destination: &str) -> Request<Bytes> {
    let mut request = Request::put("/_matrix/federation/v1/send/t1")
        .body(Bytes::from_static(br#"{"origin":"a.example","origin_server_ts":1,"pdus":[]}"#))
        .expect("this is a request");
    let origin = signer.server_name.clone();
    let input = XMatrixSigningInput::new(origin, name(destination), &signer.key_pair);
    let signature = XMatrix::sign_http_request(&request, input).expect("the body is JSON");
    request.headers_mut().insert(header::AUTHORIZATION, (&signature).into());
    request
}

/// What `to` answers to `request`: a status, and a Matrix error code or nothing.
async fn answer(from: &Node, to: &str, request: Request<Bytes>) -> (StatusCode, String) {
    let answer = from.http.send(&address_of(&name(to)), request, DEADLINE).await;
    let answer = answer.expect("the server is up");
    let error = MatrixError::from_answer(answer.status(), answer.body());
    (answer.status(), error.errcode)
}

fn unauthorized() -> (StatusCode, String) {
    (StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED".to_owned())
}

async fn pair() -> (World, Node, Node) {
    let world = World::default();
    let a = Node::start(&world, "a.example").await;
    let b = Node::start(&world, "b.example").await;
    (world, a, b)
}

#[tokio::test(start_paused = true)]
async fn a_typed_call_arrives_in_its_senders_name() {
    let (_world, a, b) = pair().await;
    a.federation.call(&name("b.example"), transaction(), DEADLINE).await.unwrap();
    assert_eq!(b.heard(), ["signed by a.example", "t1 from a.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_get_with_a_body_arrives() {
    let (_world, a, b) = pair().await;
    let request = RelayTxnRequest { entry_id: 7 };
    let answer = a
        .federation
        .call_endpoint::<RelayTxn>(&name("b.example"), &["@user:b.example"], &request, DEADLINE)
        .await
        .unwrap();
    assert!(!answer.entries_queued);
    assert_eq!(b.heard()[1], r#"["@user:b.example"] 7 from a.example"#);
}

#[tokio::test(start_paused = true)]
async fn path_arguments_of_any_spelling_arrive() {
    let (_world, a, b) = pair().await;
    let arguments = ["!a/b%2F ?#:x", "$+ø=.~"];
    let body = DecisionBody { decision: Decision::Commit };
    let b_name = name("b.example");
    a.federation.call_endpoint::<Decide>(&b_name, &arguments, &body, DEADLINE).await.unwrap();
    assert_eq!(b.heard()[1], format!("{arguments:?}"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_value() {
    let (_world, a, _b) = pair().await;
    let b_name = name("b.example");
    let call =
        a.federation.call_endpoint::<GetOutcome>(&b_name, &["!r", "$e"], &Empty {}, DEADLINE);
    let error = call.await.unwrap_err();
    assert!(error.surely_not_done());
    assert!(matches!(error, CallError::Refused(error) if error.errcode == "M_UNRECOGNIZED"));
}

#[test]
fn a_limit_says_nothing_of_an_earlier_attempt_of_the_same_request() {
    let refused = |status| CallError::Refused(MatrixError::new(status, "M_UNKNOWN", "no"));
    assert!(refused(StatusCode::FORBIDDEN).surely_not_done());
    assert!(!refused(StatusCode::TOO_MANY_REQUESTS).surely_not_done());
    assert!(!refused(StatusCode::BAD_GATEWAY).surely_not_done());
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_request_is_refused() {
    let (_world, a, b) = pair().await;
    let mut request = signed_for(&a.identity, "b.example");
    request.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(answer(&a, "b.example", request).await, unauthorized());
    assert_eq!(b.heard(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_another_destination_is_refused() {
    let (_world, a, b) = pair().await;
    let request = signed_for(&a.identity, "c.example");
    assert_eq!(answer(&a, "b.example", request).await, unauthorized());
    assert_eq!(b.heard(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_signed_with_another_key_is_refused() {
    let (_world, a, b) = pair().await;
    let version = a.identity.key_pair.version().to_owned();
    let forger = Identity::from_seed(name("a.example"), &[9; 32], version);
    let request = signed_for(&forger, "b.example");
    assert_eq!(answer(&a, "b.example", request).await, unauthorized());
    assert_eq!(b.heard(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_body_is_refused() {
    let (_world, a, b) = pair().await;
    let mut request = signed_for(&a.identity, "b.example");
    *request.body_mut() = Bytes::from_static(b"{}");
    assert_eq!(answer(&a, "b.example", request).await, unauthorized());
    assert_eq!(b.heard(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_json_is_refused() {
    let (_world, a, _b) = pair().await;
    let mut request = signed_for(&a.identity, "b.example");
    *request.body_mut() = Bytes::from_static(b"{");
    let not_json = (StatusCode::BAD_REQUEST, "M_NOT_JSON".to_owned());
    assert_eq!(answer(&a, "b.example", request).await, not_json);
}

#[tokio::test(start_paused = true)]
async fn an_identity_survives_a_restart() {
    let world = World::default();
    let host = world.machine("a.example");
    let database = host.open("node").await.unwrap();
    let first = Identity::open(&host, &database, name("a.example")).await.unwrap();
    let second = Identity::open(&host, &database, name("a.example")).await.unwrap();
    assert_eq!(first.key_pair.public_key(), second.key_pair.public_key());
    assert_eq!(first.key_id(), second.key_id());
}
