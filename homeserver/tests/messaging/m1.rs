//! The policy `m1`: every backend, or none.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::task::JoinSet;

use super::support::Cluster;

#[tokio::test]
async fn with_all_backends_up_everybody_sees_a_message_from_any_of_them() {
    let (_cluster, people, room) = Cluster::three("m1").await;
    for (number, sender) in people.iter().enumerate() {
        let text = number.to_string();
        let (status, answer) = sender.send(&room, &text, &text).await;
        assert_eq!(status, 200, "{answer}");
    }
    for person in &people {
        person.wait_for_text("2").await;
        assert_eq!(person.texts().await, ["0", "1", "2"]);
    }
}

#[tokio::test]
async fn with_a_backend_down_nobody_sees_it_also_when_the_backend_is_back() {
    let (mut cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    cluster.stop("c").await;
    let (status, error) = alice.send(&room, "1", "lost").await;
    assert_eq!((status, &error["unreachable_backends"]), (533, &json!(["c.test"])));
    cluster.wait_for_count("b", "SELECT count(*) FROM m1_prepared", 0).await;
    cluster.start("c").await;
    assert_eq!(alice.send(&room, "1", "lost").await.0, 533);
    assert_eq!(alice.send(&room, "2", "found").await.0, 200);
    for person in [alice, bob, carol] {
        person.wait_for_text("found").await;
        assert_eq!(person.texts().await, ["found"]);
    }
}

#[tokio::test]
async fn nobody_but_the_owner_sees_a_message_before_it_is_committed_and_then_everybody() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/prepare/");
    assert_eq!(alice.send(&room, "1", "hidden").await.0, 533);
    cluster.unblock();
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    cluster.block("c", "/outcome/");
    assert_eq!(alice.send(&room, "2", "shown").await.0, 200);
    assert_eq!((bob.texts().await, carol.texts().await), (vec![], vec![]));
    cluster.unblock();
    bob.wait_for_text("shown").await;
    carol.wait_for_text("shown").await;
}

