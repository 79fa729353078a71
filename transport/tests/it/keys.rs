//! Other servers' keys: fetched, checked, stored, and valid for a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Response, routing};
use futures_util::{StreamExt, future::join_all, stream};
use http::header;
use ruma::CanonicalJsonObject;
use serde_json::{Value, json};
use transport::{
    Host,
    federation::{Identity, KeyError, KeyRing},
    http::{ServerLimits, serve},
};

use crate::{
    federation::{Node, name},
    machines::{START_MS, World},
};

const DAY: Duration = Duration::from_hours(24);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes of a document that is too large, and of what its server writes of it at once.
const LARGE: usize = 31 << 20;
const CHUNK: usize = 4 << 10;

/// Serves `document` as the keys of the machine; counts the fetches.
async fn publish(machine: &Host, document: Value) -> Arc<AtomicUsize> {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetches);
    let answer = async move || {
        counter.fetch_add(1, Ordering::Relaxed);
        axum::Json(document)
    };
    let router = Router::new().route("/_matrix/key/v2/server", routing::get(answer));
    serve(machine, 8448, router, ServerLimits::default()).await.expect("the port is free");
    fetches
}

fn x() -> Identity {
    Identity::from_seed(name("x.example"), &[1; 32], "one".to_owned())
}

/// A key document, signed by x.example.
fn document(server_name: &str, valid_until_ms: u64, old: &Value) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let key = STANDARD_NO_PAD.encode(x().key_pair.public_key());
    let document = json!({
        "server_name": server_name,
        "valid_until_ts": valid_until_ms,
        "verify_keys": { "ed25519:one": { "key": key } },
        "old_verify_keys": old,
    });
    let mut object: CanonicalJsonObject = serde_json::from_value(document).expect("canonical");
    ruma::signatures::sign_json(server_name, &*x().key_pair, &mut object).expect("an object");
    serde_json::to_value(object).expect("canonical JSON is JSON")
}

async fn has_key(keys: &KeyRing, key_id: &str, at_ms: u64) -> bool {
    let found = keys.keys_of(&name("x.example"), Some(key_id), at_ms).await;
    found.is_ok_and(|found| found["x.example"].contains_key(key_id))
}

