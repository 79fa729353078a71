//! The policy `m1-2021`, and where it breaks.

use serde_json::json;

use super::support::Cluster;

#[tokio::test]
async fn a_backend_that_is_down_during_the_check_keeps_the_message_from_everybody() {
    let (cluster, [alice, bob, _carol], room) = Cluster::three("m1-2021").await;
    cluster.stop("c").await;
    let (status, error) = alice.send(&room, "1", "lost").await;
    assert_eq!((status, &error["unreachable_backends"]), (533, &json!(["c.test"])));
    assert!(alice.texts().await.is_empty());
    assert!(bob.texts().await.is_empty());
}

#[tokio::test]
async fn a_backend_cut_off_between_check_and_store_is_left_out_and_named() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("m1-2021").await;
    cluster.block("a", "/on_message_sent/");
    let (status, answer) = alice.send(&room, "1", "partial").await;
    assert_eq!((status, &answer["failed_to_send"]), (200, &json!(["b.test", "c.test"])));
    assert_eq!(alice.texts().await, ["partial"]);
    assert_eq!((bob.texts().await, carol.texts().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_message_from_a_member_backend_goes_through_the_owner_and_reaches_everybody() {
    let (_cluster, [alice, bob, carol], room) = Cluster::three("m1-2021").await;
    let (status, answer) = carol.send(&room, "1", "hello").await;
    assert_eq!(status, 200, "{answer}");
    for person in [alice, bob, carol] {
        person.wait_for_text("hello").await;
    }
}