#[tokio::test]
async fn a_backend_in_doubt_asks_the_owner() {
    let (cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/decision/");
    assert_eq!(alice.send(&room, "1", "asked for").await.0, 200);
    bob.wait_for_text("asked for").await;
}

#[tokio::test]
async fn a_backend_in_doubt_about_an_abort_that_it_never_heard_of_forgets_the_message() {
    let (cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.stop("c").await;
    cluster.block("a", "/decision/");
    assert_eq!(alice.send(&room, "1", "lost").await.0, 533);
    cluster.wait_for_count("b", "SELECT count(*) FROM m1_prepared", 0).await;
    assert!(bob.texts().await.is_empty());
}

#[tokio::test]
async fn a_decided_commit_is_told_after_the_owner_restarts() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(alice.send(&room, "1", "decided").await.0, 200);
    cluster.stop("a").await;
    cluster.unblock();
    cluster.block("b", "/outcome/");
    cluster.start("a").await;
    bob.wait_for_text("decided").await;
}

#[tokio::test]
async fn a_member_that_restarts_while_prepared_still_shows_the_message() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(alice.send(&room, "1", "kept").await.0, 200);
    cluster.stop("b").await;
    cluster.unblock();
    cluster.start("b").await;
    bob.wait_for_text("kept").await;
    assert_eq!(bob.texts().await, ["kept"]);
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_is_the_same_message() {
    let (mut cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    let first = carol.send(&room, "1", "once").await;
    assert_eq!(first.0, 200);
    cluster.stop("c").await;
    cluster.start("c").await;
    assert_eq!(carol.send(&room, "1", "once").await, first);
    assert_eq!(carol.send(&room, "2", "twice").await.0, 200);
    for person in [alice, bob, carol] {
        person.wait_for_text("twice").await;
        assert_eq!(person.texts().await, ["once", "twice"]);
    }
}

#[tokio::test]
async fn a_sender_whose_owner_is_down_is_told_that_nothing_was_sent() {
    let (cluster, [_alice, _bob, carol], room) = Cluster::three("m1").await;
    cluster.stop("a").await;
    let (status, error) = carol.send(&room, "1", "lost").await;
    assert_eq!((status, &error["unreachable_backends"]), (533, &json!(["a.test"])));
    assert!(carol.texts().await.is_empty());
}

#[tokio::test]
async fn a_device_registered_after_the_first_message_is_notified_too() {
    let (_cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    assert_eq!(alice.send(&room, "1", "first").await.0, 200);
    // The owner answers once it has decided; the decision is still on its way to bob's backend.
    bob.wait_for_text("first").await;
    let phone = bob.another_device().await;
    assert_eq!(alice.send(&room, "2", "second").await.0, 200);
    phone.wait_for_text("second").await;
    assert_eq!(phone.texts().await, ["second"]);
}

#[tokio::test]
async fn a_retry_after_the_owners_answer_was_lost_is_the_same_message() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    cluster.block("a", r#""delivered":true"#);
    let (status, error) = carol.send(&room, "1", "once").await;
    assert_eq!((status, &error["errcode"]), (504, &json!("ORG.FEDSIM.OUTCOME_UNKNOWN")));
    cluster.unblock();
    assert_eq!(carol.send(&room, "1", "once").await.0, 200);
    assert_eq!(carol.send(&room, "2", "twice").await.0, 200);
    for person in [alice, bob, carol] {
        person.wait_for_text("twice").await;
        assert_eq!(person.texts().await, ["once", "twice"]);
    }
}

#[tokio::test]
async fn an_owner_that_crashes_before_it_decides_has_aborted() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.stall("c").await;
    let hidden = "SELECT count(*) FROM m1_prepared";
    tokio::select! {
        biased;
        answer = alice.send(&room, "1", "lost") => panic!("decided without c: {answer:?}"),
        () = cluster.wait_for_count("b", hidden, 1) => {}
    }
    cluster.stop("a").await;
    cluster.start("a").await;
    cluster.wait_for_count("b", hidden, 0).await;
    let (status, error) = alice.send(&room, "1", "lost").await;
    assert_eq!((status, &error["errcode"]), (409, &json!("ORG.FEDSIM.REFUSED")));
    assert!(bob.texts().await.is_empty());
    assert!(alice.texts().await.is_empty());
}

/// Jobs of the owner's database for a send of one of its own users: whose token it is, which room it is,
/// the event kept with who is to vote, and the decision.
const JOBS_OF_A_SEND: usize = 4;

/// The same for a send of another backend's user: which room it is, whether it was answered before, the
/// rules and the receipt checks of the event, who is to vote, and the decision.
const JOBS_FOR_A_MEMBER: usize = 6;

#[tokio::test]
async fn a_send_in_a_room_of_one_backend_is_four_database_jobs() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("m1", &[]).await;
    let before = cluster.jobs("a");
    assert_eq!(alice.send(&room, "1", "counted").await.0, 200);
    assert_eq!(cluster.jobs("a") - before, JOBS_OF_A_SEND);
}

#[tokio::test]
async fn further_backends_cost_the_owner_no_database_jobs_before_its_decision() {
    let (cluster, [alice, _bob, carol], room) = Cluster::three("m1").await;
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing", 0).await;
    // An abort is owed to nobody, so that nothing goes on beside the send.
    cluster.block("a", "/prepare/");
    for (sender, jobs) in [(&alice, JOBS_OF_A_SEND), (&carol, JOBS_FOR_A_MEMBER)] {
        let before = cluster.jobs("a");
        assert_eq!(sender.send(&room, "1", "counted").await.0, 533);
        assert_eq!(cluster.jobs("a") - before, jobs);
    }
}

#[tokio::test]
async fn who_waits_for_news_of_other_rooms_costs_a_send_no_database_job() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("m1", &[]).await;
    let mut waiting = JoinSet::new();
    for name in ["bob", "ben", "bea"] {
        let idle = cluster.user("a", name).await;
        idle.room("m1", &[]).await;
        let (since, idle) = (idle.synced().await, Arc::new(idle));
        for _ in 0..4 {
            let (idle, path) = (Arc::clone(&idle), format!("/sync?since={since}&timeout=20000"));
            waiting.spawn(async move { idle.get(&path).await });
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = cluster.jobs("a");
    assert_eq!(alice.send(&room, "1", "counted").await.0, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(cluster.jobs("a") - before, JOBS_OF_A_SEND);
    assert!(waiting.try_join_next().is_none(), "all of them wait still");
}
