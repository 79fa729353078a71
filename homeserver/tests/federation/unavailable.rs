//! What cannot be judged yet, since a server that is needed is away.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::StatusCode;
use ruma::{OwnedRoomId, RoomId};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::watch;
use transport::{
    endpoints::relay::{RelayedTransaction, SendRelay},
    federation::CallError,
};

use crate::{
    relays::{relay, set_relays},
    stranger::{DEADLINE, Stranger, id_of},
    support::{ADMIN_TOKEN, Backend, One, eventually, free_name, shows},
};

/// An event of a server that is not there, so that its keys are not to be had.
async fn event_of_nobody(eve: &Stranger, at: &Backend, room: &RoomId) -> Box<RawValue> {
    let nobody = free_name();
    eve.event(at, room, (&format!("@nobody:{nobody}"), nobody.as_str()), "nobody").await
}

async fn queue_is_empty(at: &Backend, to: &Backend) {
    eventually("the queue is empty", || async {
        let path = ("GET", "/_fedsim/admin/v1/queues");
        let (_, answer) = at.ask(path, Some(ADMIN_TOKEN), Value::Null).await;
        let mut queues = answer["queues"].as_array().unwrap().iter();
        queues.all(|queue| queue["destination"] != to.name.as_str() || queue["pending"] == 0)
    })
    .await;
}

#[tokio::test]
async fn relay_entry_that_cannot_be_judged_holds_up_no_other() {
    let (mut a, mut b, eve) =
        (Backend::start().await, Backend::start().await, Stranger::start().await);
    let (relay, _directory) = relay().await;
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &relay).await;
    set_relays(&b, &b, &relay).await;
    b.kill();
    let entry = RelayedTransaction {
        origin: eve.name.to_string(),
        pdus: Some(vec![event_of_nobody(&eve, &a, &room).await]),
        ..RelayedTransaction::default()
    };
    let to = format!("@user:{}", b.name);
    let federation = &eve.federation;
    federation.call_endpoint::<SendRelay>(&relay, &["1", &to], &entry, DEADLINE).await.unwrap();
    a.say(&alice, &room, "behind").await;
    queue_is_empty(&a, &b).await;
    a.kill();
    b.boot().await;
    shows(&b, &room, &["behind"]).await;
}

