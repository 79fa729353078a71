//! Mail by relay.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, routing::put};
use http::StatusCode;
use ruma::OwnedServerName;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    stranger::Stranger,
    support::{ADMIN_TOKEN, Backend, eventually, free_name, machine, shows},
};

/// A running relay; it lasts as long as the test.
pub(crate) async fn relay() -> (OwnedServerName, TempDir) {
    let (name, directory) = (free_name(), TempDir::new().unwrap());
    let mut config = relay::Config::new(name.clone());
    config.port = name.port().unwrap();
    relay::Relay::start(machine(&directory), config).await.unwrap();
    (name, directory)
}

pub(crate) async fn set_relays(at: &Backend, destination: &Backend, relay: &OwnedServerName) {
    let path = format!("/_fedsim/admin/v1/relays/{}", destination.name);
    let body = json!({ "relays": [relay] });
    let (status, answer) = at.ask(("PUT", &path), Some(ADMIN_TOKEN), body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(at.ask(("GET", &path), Some(ADMIN_TOKEN), json!(null)).await.1, body);
}

#[tokio::test]
async fn mail_for_a_backend_that_is_away_waits_at_its_relay() {
    let (mut a, mut b) = (Backend::start().await, Backend::start().await);
    let (relay, _directory) = relay().await;
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &relay).await;
    set_relays(&b, &b, &relay).await;
    b.kill();
    for text in ["1", "2", "3"] {
        a.say(&alice, &room, text).await;
    }
    eventually("the relay has everything", || async {
        let path = ("GET", "/_fedsim/admin/v1/queues");
        let (_, answer) = a.ask(path, Some(ADMIN_TOKEN), json!(null)).await;
        answer["queues"][0]["pending"] == 0 && answer["queues"][0]["failures"].as_u64() >= Some(3)
    })
    .await;
    // Only the relay can hand it over now.
    a.kill();
    b.boot().await;
    shows(&b, &room, &["1", "2", "3"]).await;
    assert_eq!(b.texts(&room).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn mail_is_fetched_again_after_a_death_before_it_was_acknowledged() {
    let (mut a, mut b) = (Backend::start().await, Backend::start().await);
    let (relay, _directory) = relay().await;
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &relay).await;
    set_relays(&b, &b, &relay).await;
    for round in ["first", "second", "third"] {
        b.kill();
        a.say(&alice, &room, round).await;
        eventually("the queue is empty", || async {
            let path = ("GET", "/_fedsim/admin/v1/queues");
            let (_, answer) = a.ask(path, Some(ADMIN_TOKEN), json!(null)).await;
            answer["queues"][0]["pending"] == 0
        })
        .await;
        b.boot().await;
        b.kill();
        b.boot().await;
    }
    a.kill();
    shows(&b, &room, &["first", "second", "third"]).await;
}

#[tokio::test]
async fn admin_api_asks_for_its_token() {
    let a = Backend::start().await;
    let path = ("GET", "/_fedsim/admin/v1/queues");
    assert_eq!(a.ask(path, None, json!(null)).await.0, 401);
    assert_eq!(a.ask(path, Some("guess"), json!(null)).await.0, 403);
}

#[tokio::test]
async fn without_a_configured_token_there_is_no_admin_api() {
    let a = Backend::start_with(|config| config.admin_token = None).await;
    let path = ("GET", "/_fedsim/admin/v1/queues");
    for token in [None, Some(""), Some(ADMIN_TOKEN)] {
        let (status, answer) = a.ask(path, token, json!(null)).await;
        assert_eq!((status, &answer["errcode"]), (404, &json!("M_UNRECOGNIZED")), "{token:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_for_a_relay_is_sent_in_parts() {
    let (a, mut b) = (Backend::start().await, Backend::start().await);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&taken);
    let take_one = move |Json(transaction): Json<Value>| {
        let pdus = transaction["pdus"].as_array().cloned().unwrap_or_default();
        let is_small = pdus.len() == 1;
        if is_small {
            let body = pdus[0]["content"]["body"].as_str().unwrap_or_default();
            seen.lock().unwrap().push(body.to_owned());
        }
        let too_large = json!({ "errcode": "M_TOO_LARGE", "error": "too large" });
        async move {
            if is_small {
                (StatusCode::OK, Json(json!(null)))
            } else {
                (StatusCode::PAYLOAD_TOO_LARGE, Json(too_large))
            }
        }
    };
    let path = "/_matrix/federation/v1/send_relay/{id}/{user}";
    let relay = Stranger::start_with(Router::new().route(path, put(take_one))).await;
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &relay.name).await;
    b.kill();
    for text in ["1", "2", "3", "4"] {
        a.say(&alice, &room, text).await;
    }
    eventually("the relay has each", || async { taken.lock().unwrap().len() == 4 }).await;
    assert_eq!(*taken.lock().unwrap(), ["1", "2", "3", "4"]);
}

/// Returns a relay that takes everything and keeps the bodies of it.
async fn nosy_relay() -> (Stranger, Arc<Mutex<Vec<Value>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&taken);
    let take = move |Json(transaction): Json<Value>| {
        seen.lock().unwrap().push(transaction);
        async { Json(json!(null)) }
    };
    let path = "/_matrix/federation/v1/send_relay/{transaction_id}/{user_id}";
    (Stranger::start_with(Router::new().route(path, put(take))).await, taken)
}

