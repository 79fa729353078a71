//! A member of an `m1` room that brings its owner's undecided messages past it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use homeserver::{
    event::Delivery,
    messaging::rooms::{CreateRoom, JoinRule},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    stranger::Stranger,
    support::{Backend, eventually},
};

/// What the liar answers who asks for what its events build on.
type Answer = Arc<watch::Sender<Value>>;

async fn answer(State(event): State<Answer>) -> Json<Value> {
    let event = event.borrow().clone();
    let (pdu, events) = (event.clone(), [event]);
    Json(json!({ "origin": "x", "origin_server_ts": 1, "pdu": pdu, "events": events }))
}

#[tokio::test]
async fn a_message_that_was_never_proposed_is_not_shown_by_what_builds_on_it() {
    let smuggled: Answer = Arc::new(watch::Sender::new(Value::Null));
    let routes = Router::new()
        .route("/_matrix/federation/v1/event/{id}", get(answer))
        .route("/_matrix/federation/v1/get_missing_events/{room}", post(answer))
        .with_state(Arc::clone(&smuggled));
    let (a, b, eve) =
        (Backend::start().await, Backend::start().await, Stranger::start_with(routes).await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room =
        CreateRoom { join_rule: JoinRule::Public, delivery: Delivery::M1, ..CreateRoom::default() };
    let room = a.room(&alice, room).await;
    b.join(&bob, &room, &a).await;
    let state = eve.join(&a, &room, &[&a, &b]).await;
    let message = eve.message(&a, &room, (&state, "smuggled")).await;
    smuggled.send_replace(serde_json::from_str(message.get()).unwrap());
    let renamed = eve.renamed(&a, &room, &message).await;
    let sent = eve.send(&b, "1", vec![renamed]).await.unwrap();
    assert!(sent.pdus.values().all(Result::is_ok), "{sent:?}");
    eventually("the name is known", || async {
        b.count("SELECT count(*) FROM events WHERE json LIKE '%built on it%'") == 1
    })
    .await;
    assert_eq!(b.texts(&room).await, Vec::<String>::new());
}
