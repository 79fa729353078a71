//! Outgoing queues.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    routing::{MethodRouter, put},
};
use http::StatusCode;
use ruma::OwnedRoomId;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    stranger::Stranger,
    support::{ADMIN_TOKEN, Backend, Two, eventually, shows},
};

async fn queue_of(backend: &Backend, destination: &Backend) -> Value {
    let path = ("GET", "/_fedsim/admin/v1/queues");
    let (_, answer) = backend.ask(path, Some(ADMIN_TOKEN), Value::Null).await;
    let queues = answer["queues"].as_array().unwrap().clone();
    let of = |queue: &&Value| queue["destination"] == destination.name.as_str();
    queues.iter().find(of).cloned().unwrap_or_default()
}

/// Lets a member of `a` say something to a server that answers transactions like this; returns that
/// server, and the room.
async fn told_something(a: &Backend, answer: MethodRouter) -> (Stranger, OwnedRoomId) {
    let send = Router::new().route("/_matrix/federation/v1/send/{id}", answer);
    let eve = Stranger::start_with(send).await;
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    eve.join(a, &room, &[a]).await;
    a.say(&alice, &room, "1").await;
    (eve, room)
}

#[tokio::test]
async fn queue_survives_the_death_of_its_process() {
    let Two { mut a, mut b, alice, room, .. } = Two::start().await;
    b.kill();
    for text in ["1", "2", "3"] {
        a.say(&alice, &room, text).await;
    }
    a.kill();
    b.boot().await;
    a.boot().await;
    shows(&b, &room, &["1", "2", "3"]).await;
    assert_eq!(b.texts(&room).await, ["1", "2", "3"]);
    eventually("the queue is empty", || async { queue_of(&a, &b).await.is_null() }).await;
}

#[tokio::test]
async fn back_off_is_persisted_and_cleared_by_a_request_of_the_peer() {
    let patient = |config: &mut homeserver::Config| {
        config.backoff_first = Duration::from_mins(10);
        config.backoff_max = Duration::from_hours(1);
    };
    let (mut a, mut b) = (Backend::start_with(patient).await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    b.kill();
    a.say(&alice, &room, "wait").await;
    eventually("an attempt failed", || async { queue_of(&a, &b).await["failures"] == 1 }).await;
    a.kill();
    a.boot().await;
    assert_eq!(queue_of(&a, &b).await["failures"], 1);
    b.boot().await;
    b.say(&bob, &room, "here").await;
    shows(&b, &room, &["wait", "here"]).await;
    shows(&a, &room, &["wait", "here"]).await;
}

#[tokio::test]
async fn queue_goes_on_when_the_clock_is_set_back() {
    let Two { a, mut b, alice, room, .. } = Two::start().await;
    b.kill();
    a.say(&alice, &room, "late").await;
    eventually("an attempt failed", || async {
        queue_of(&a, &b).await["failures"].as_u64() >= Some(1)
    })
    .await;
    a.clock.by(Duration::from_hours(1));
    // So that nothing but the wait itself ends the wait.
    b.switch.cut();
    b.boot().await;
    shows(&b, &room, &["late"]).await;
}

#[tokio::test]
async fn a_server_behind_a_proxy_that_answered_for_it_is_tried_again_when_it_is_heard_from() {
    let longest = |config: &mut homeserver::Config| {
        config.backoff_first = Duration::from_millis(200);
        config.backoff_max = Duration::from_hours(1);
    };
    let a = Backend::start_with(longest).await;
    let (attempts, is_up) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, up) = (Arc::clone(&attempts), Arc::clone(&is_up));
    // As a proxy answers for a server that is down.
    let answer = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let status = if up.load(Ordering::SeqCst) { 200 } else { 502 };
        async move { (StatusCode::from_u16(status).unwrap(), "{}") }
    };
    let (eve, room) = told_something(&a, put(answer)).await;
    // Waits of 0.2, 0.4, 0.8, 1.6 seconds: the next one is longer than this test.
    eventually("it was tried", || async { attempts.load(Ordering::SeqCst) == 5 }).await;
    is_up.store(true, Ordering::SeqCst);
    let heard_from = Instant::now();
    eve.proposal(&a, &room).await;
    eventually("it is tried again", || async { attempts.load(Ordering::SeqCst) == 6 }).await;
    assert!(heard_from.elapsed() < Duration::from_millis(2500), "{:?}", heard_from.elapsed());
}

#[tokio::test]
async fn contact_clears_no_failures_while_a_proxy_answers_so_that_relays_have_their_turn() {
    let quick = |config: &mut homeserver::Config| {
        config.backoff_first = Duration::from_millis(100);
        config.backoff_max = Duration::from_hours(1);
    };
    let a = Backend::start_with(quick).await;
    let answer = || async { (StatusCode::BAD_GATEWAY, "no way in") };
    let (eve, room) = told_something(&a, put(answer)).await;
    eventually("it is the relays' turn, though it is heard from again and again", || async {
        eve.proposal(&a, &room).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        a.count("SELECT coalesce(max(failures), 0) FROM destinations") >= 3
    })
    .await;
}

#[tokio::test]
async fn server_that_refuses_is_not_tried_again_and_again_because_it_is_heard_from() {
    let patient = |config: &mut homeserver::Config| {
        config.backoff_first = Duration::from_mins(10);
        config.backoff_max = Duration::from_hours(1);
    };
    let a = Backend::start_with(patient).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let refuse = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::SERVICE_UNAVAILABLE }
    };
    let (eve, room) = told_something(&a, put(refuse)).await;
    eventually("it was tried", || async { attempts.load(Ordering::SeqCst) == 1 }).await;
    for _ in 0..50 {
        eve.proposal(&a, &room).await;
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}