#[tokio::test]
async fn deferred_entry_is_taken_when_the_keys_are_to_be_had() {
    let (mut a, mut b, mut c) =
        (Backend::start().await, Backend::start().await, Backend::start().await);
    let (relay, _directory) = relay().await;
    let (alice, bob, carol) = (a.user("alice").await, b.user("bob").await, c.user("carol").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    set_relays(&a, &b, &relay).await;
    set_relays(&b, &b, &relay).await;
    // Carol's backend joins while it cannot be told to bob's, which so never sees its keys.
    let other = a.public_room(&alice).await;
    c.join(&carol, &other, &a).await;
    a.switch.cut();
    c.join(&carol, &room, &a).await;
    b.kill();
    c.kill();
    a.switch.repair();
    a.say(&alice, &room, "after").await;
    queue_is_empty(&a, &b).await;
    a.kill();
    b.boot().await;
    eventually("the relay's mailbox was emptied", || async {
        b.count("SELECT count(*) FROM relay_entries") >= 2
    })
    .await;
    assert!(b.texts(&room).await.is_empty());
    assert!(b.count("SELECT count(*) FROM deferred_entries") > 0);
    c.boot().await;
    shows(&b, &room, &["after"]).await;
    eventually("nothing is deferred", || async {
        b.count("SELECT count(*) FROM deferred_entries") == 0
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_judged_is_kept_after_some_tries_and_holds_up_nothing() {
    let eve = Stranger::start().await;
    let One { a, room, .. } = One::start().await;
    let state = eve.join(&a, &room, &[&a]).await;
    let good = eve.message(&a, &room, (&state, "good")).await;
    let pdus = vec![event_of_nobody(&eve, &a, &room).await, good];
    for _ in 1..5 {
        let Err(CallError::Refused(error)) = eve.send(&a, "1", pdus.clone()).await else {
            panic!("answered")
        };
        assert_eq!(error.status, 503);
        assert_eq!(a.texts(&room).await, ["good"]);
    }
    let answer = eve.send(&a, "1", pdus).await.unwrap();
    assert!(answer.pdus.len() == 2 && answer.pdus.values().all(Result::is_ok));
    assert_eq!(a.count("SELECT count(*) FROM deferred_entries"), 1);
}

/// What a stranger answers who is asked for events: one that nobody asked for, when the gate opens.
#[derive(Clone)]
struct Wrong {
    event: watch::Sender<Value>,
    gate: watch::Sender<bool>,
}

impl Wrong {
    fn new() -> Self {
        Self { event: watch::Sender::new(Value::Null), gate: watch::Sender::new(true) }
    }

    async fn answer(State(this): State<Arc<Self>>) -> Json<Value> {
        this.gate.subscribe().wait_for(|open| *open).await.unwrap();
        let event = this.event.borrow().clone();
        let (pdu, events) = (event.clone(), [event]);
        Json(json!({ "origin": "x", "origin_server_ts": 1, "pdu": pdu, "events": events }))
    }

    async fn stranger(self: &Arc<Self>) -> Stranger {
        let routes = Router::new()
            .route("/_matrix/federation/v1/event/{id}", get(Self::answer))
            .route("/_matrix/federation/v1/get_missing_events/{room}", post(Self::answer))
            .with_state(Arc::clone(self));
        Stranger::start_with(routes).await
    }
}

/// A room of `a` in which `b` and a stranger are, an event that `b` lacks, and one of the
/// stranger's that builds on it.
async fn gap(a: &Backend, b: &Backend, eve: (&Stranger, &Wrong)) -> (Box<RawValue>, OwnedRoomId) {
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, a).await;
    let state = eve.0.join(a, &room, &[a, b]).await;
    eve.1.event.send_replace(state[0].clone());
    a.switch.cut();
    a.say(&alice, &room, "missing").await;
    (eve.0.message(a, &room, (&state, "built on it")).await, room)
}

#[tokio::test]
async fn answer_with_another_event_is_passed_over_for_that_of_the_next_server() {
    let (a, b, wrong) = (Backend::start().await, Backend::start().await, Arc::new(Wrong::new()));
    let eve = wrong.stranger().await;
    let (event, room) = gap(&a, &b, (&eve, &wrong)).await;
    let answer = eve.send(&b, "1", vec![event]).await.unwrap();
    assert!(answer.pdus.values().all(Result::is_ok), "{answer:?}");
    assert_eq!(b.texts(&room).await, ["missing", "built on it"]);
}

#[tokio::test]
async fn what_was_begun_is_finished_when_the_origin_hangs_up() {
    let (a, b, wrong) = (Backend::start().await, Backend::start().await, Arc::new(Wrong::new()));
    let eve = wrong.stranger().await;
    let (event, room) = gap(&a, &b, (&eve, &wrong)).await;
    wrong.gate.send_replace(false);
    // It hangs up as soon as it is asked for what the event builds on.
    tokio::select! {
        biased;
        answer = eve.send(&b, "1", vec![event]) => panic!("{answer:?}"),
        () = eventually("it is asked", || async { wrong.gate.receiver_count() > 0 }) => {}
    }
    wrong.gate.send_replace(true);
    shows(&b, &room, &["missing", "built on it"]).await;
}

/// What a stranger answers who joined late: it has its own events, and not what they build on; of the
/// state before them it tells when asked a second time.
#[derive(Default)]
struct Late {
    event: watch::Sender<Value>,
    state: watch::Sender<Vec<String>>,
}

#[expect(clippy::unused_async, reason = "handlers are async")]
impl Late {
    async fn event(State(this): State<Arc<Self>>) -> Json<Value> {
        let event = this.event.borrow().clone();
        Json(json!({ "origin": "x", "origin_server_ts": 1, "pdus": [event], "events": [event] }))
    }

    async fn state_ids(State(this): State<Arc<Self>>) -> (StatusCode, Json<Value>) {
        let state = this.state.borrow().clone();
        if state.is_empty() {
            let error = json!({ "errcode": "M_NOT_FOUND", "error": "not known" });
            return (StatusCode::NOT_FOUND, Json(error));
        }
        (StatusCode::OK, Json(json!({ "pdu_ids": state, "auth_chain_ids": [] })))
    }

    async fn stranger(self: &Arc<Self>) -> Stranger {
        let routes = Router::new()
            .route("/_matrix/federation/v1/event/{id}", get(Self::event))
            .route("/_matrix/federation/v1/get_missing_events/{room}", post(Self::event))
            .route("/_matrix/federation/v1/state_ids/{room}", get(Self::state_ids))
            .with_state(Arc::clone(self));
        Stranger::start_with(routes).await
    }
}

#[tokio::test]
async fn what_builds_on_something_that_nobody_has_is_kept_until_its_state_can_be_had() {
    let late = Arc::new(Late::default());
    let eve = late.stranger().await;
    let One { a, room, .. } = One::start().await;
    let mut state = eve.join(&a, &room, &[&a]).await;
    let unknown = format!("${}", "A".repeat(43));
    let first = eve.message_on(&a, &room, (&state, "first"), Some(&unknown)).await;
    let first_event: Value = serde_json::from_str(first.get()).unwrap();
    late.event.send_replace(first_event.clone());
    let parent = id_of(&first_event);
    let second = eve.message_on(&a, &room, (&state, "second"), Some(&parent)).await;
    let answer = eve.send(&a, "1", vec![second]).await.unwrap();
    assert!(answer.pdus.len() == 1 && answer.pdus.values().all(Result::is_ok), "{answer:?}");
    assert_eq!(a.count("SELECT count(*) FROM deferred_entries"), 1);
    assert!(a.texts(&room).await.is_empty());
    state.push(a.current(&eve.user(), &room).await);
    late.state.send_replace(state.iter().map(id_of).collect());
    shows(&a, &room, &["first", "second"]).await;
    eventually("nothing is deferred", || async {
        a.count("SELECT count(*) FROM deferred_entries") == 0
    })
    .await;
}
