//! `GET relay_txn`: who gets what, in which order, and how often.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::world::{EMPTY, World};

#[tokio::test]
async fn what_was_left_is_handed_out_until_it_is_acknowledged() {
    let world = World::start().await;
    world.left_for_b("t").await;
    let first = world.b_takes(0).await;
    assert_eq!(world.b_takes(0).await, first);
    assert_eq!(world.b_takes(first.entry_id()).await.body, EMPTY);
}

#[tokio::test]
async fn an_entry_stands_on_the_wire_as_dendrites_with_the_transaction_id_added() {
    let world = World::start().await;
    let body = r#"{"edus":[{"content":{},"edu_type":"m.receipt"}],"origin":"x","origin_server_ts":5,"pdus":[{"a":1}]}"#;
    world.send_relay(&world.a, "t", world.b.name(), body).await;
    let expected = format!(
        r#"{{"transaction":{{"origin":"{}","origin_server_ts":0,"pdus":[{{"a":1}}],"edus":[{{"content":{{}},"edu_type":"m.receipt"}}],"transaction_id":"t"}},"entry_id":1,"entries_queued":true}}"#,
        world.a.name()
    );
    assert_eq!(world.b_takes(0).await.body, expected);
}

#[tokio::test]
async fn an_empty_mailbox_answers_to_the_byte() {
    let world = World::start().await;
    let answer = world.b_takes(0).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, EMPTY));
}

#[tokio::test]
async fn the_oldest_comes_first() {
    let world = World::start().await;
    for id in ["9", "1", "5"] {
        world.left_for_b(id).await;
    }
    assert_eq!(world.b_takes_all().await, ["9", "1", "5"]);
}

#[tokio::test]
async fn the_bytes_of_a_pdu_come_back_as_they_went() {
    let world = World::start().await;
    let pdu = r#"{ "z":"\u003cb\u003e <b>", "a":[1,  9007199254740991],"é":null}"#;
    world.send_relay(&world.a, "t", world.b.name(), &format!(r#"{{"pdus":[{pdu}]}}"#)).await;
    let answer = world.b_takes(0).await;
    assert!(answer.body.contains(&format!(r#""pdus":[{pdu}]"#)), "{}", answer.body);
}

#[tokio::test]
async fn a_stranger_can_neither_fetch_nor_acknowledge() {
    let world = World::start().await;
    world.left_for_b("t").await;
    let entry_id = world.b_takes(0).await.entry_id();
    for acknowledged in [0, entry_id] {
        let answer = world.relay_txn(&world.stranger, world.b.name(), acknowledged).await;
        assert_eq!(answer.code(), (403, "M_FORBIDDEN".to_owned()));
        assert!(!answer.body.contains("pdus"));
    }
    assert_eq!(world.b_takes_all().await, ["t"]);
}

#[tokio::test]
async fn a_stranger_who_acknowledges_in_its_own_name_deletes_nothing() {
    let world = World::start().await;
    world.left_for_b("t").await;
    let entry_id = world.b_takes(0).await.entry_id();
    let own = world.relay_txn(&world.stranger, world.stranger.name(), entry_id).await;
    assert_eq!(own.body, EMPTY);
    assert_eq!(world.b_takes_all().await, ["t"]);
}

#[tokio::test]
async fn the_sender_cannot_take_its_own_transaction_back() {
    let world = World::start().await;
    world.left_for_b("t").await;
    let answer = world.relay_txn(&world.a, world.b.name(), 0).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn unknown_and_old_acknowledgments_are_harmless() {
    let world = World::start().await;
    world.left_for_b("one").await;
    let one = world.b_takes(0).await.entry_id();
    world.left_for_b("two").await;
    for acknowledged in [one + 1, 777, 9_007_199_254_740_991] {
        assert_eq!(world.b_takes(acknowledged).await.transaction_id(), "one");
    }
    for _ in 0..2 {
        assert_eq!(world.b_takes(one).await.transaction_id(), "two");
    }
}

#[tokio::test]
async fn a_request_without_a_valid_body_is_refused() {
    let world = World::start().await;
    let path = format!("/_matrix/federation/v1/relay_txn/{}", world.b.user_id());
    for (body, errcode) in [("", "M_NOT_JSON"), (r#"{"entry_id":-1}"#, "M_BAD_JSON")] {
        let signed = world.b.signed(&world.relay_name, Method::GET, &path, body);
        assert_eq!(world.send(signed).await.code(), (400, errcode.to_owned()));
    }
    let signed = world.b.signed(&world.relay_name, Method::GET, &path, "{}");
    assert_eq!(world.send(signed).await.body, EMPTY);
}

#[tokio::test]
async fn an_unreadable_entry_is_set_aside_and_the_next_one_comes() {
    let world = World::start().await;
    world.left_for_b("broken").await;
    world.left_for_b("whole").await;
    world
        .sql("UPDATE entries SET body = CAST('not JSON' AS BLOB) WHERE transaction_id = 'broken'")
        .await;
    assert_eq!(world.b_takes_all().await, ["whole"]);
    let quarantine = world.operator(Method::GET, "quarantine", "").await.json();
    assert_eq!(quarantine["entries"][0]["transaction_id"], "broken");
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_loses_no_mail() {
    let world = World::with(|config| config.time_to_live = Duration::from_hours(1)).await;
    world.left_for_b("old").await;
    world.pass(Duration::from_hours(48));
    world.left_for_b("young").await;
    assert_eq!(world.b_takes_all().await, ["old", "young"]);
}

#[tokio::test]
async fn stale_typing_is_left_out_and_the_rest_stays() {
    let world = World::start().await;
    let body =
        r#"{"pdus":[{}],"edus":[{"edu_type":"m.typing"},{"edu_type":"m.direct_to_device"}]}"#;
    world.send_relay(&world.a, "t", world.b.name(), body).await;
    assert!(world.b_takes(0).await.body.contains("m.typing"));
    world.pass(Duration::from_hours(1));
    let later = world.b_takes(0).await.body;
    assert!(!later.contains("m.typing") && later.contains("m.direct_to_device"), "{later}");
}
