//! `PUT send_relay`: what is taken, what is refused.

use http::{Method, StatusCode};
use relay::{ENTRY_OVERHEAD, LEGAL_BODY_BYTES};

use crate::world::World;

fn pdus(count: usize) -> String {
    format!(r#"{{"pdus":[{}]}}"#, vec!["{}"; count].join(","))
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_stored_once() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.left_for_b("t").await;
    assert_eq!(world.b_takes_all().await, ["t"]);
    world.left_for_b("t").await;
    assert_eq!(world.b_takes_all().await, Vec::<String>::new());
}

#[tokio::test]
async fn more_events_under_the_same_id_are_stored_too() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.send_relay(&world.a, "t", world.b.name(), &pdus(2)).await;
    assert_eq!(world.b_takes_all().await, ["t", "t"]);
}

#[tokio::test]
async fn fifty_one_pdus_are_refused() {
    let world = World::start().await;
    let answer = world.send_relay(&world.a, "t", world.b.name(), &pdus(51)).await;
    assert_eq!(answer.code(), (400, "M_BAD_JSON".to_owned()));
    assert!(world.b_takes_all().await.is_empty());
    let answer = world.send_relay(&world.a, "t", world.b.name(), &pdus(50)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_hundred_and_one_edus_are_refused() {
    let world = World::start().await;
    let edu = r#"{"edu_type":"m.receipt","content":{}}"#;
    let body = format!(r#"{{"pdus":[],"edus":[{}]}}"#, vec![edu; 101].join(","));
    let answer = world.send_relay(&world.a, "t", world.b.name(), &body).await;
    assert_eq!(answer.code(), (400, "M_BAD_JSON".to_owned()));
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let world = World::start().await;
    let path = format!("/_matrix/federation/v1/send_relay/t/{}", world.b.user_id());
    let signed = world.a.signed(&world.relay_name, Method::PUT, &path, "");
    assert_eq!(world.send(signed).await.code(), (400, "M_NOT_JSON".to_owned()));
    let answer = world.send_relay(&world.a, "t", world.b.name(), r#"{"pdus":false}"#).await;
    assert_eq!(answer.code(), (400, "M_BAD_JSON".to_owned()));
}

#[tokio::test]
async fn a_user_id_in_capitals_is_refused() {
    let world = World::start().await;
    let path = format!("/_matrix/federation/v1/send_relay/t/@User:{}", world.b.name());
    let signed = world.a.signed(&world.relay_name, Method::PUT, &path, "{}");
    assert_eq!(world.send(signed).await.code(), (400, "M_INVALID_USERNAME".to_owned()));
}

#[tokio::test]
async fn an_unsigned_or_altered_request_is_refused_and_stores_nothing() {
    let world = World::start().await;
    let path = format!("/_matrix/federation/v1/send_relay/t/{}", world.b.user_id());
    let signed = world.a.signed(&world.relay_name, Method::PUT, &path, "{}");
    let mut unsigned = signed.clone();
    unsigned.headers_mut().remove("authorization");
    let altered = signed.map(|_| r#"{"pdus":[]}"#.into());
    for request in [unsigned, altered] {
        assert_eq!(world.send(request).await.status, StatusCode::UNAUTHORIZED);
    }
    assert!(world.b_takes_all().await.is_empty());
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_leaves_room_for_others() {
    let world = World::with(|config| config.max_entries_per_destination = 1).await;
    world.left_for_b("one").await;
    let refused = world.send_relay(&world.a, "two", world.b.name(), "{}").await;
    assert_eq!(refused.code(), (429, "M_LIMIT_EXCEEDED".to_owned()));
    assert!(refused.json()["retry_after_ms"].as_u64().is_some());
    let other = world.send_relay(&world.a, "two", world.stranger.name(), "{}").await;
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(world.b_takes_all().await, ["one"]);
    world.left_for_b("two").await;
}

#[tokio::test]
async fn a_transaction_already_kept_is_taken_even_when_the_mailbox_is_full() {
    let world = World::with(|config| config.max_entries_per_destination = 1).await;
    world.left_for_b("one").await;
    world.left_for_b("one").await;
}

#[tokio::test]
async fn a_full_relay_refuses_and_says_so() {
    let world = World::with(|config| config.max_bytes_in_all = ENTRY_OVERHEAD + 100).await;
    world.left_for_b("one").await;
    let refused = world.send_relay(&world.a, "two", world.stranger.name(), "{}").await;
    assert_eq!(refused.code(), (507, "M_RESOURCE_LIMIT_EXCEEDED".to_owned()));
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let world = World::with(|config| config.max_body_bytes = LEGAL_BODY_BYTES).await;
    let body = format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(LEGAL_BODY_BYTES));
    let answer = world.send_relay(&world.a, "t", world.b.name(), &body).await;
    assert_eq!(answer.code(), (413, "M_TOO_LARGE".to_owned()));
    world.left_for_b("small").await;
}

#[tokio::test]
async fn a_destination_that_is_not_served_is_refused() {
    let world =
        World::with(|config| config.destinations = vec!["c.test".try_into().unwrap()]).await;
    let answer = world.send_relay(&world.a, "t", world.b.name(), "{}").await;
    assert_eq!(answer.code(), (403, "M_FORBIDDEN".to_owned()));
}

#[tokio::test]
async fn a_full_disk_refuses_and_what_was_taken_is_still_there() {
    let world = World::start().await;
    world.left_for_b("one").await;
    world.sql("PRAGMA max_page_count = 1").await;
    let body = format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(500_000));
    let refused = world.send_relay(&world.a, "two", world.b.name(), &body).await;
    assert_eq!(refused.code(), (503, "M_UNKNOWN".to_owned()));
    world.sql("PRAGMA max_page_count = 1000000").await;
    let taken = world.send_relay(&world.a, "two", world.b.name(), &body).await;
    assert_eq!(taken.status, StatusCode::OK);
    assert_eq!(world.b_takes_all().await, ["one", "two"]);
}
