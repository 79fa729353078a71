//! The policy `m1` where events come in other ways than the owner means, or are lost.

use ruma::{
    ServerName, api::federation::transactions::send_transaction_message::v1 as send_transaction,
};
use serde_json::{Value, json, value::RawValue};
use transport::endpoints::m1::{GetUserClients, Users};

use super::support::{Client, Cluster, DEADLINE};

/// Has `person` change the power levels of the room.
async fn change_levels(person: &Client, room: &str, change: impl FnOnce(&mut Value)) {
    let path = format!("/rooms/{room}/state/m.room.power_levels/");
    let (_, mut levels) = person.get(&path).await;
    change(&mut levels);
    let (status, answer) = person.put(&path, levels).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_commit_shows_what_came_in_otherwise_and_was_refused_then() {
    let (mut cluster, [_alice, bob, carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(carol.send(&room, "1", "late").await.0, 200);
    cluster.stop("b").await;
    let refused = "INSERT INTO events
            (event_id, room_id, depth, json, state_before, state_after, soft_failed)
        SELECT event_id, room_id, 100, event, current_group, current_group, 1
        FROM m1_prepared JOIN rooms USING (room_id)";
    cluster.damage("b", refused);
    cluster.unblock();
    cluster.start("b").await;
    bob.wait_for_text("late").await;
}

#[tokio::test]
async fn a_refusal_is_recorded_before_it_is_told() {
    let (cluster, [alice, _bob, carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/send/");
    change_levels(&alice, &room, |levels| levels["events_default"] = 50.into()).await;
    let (status, error) = carol.send(&room, "1", "no").await;
    assert_eq!((status, &error["errcode"]), (409, &json!("ORG.FEDSIM.REFUSED")));
    let recorded = "SELECT count(*) FROM m1_decisions JOIN m1_answers USING (event_id)
        WHERE decision = 'abort'";
    assert_eq!(cluster.read::<i64>("a", recorded), 1);
}

#[tokio::test]
async fn a_backend_that_lost_what_it_voted_for_gets_it_again() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("m1").await;
    cluster.block("a", "/decision/");
    cluster.block("b", "/outcome/");
    assert_eq!(alice.send(&room, "1", "found").await.0, 200);
    cluster.stop("b").await;
    cluster.damage("b", "DELETE FROM m1_prepared");
    cluster.unblock();
    cluster.start("b").await;
    bob.wait_for_text("found").await;
    cluster.wait_for_count("a", "SELECT count(*) FROM m1_commits", 0).await;
}

#[tokio::test]
async fn a_message_that_comes_past_the_owner_is_refused() {
    let (cluster, [_alice, bob, carol], room) = Cluster::three("m1").await;
    cluster.block("c", "/send_message/");
    assert_eq!(carol.send(&room, "1", "past").await.0, 504);
    let event: String = cluster.read("c", "SELECT event FROM client_transactions");
    let mut request = send_transaction::Request::new(
        "1".into(),
        "c.test".try_into().unwrap(),
        ruma::MilliSecondsSinceUnixEpoch(ruma::uint!(1)),
    );
    request.pdus = vec![RawValue::from_string(event).unwrap()];
    let to = <&ServerName>::try_from("b.test").unwrap();
    let answer = cluster.federation("c").await.call(to, request, DEADLINE).await.unwrap();
    assert!(answer.pdus.values().all(Result::is_err) && answer.pdus.len() == 1);
    assert!(bob.texts().await.is_empty());
}

#[tokio::test]
async fn only_who_shares_a_room_with_users_is_told_their_devices() {
    let cluster = Cluster::of(&["a", "b", "c"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("b", "bob").await);
    alice.room("m1-2021", &[&bob]).await;
    let to = <&ServerName>::try_from("b.test").unwrap();
    let users = Users { users: vec![bob.user_id.clone()] };
    for (asker, told) in [("a", 1), ("c", 0)] {
        let federation = cluster.federation(asker).await;
        let answer = federation.call_endpoint::<GetUserClients>(to, &[], &users, DEADLINE).await;
        assert_eq!(answer.unwrap().len(), told, "{asker}");
    }
}
