//! The policy `m1` against a member backend, or the owner of another room, that lies.

use ruma::ServerName;
use serde_json::value::RawValue;
use transport::endpoints::{
    Endpoint,
    m1::{
        Decide, Decision, DecisionBody, Devices, Empty, EventBody, GetOutcome, OnMessageSent,
        PrepareRequest, SendMessage,
    },
};

use super::support::{Client, Cluster, DEADLINE};

/// An event that `sender`, of backend `name`, has built in `room` and that nobody else has heard of.
async fn unproposed(cluster: &Cluster, name: &str, sender: &Client, room: &str) -> String {
    cluster.block(name, "/send_message/");
    assert_eq!(sender.send(room, "unproposed", "unproposed").await.0, 504);
    cluster.unblock();
    cluster.read(name, "SELECT event FROM client_transactions WHERE transaction_id = 'unproposed'")
}

/// The answer of `to` to a call of `from`; `None`: it refused.
async fn call<E: Endpoint>(
    cluster: &Cluster,
    (from, to): (&str, &str),
    path: [&str; 2],
    request: &E::Request,
) -> Option<E::Response> {
    let to = <&ServerName>::try_from(to).unwrap();
    cluster.federation(from).await.call_endpoint::<E>(to, &path, request, DEADLINE).await.ok()
}

#[tokio::test]
async fn a_message_of_an_m1_room_cannot_be_shown_by_way_of_another_room() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    let other = alice.room("m1-2021", &[&bob, &carol]).await;
    let own = carol.room("m1-2021", &[&alice, &bob]).await;
    let event = RawValue::from_string(unproposed(&cluster, "c", &carol, &room).await).unwrap();
    let handed = EventBody { event: event.clone() };
    let to_owner = ("c", "a.test");
    call::<SendMessage>(&cluster, to_owner, [&other, "1"], &handed).await;
    let passed_on = PrepareRequest { event, devices: Devices::new() };
    let to_member = ("c", "b.test");
    call::<OnMessageSent>(&cluster, to_member, [&own, "$other"], &passed_on).await;
    assert_eq!(alice.send(&room, "1", "well").await.0, 200);
    for person in [alice, bob] {
        person.wait_for_text("well").await;
        assert_eq!(person.texts().await, ["well"]);
    }
}

#[tokio::test]
async fn who_is_in_another_room_of_the_owner_cannot_have_a_message_aborted() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let room = alice.room("m1", &[&bob]).await;
    let other = alice.room("m1", &[&carol]).await;
    let event = unproposed(&cluster, "b", &bob, &room).await;
    assert!(event.contains("unproposed"));
    let id: String = cluster.read("b", "SELECT event_id FROM client_transactions");
    let asked = call::<GetOutcome>(&cluster, ("c", "a.test"), [&other, &id], &Empty {}).await;
    assert_eq!(asked.and_then(|outcome| outcome.decision), Some(Decision::Abort));
    assert_eq!(bob.send(&room, "unproposed", "unproposed").await.0, 200);
    alice.wait_for_text("unproposed").await;
}

#[tokio::test]
async fn a_commit_that_a_member_cannot_take_does_not_hold_up_those_of_other_rooms() {
    let (mut cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    let other = alice.room("m1", &[&bob, &carol]).await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(alice.send(&room, "1", "lost").await.0, 200);
    cluster.stop("b").await;
    // As if the disk were new, as far as that room goes.
    for table in ["m1_prepared", "rooms", "room_memberships"] {
        cluster.damage("b", &format!("DELETE FROM {table} WHERE room_id = '{room}'"));
    }
    cluster.unblock();
    cluster.start("b").await;
    assert_eq!(alice.send(&other, "2", "through").await.0, 200);
    bob.wait_for_text("through").await;
}

#[tokio::test]
async fn the_owner_of_another_room_cannot_end_a_vote() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("m1").await;
    let own = carol.room("m1", &[&alice, &bob]).await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(alice.send(&room, "1", "kept").await.0, 200);
    let id: String = cluster.read("b", "SELECT event_id FROM m1_prepared");
    let abort = DecisionBody { decision: Decision::Abort };
    call::<Decide>(&cluster, ("c", "b.test"), [&own, &id], &abort).await;
    assert_eq!(cluster.read::<i64>("b", "SELECT count(*) FROM m1_prepared"), 1);
    cluster.unblock();
    bob.wait_for_text("kept").await;
}