#[tokio::test]
async fn a_relay_is_learned_from_what_its_server_publishes_and_gets_what_it_cannot_read() {
    let (a, mut b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let (relay, taken) = nosy_relay().await;
    set_relays(&b, &b, &relay.name).await;
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    b.kill();
    a.say(&alice, &room, "unread").await;
    eventually("the relay has something", || async { !taken.lock().unwrap().is_empty() }).await;
    let mail = taken.lock().unwrap()[0].clone();
    assert_eq!(
        (&mail["pdus"], &mail["edus"][0]["edu_type"]),
        (&json!([]), &json!("org.fedsim.sealed"))
    );
    assert!(!mail.to_string().contains("unread"), "{mail}");
}

#[tokio::test]
async fn a_relay_that_is_published_no_more_is_forgotten() {
    let (stranger, b) = (Stranger::start().await, Backend::start().await);
    let path = format!("/_fedsim/admin/v1/relays/{}", b.name);
    for relays in [json!(["r1.example"]), json!(["r2.example", "r1.example"]), json!([])] {
        b.ask(("PUT", &path), Some(ADMIN_TOKEN), json!({ "relays": relays })).await;
        eventually("what is published is learned", || async {
            stranger.keys.refresh(&b.name).await.unwrap();
            let contact = stranger.keys.contact_of(&b.name).await.unwrap();
            // Who has no relays needs no key for mail that is left there.
            json!(contact.relays) == relays && contact.is_empty() == contact.relays.is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_relay_that_is_set_by_hand_holds_in_the_place_of_those_that_are_published() {
    let (a, mut b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let (published, unused) = nosy_relay().await;
    let (by_hand, taken) = nosy_relay().await;
    set_relays(&b, &b, &published.name).await;
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &by_hand.name).await;
    b.kill();
    a.say(&alice, &room, "by-hand").await;
    eventually("a relay has something", || async { !taken.lock().unwrap().is_empty() }).await;
    assert!(unused.lock().unwrap().is_empty());
}

#[tokio::test]
async fn mail_at_a_relay_that_was_published_before_is_fetched() {
    let (mut a, mut b) = (Backend::start().await, Backend::start().await);
    let ((before, _before), (now, _now)) = (relay().await, relay().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    set_relays(&b, &b, &before).await;
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    // a does not hear of it.
    set_relays(&b, &b, &now).await;
    b.kill();
    a.say(&alice, &room, "left-before").await;
    eventually("a relay has it", || async {
        let path = ("GET", "/_fedsim/admin/v1/queues");
        let (_, answer) = a.ask(path, Some(ADMIN_TOKEN), json!(null)).await;
        answer["queues"][0]["pending"] == 0
    })
    .await;
    a.kill();
    b.boot().await;
    shows(&b, &room, &["left-before"]).await;
}
