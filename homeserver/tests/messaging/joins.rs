//! Joins of rooms of other servers.

use serde_json::json;

use super::support::{Client, Cluster};

const JOINED: &str = "SELECT count(*) FROM room_memberships WHERE membership = 'join'";

/// Backends a, b and c, and a public room of a that b is in.
async fn two_of_three() -> (Cluster, [Client; 3], String) {
    let (cluster, people) = Cluster::of_three().await;
    let room = people[0].room("m1", &[&people[1]]).await;
    (cluster, people, room)
}

#[tokio::test]
async fn two_users_of_one_backend_that_join_at_once_are_both_in() {
    let cluster = Cluster::of(&["a", "b"]).await;
    let alice = cluster.user("a", "alice").await;
    let (bob, ben) = (cluster.user("b", "bob").await, cluster.user("b", "ben").await);
    let room = alice.room("eventual", &[]).await;
    let path = format!("/join/{room}?via=a.test");
    let joins = tokio::join!(bob.post(&path, json!({})), ben.post(&path, json!({})));
    assert_eq!((joins.0.0, joins.1.0), (200, 200), "{joins:?}");
    assert_eq!(cluster.read::<i64>("b", JOINED), 3);
    cluster.wait_for_count("a", JOINED, 3).await;
    alice.send(&room, "1", "both").await;
    bob.wait_for_text("both").await;
    ben.wait_for_text("both").await;
}

#[tokio::test]
async fn who_asks_another_member_of_an_m1_room_is_let_in_by_its_owner() {
    let (cluster, [alice, _bob, carol], room) = two_of_three().await;
    cluster.block("b", "/send/");
    let (status, answer) = carol.post(&format!("/join/{room}?via=b.test"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(cluster.read::<i64>("a", JOINED), 3);
    cluster.wait_for_count("b", JOINED, 3).await;
    assert_eq!(alice.send(&room, "1", "three").await.0, 200);
    carol.wait_for_text("three").await;
}

#[tokio::test]
async fn while_the_owner_of_an_m1_room_is_down_nobody_is_let_in() {
    let (cluster, [_alice, _bob, carol], room) = two_of_three().await;
    cluster.stop("a").await;
    let (status, answer) = carol.post(&format!("/join/{room}?via=b.test"), json!({})).await;
    assert_eq!(status, 502, "{answer}");
    assert_eq!(cluster.read::<i64>("b", JOINED), 2);
}