#[tokio::test(start_paused = true)]
async fn many_requests_at_once_make_one_fetch() {
    let world = World::default();
    let valid = document("x.example", START_MS + DAY_MS, &json!({}));
    let fetches = publish(&world.machine("x.example"), valid).await;
    let node = Node::start(&world, "a.example").await;
    let asked = (0..10).map(|_| has_key(&node.keys, "ed25519:one", START_MS));
    assert!(join_all(asked).await.into_iter().all(|found| found));
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_server_knows_the_keys_of_one_that_is_down() {
    let world = World::default();
    publish(&world.machine("x.example"), document("x.example", START_MS + DAY_MS, &json!({})))
        .await;
    let node = Node::start(&world, "a.example").await;
    assert!(has_key(&node.keys, "ed25519:one", START_MS).await);
    world.take_down("x.example");
    world.jump(3 * DAY);
    let http = node.http.clone();
    let again = KeyRing::open(&node.host, &node.database, http, node.identity).await.unwrap();
    assert!(has_key(&again, "ed25519:one", START_MS + DAY_MS).await);
    assert!(!has_key(&again, "ed25519:one", START_MS + DAY_MS + 1).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_valid_for_seven_days_at_most_without_another_fetch() {
    let world = World::default();
    let long = document("x.example", START_MS + 1000 * DAY_MS, &json!({}));
    let fetches = publish(&world.machine("x.example"), long).await;
    let node = Node::start(&world, "a.example").await;
    assert!(has_key(&node.keys, "ed25519:one", START_MS + 7 * DAY_MS).await);
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_mins(1)).await;
    world.jump(8 * DAY);
    assert!(has_key(&node.keys, "ed25519:one", START_MS + 8 * DAY_MS).await);
    assert_eq!(fetches.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_key_verifies_until_it_expired() {
    let world = World::default();
    let old = json!({ "ed25519:zero": { "key": "AAAA", "expired_ts": START_MS - 10 } });
    publish(&world.machine("x.example"), document("x.example", START_MS + DAY_MS, &old)).await;
    let node = Node::start(&world, "a.example").await;
    assert!(has_key(&node.keys, "ed25519:zero", START_MS - 10).await);
    assert!(!has_key(&node.keys, "ed25519:zero", START_MS - 9).await);
    assert!(has_key(&node.keys, "ed25519:one", START_MS).await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_once_in_a_while() {
    let world = World::default();
    let valid = document("x.example", START_MS + DAY_MS, &json!({}));
    let fetches = publish(&world.machine("x.example"), valid).await;
    let node = Node::start(&world, "a.example").await;
    for _ in 0..3 {
        assert!(!has_key(&node.keys, "ed25519:two", START_MS).await);
    }
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(!has_key(&node.keys, "ed25519:two", START_MS).await);
    assert_eq!(fetches.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_not_known_right_after_a_fetch_is_unavailable_and_not_missing() {
    let world = World::default();
    let valid = document("x.example", START_MS + DAY_MS, &json!({}));
    publish(&world.machine("x.example"), valid).await;
    let node = Node::start(&world, "a.example").await;
    assert!(has_key(&node.keys, "ed25519:one", START_MS).await);
    let x = name("x.example");
    let ask = || node.keys.keys_of(&x, Some("ed25519:two"), START_MS);
    assert!(!ask().await.unwrap()["x.example"].contains_key("ed25519:two"));
    let error = ask().await.unwrap_err();
    assert!(matches!(error, KeyError::Unavailable { .. }), "{error}");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(!ask().await.unwrap()["x.example"].contains_key("ed25519:two"));
}

#[tokio::test(start_paused = true)]
async fn made_up_keys_make_few_fetches() {
    let world = World::default();
    let valid = document("x.example", START_MS + DAY_MS, &json!({}));
    let fetches = publish(&world.machine("x.example"), valid).await;
    let node = Node::start(&world, "a.example").await;
    for made_up in 0..100 {
        assert!(!has_key(&node.keys, &format!("ed25519:{made_up}"), START_MS).await);
    }
    assert!(fetches.load(Ordering::Relaxed) <= 4);
}

#[tokio::test(start_paused = true)]
async fn keys_that_one_server_makes_up_keep_nobody_from_asking_for_what_another_brings() {
    let world = World::default();
    let valid = document("x.example", START_MS + DAY_MS, &json!({}));
    let fetches = publish(&world.machine("x.example"), valid).await;
    let node = Node::start(&world, "a.example").await;
    let x = name("x.example");
    let brought = async |bringer: &str, key_id: &str| {
        node.keys.keys_brought(&x, Some(key_id), START_MS, &name(bringer)).await
    };
    for made_up in 0..100 {
        drop(brought("eve.example", &format!("ed25519:{made_up}")).await);
    }
    let asked = fetches.load(Ordering::Relaxed);
    assert!(asked <= 4, "{asked}");
    let honest = brought("b.example", "ed25519:two").await;
    assert!(honest.is_ok(), "x was asked, and has no such key: {honest:?}");
    assert_eq!(fetches.load(Ordering::Relaxed), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_down_is_asked_again() {
    let world = World::default();
    let node = Node::start(&world, "a.example").await;
    let error = node.keys.keys_of(&name("x.example"), None, START_MS).await.unwrap_err();
    assert!(matches!(error, KeyError::Unavailable { .. }), "{error}");
    publish(&world.machine("x.example"), document("x.example", START_MS + DAY_MS, &json!({})))
        .await;
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(has_key(&node.keys, "ed25519:one", START_MS).await);
}

#[tokio::test(start_paused = true)]
async fn a_document_about_another_server_is_refused() {
    let world = World::default();
    let other = document("y.example", START_MS + DAY_MS, &json!({}));
    publish(&world.machine("x.example"), other).await;
    let node = Node::start(&world, "a.example").await;
    let error = node.keys.keys_of(&name("x.example"), None, START_MS).await.unwrap_err();
    assert!(error.to_string().contains("about y.example"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_was_changed_or_not_signed_is_refused() {
    let mut changed = document("x.example", START_MS, &json!({}));
    changed["valid_until_ts"] = (START_MS + DAY_MS).into();
    let mut unsigned = document("x.example", START_MS + DAY_MS, &json!({}));
    unsigned["signatures"] = json!({});
    for forged in [changed, unsigned] {
        let world = World::default();
        publish(&world.machine("x.example"), forged).await;
        let node = Node::start(&world, "a.example").await;
        let found = node.keys.keys_of(&name("x.example"), None, START_MS).await;
        assert!(matches!(found, Err(KeyError::Unavailable { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_too_large_is_not_read_to_its_end() {
    for says_length in [true, false] {
        let world = World::default();
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let answer = async move || {
            let chunk = move || {
                counter.fetch_add(CHUNK, Ordering::Relaxed);
                Ok::<_, std::io::Error>(vec![b' '; CHUNK])
            };
            let chunks = stream::repeat_with(chunk).take(LARGE / CHUNK);
            let answer = Response::builder();
            let length = says_length.then_some((header::CONTENT_LENGTH, LARGE));
            let answer = length.into_iter().fold(answer, |it, (name, is)| it.header(name, is));
            answer.body(Body::from_stream(chunks)).expect("this is an answer")
        };
        let router = Router::new().route("/_matrix/key/v2/server", routing::get(answer));
        let x = world.machine("x.example");
        serve(&x, 8448, router, ServerLimits::default()).await.expect("the port is free");
        let node = Node::start(&world, "a.example").await;
        let error = node.keys.keys_of(&name("x.example"), None, START_MS).await.unwrap_err();
        assert!(error.to_string().contains("larger than 65536 bytes"), "{error}");
        // What is in the buffers of the connection was written, and nothing beyond.
        assert!(written.load(Ordering::Relaxed) < 1 << 20);
    }
}
