//! `X-Matrix` as Dendrite writes and reads it: two requests, recorded from its library.

use std::sync::Arc;

use axum::{Router, body::Body, routing};
use http::{Request, StatusCode, header};
use ruma::api::federation::authentication::{XMatrix, XMatrixSigningInput};
use tower_service::Service;
use transport::{
    DatabaseError,
    endpoints::{
        Endpoint,
        relay::{RelayTxn, SendRelay},
    },
    federation::{Authenticated, Identity, SignedBytes, json_answer},
};

use crate::{
    federation::{Node, name},
    machines::World,
};

const A: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
const B: &str = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
const R: &str = "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1";
const VERSION: &str = "dendrite-demo-yggdrasil";
const SEND_SIGNATURE: &str =
    "a+V/0U2TJIM1S9u54qmZ4utup6SdlCKh1XvVZlEE8na28y/EBFvLBGcuO7ULFiiLZ2fF26hCaBvf4M5haLB4Ag";
const RELAY_SIGNATURE: &str =
    "BGbvHZnp1oJRNKUAGWVxlQ5eTuXn+f5WE28BEN6Qy5bBjP2slawnpzC8mMLigqxi2gsAlwC3y5hqEDI685XHCg";

fn send_relay() -> Request<String> {
    let body = format!(
        r#"{{"edus":[{{"content":{{"room_id":"!r:x","typing":true,"user_id":"@u:x"}},"edu_type":"m.typing","origin":""}}],"origin":"{A}","origin_server_ts":1700000000000,"pdus":[{{"a":"<b>","z":1}}]}}"#
    );
    Request::put(format!("/_matrix/federation/v1/send_relay/1700000000000-0/@user:{B}"))
        .header(header::AUTHORIZATION, authorization(A, SEND_SIGNATURE))
        .body(body)
        .expect("this is a request")
}

fn relay_txn() -> Request<String> {
    Request::get(format!("/_matrix/federation/v1/relay_txn/@user:{B}"))
        .header(header::AUTHORIZATION, authorization(B, RELAY_SIGNATURE))
        .body(r#"{"entry_id":1}"#.to_owned())
        .expect("this is a request")
}

fn authorization(origin: &str, signature: &str) -> String {
    format!(
        r#"X-Matrix origin="{origin}",key="ed25519:{VERSION}",sig="{signature}",destination="{R}""#
    )
}

fn identity(server_name: &str, seed: u8) -> Identity {
    Identity::from_seed(name(server_name), &[seed; 32], VERSION.to_owned())
}

/// The relay R, which knows the keys of A and B.
async fn relay() -> Router {
    let node = Node::start(&World::default(), R).await;
    let known = [identity(A, 1), identity(B, 2)];
    let insert = move |transaction: &transport::Transaction<'_>| {
        for server in &known {
            transaction.execute(
                "INSERT INTO server_keys VALUES (?1, ?2, ?3, ?4)",
                (
                    server.server_name.as_str(),
                    server.key_id(),
                    server.key_pair.public_key(),
                    i64::MAX,
                ),
            )?;
        }
        Ok::<_, DatabaseError>(())
    };
    node.database.transaction(insert).await.expect("the table is there");
    let heard_from = Arc::new(|_: &ruma::ServerName| {});
    let state = Authenticated { identity: node.identity, keys: node.keys, heard_from, rates: None };
    let answer = async |request: SignedBytes| json_answer(&request.path_arguments);
    Router::new()
        .route(SendRelay::PATH, routing::put(answer))
        .route(RelayTxn::PATH, routing::get(answer))
        .with_state(state)
}

async fn status(request: Request<String>) -> StatusCode {
    let answer = relay().await.call(request.map(Body::from)).await;
    answer.expect("a router always answers").status()
}

#[tokio::test(start_paused = true)]
async fn both_requests_are_accepted() {
    assert_eq!(status(send_relay()).await, StatusCode::OK);
    assert_eq!(status(relay_txn()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_changed_body_is_refused() {
    let changed = relay_txn().map(|body| body.replace('1', "2"));
    assert_eq!(status(changed).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn another_spelling_of_the_same_path_is_refused() {
    let mut request = relay_txn();
    let spelled = request.uri().to_string().replace('@', "%40");
    *request.uri_mut() = spelled.parse().unwrap();
    assert_eq!(status(request).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_missing_destination_is_ours() {
    let mut request = relay_txn();
    let header = authorization(B, RELAY_SIGNATURE).split(",destination").next().unwrap().to_owned();
    request.headers_mut().insert(header::AUTHORIZATION, header.parse().unwrap());
    assert_eq!(status(request).await, StatusCode::OK);
}

#[test]
fn our_signatures_are_dendrites() {
    let signed = |request: &Request<String>, by: &Identity| {
        let input = XMatrixSigningInput::new(by.server_name.clone(), name(R), &by.key_pair);
        XMatrix::sign_http_request(request, input).unwrap().sig.encode()
    };
    assert_eq!(signed(&send_relay(), &identity(A, 1)), SEND_SIGNATURE);
    assert_eq!(signed(&relay_txn(), &identity(B, 2)), RELAY_SIGNATURE);
}
