//! Settings of a room that are taken are obeyed: who may take part, whether it federates, what was
//! redacted; and what invites and joins that come to nothing leave behind.

use std::time::Duration;

use ruma::{ServerName, api::federation::backfill::get_backfill::v1 as get_backfill};
use serde_json::{Value, json};

use super::support::{Client, Cluster, DEADLINE};

/// The event with that id, as `reader` sees it.
async fn event(reader: &Client, room: &str, id: &Value) -> Value {
    let path = format!("/rooms/{room}/event/{}", id.as_str().unwrap());
    reader.get(&path).await.1
}

/// Waits until `reader` sees no more what the event said.
async fn is_redacted(reader: &Client, room: &str, id: &Value) -> Value {
    for _ in 0..500 {
        let event = event(reader, room, id).await;
        if event["content"] == json!({}) {
            return event;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} still sees it", reader.user_id);
}

async fn redact(person: &Client, room: &str, id: &Value, transaction: &str) -> (u16, Value) {
    let path = format!("/rooms/{room}/redact/{}/{transaction}", id.as_str().unwrap());
    person.put(&path, json!({ "reason": "a slip" })).await
}

#[tokio::test]
async fn a_redaction_takes_the_content_away_from_everybody_and_from_what_others_are_told() {
    for delivery in ["eventual", "m1"] {
        let (cluster, [alice, bob, carol], room) = Cluster::three(delivery).await;
        let (_, sent) = bob.send(&room, "1", "secret").await;
        let id = &sent["event_id"];
        carol.wait_for_text("secret").await;
        let (status, refused) = redact(&carol, &room, id, "carols").await;
        assert!((400..500).contains(&status), "{refused}");
        let (status, redaction) = redact(&alice, &room, id, "alices").await;
        assert_eq!(status, 200, "{redaction}");
        for person in [&alice, &bob, &carol] {
            let left = is_redacted(person, &room, id).await;
            let because = &left["unsigned"]["redacted_because"];
            assert_eq!(because["event_id"], redaction["event_id"], "{left}");
            assert_eq!(because["redacts"], *id);
        }
        for name in ["a", "b", "c"] {
            let secrets = "SELECT count(*) FROM events WHERE json LIKE '%secret%'";
            assert_eq!(cluster.read::<i64>(name, secrets), 0, "{name}");
        }
        let request = get_backfill::Request::new(
            room.as_str().try_into().unwrap(),
            vec![id.as_str().unwrap().try_into().unwrap()],
            ruma::uint!(1),
        );
        let to = <&ServerName>::try_from("a.test").unwrap();
        let told = cluster.federation("b").await.call(to, request, DEADLINE).await.unwrap();
        assert!(!told.pdus[0].get().contains("secret"));
    }
}

#[tokio::test]
async fn a_redaction_that_comes_before_its_target_holds_all_the_same() {
    let (cluster, [alice, bob, carol], room) = Cluster::three("eventual").await;
    cluster.wait_for_count("b", "SELECT count(*) FROM outgoing", 0).await;
    cluster.block("b", "/send/");
    let (_, sent) = bob.send(&room, "1", "secret").await;
    let (status, redaction) = redact(&alice, &room, &sent["event_id"], "2").await;
    assert_eq!(status, 200, "{redaction}");
    cluster.wait_for_count("c", "SELECT count(*) FROM redactions", 1).await;
    cluster.unblock();
    for person in [&alice, &carol] {
        let left = is_redacted(person, &room, &sent["event_id"]).await;
        assert_eq!(left["unsigned"]["redacted_because"]["event_id"], redaction["event_id"]);
    }
    let told = "SELECT count(*) FROM notifications WHERE event LIKE '%secret%'";
    assert_eq!(cluster.read::<i64>("c", told), 0);
}

#[tokio::test]
async fn before_version_11_a_redaction_says_beside_its_content_what_it_redacts() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let (_, made) = alice.post("/createRoom", json!({ "room_version": "10" })).await;
    let room = made["room_id"].as_str().unwrap().to_owned();
    let (_, sent) = alice.send(&room, "1", "old").await;
    let (status, redaction) = redact(&alice, &room, &sent["event_id"], "2").await;
    assert_eq!(status, 200, "{redaction}");
    is_redacted(&alice, &room, &sent["event_id"]).await;
    let shown = event(&alice, &room, &redaction["event_id"]).await;
    assert_eq!(shown["redacts"], sent["event_id"], "{shown}");
    assert!(shown["content"].get("redacts").is_none());
}

#[tokio::test]
async fn a_server_that_the_room_denies_can_neither_send_nor_join_nor_ask() {
    let cluster = Cluster::of(&["a", "b", "c"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("b", "bob").await);
    let (ben, carol) = (cluster.user("b", "ben").await, cluster.user("c", "carol").await);
    let room = alice.room("eventual", &[&bob, &carol]).await;
    let acl = json!({ "allow": ["*"], "deny": ["b.*"] });
    let path = format!("/rooms/{room}/state/m.room.server_acl/");
    assert_eq!(alice.put(&path, acl).await.0, 200);
    let known = "SELECT count(*) FROM current_state WHERE kind = 'm.room.server_acl'";
    for name in ["b", "c"] {
        cluster.wait_for_count(name, known, 1).await;
    }
    bob.send(&room, "1", "denied").await;
    ben.post(&format!("/join/{room}?via=a.test"), json!({})).await;
    cluster.wait_for_count("b", "SELECT count(*) FROM outgoing", 0).await;
    assert_eq!(carol.send(&room, "2", "allowed").await.0, 200);
    alice.wait_for_text("allowed").await;
    assert_eq!(alice.texts().await, ["allowed"]);
    assert_eq!(carol.texts().await, ["allowed"]);
    let request =
        get_backfill::Request::new(room.as_str().try_into().unwrap(), Vec::new(), ruma::uint!(10));
    let to = <&ServerName>::try_from("a.test").unwrap();
    assert!(cluster.federation("b").await.call(to, request, DEADLINE).await.is_err());
}

#[tokio::test]
async fn a_room_that_does_not_federate_lets_nobody_of_another_server_in() {
    let (_cluster, [alice, bob, _carol]) = Cluster::of_three().await;
    let body = json!({
        "preset": "public_chat",
        "creation_content": {
            "m.federate": false, "type": "org.example.kind", "creator": "@eve:b.test",
            "predecessor": { "room_id": "!old:a.test", "event_id": "$old" },
        },
    });
    let (_, made) = alice.post("/createRoom", body).await;
    let room = made["room_id"].as_str().unwrap();
    let (status, _) = bob.post(&format!("/join/{room}?via=a.test"), json!({})).await;
    assert_eq!(status, 403);
    let (_, created) = alice.get(&format!("/rooms/{room}/state/m.room.create/")).await;
    assert_eq!(created["m.federate"], false);
    assert_eq!(created["predecessor"]["room_id"], "!old:a.test");
    assert!(created.get("creator").is_none(), "{created}");
}

#[tokio::test]
async fn an_invite_whose_server_is_dead_can_be_rejected() {
    let (cluster, [alice, bob, _carol]) = Cluster::of_three().await;
    let invite = json!({ "invite": [bob.user_id] });
    let (_, made) = alice.post("/createRoom", invite).await;
    let room = made["room_id"].as_str().unwrap().to_owned();
    cluster.stop("a").await;
    let (status, answer) = bob.post(&format!("/rooms/{room}/leave"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let (_, synced) = bob.get("/sync").await;
    assert_eq!(synced["rooms"]["invite"], json!({}), "{synced}");
}

#[tokio::test]
async fn an_invite_that_was_taken_back_is_gone() {
    let (cluster, [alice, bob, _carol]) = Cluster::of_three().await;
    let (_, made) = alice.post("/createRoom", json!({ "invite": [bob.user_id] })).await;
    let room = made["room_id"].as_str().unwrap().to_owned();
    cluster.wait_for_count("b", "SELECT count(*) FROM invites", 1).await;
    let kick = json!({ "user_id": bob.user_id });
    let (status, answer) = alice.post(&format!("/rooms/{room}/kick"), kick).await;
    assert_eq!(status, 200, "{answer}");
    cluster.wait_for_count("b", "SELECT count(*) FROM invites", 0).await;
    let (_, synced) = bob.get("/sync").await;
    assert_eq!(synced["rooms"]["invite"], json!({}), "{synced}");
}

#[tokio::test]
async fn a_room_whose_invitee_cannot_be_reached_is_made_once_and_with_200() {
    let (cluster, [alice, bob, _carol]) = Cluster::of_three().await;
    cluster.stop("b").await;
    let body = json!({ "invite": [bob.user_id, "@nobody:nowhere.test"] });
    let (status, answer) = alice.post("/createRoom", body).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["room_id"].is_string());
}

#[tokio::test]
async fn a_join_is_finished_while_a_bystander_is_down() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let room = alice.room("m1", &[&bob]).await;
    assert_eq!(alice.send(&room, "1", "before").await.0, 200);
    cluster.stop("b").await;
    let (status, answer) = carol.post(&format!("/join/{room}?via=a.test"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(cluster.read::<i64>("c", "SELECT count(*) FROM pending_joins"), 0);
}

#[tokio::test]
async fn a_join_whose_answer_is_lost_is_withdrawn_and_the_room_goes_on() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let room = alice.room("m1", &[&bob]).await;
    cluster.block("a", "auth_chain");
    let (status, answer) = carol.post(&format!("/join/{room}?via=a.test"), json!({})).await;
    assert_eq!(status, 502, "{answer}");
    let members = "SELECT count(*) FROM room_memberships WHERE membership = 'join'";
    cluster.wait_for_count("a", members, 2).await;
    cluster.wait_for_count("c", "SELECT count(*) FROM pending_joins", 0).await;
    cluster.unblock();
    assert_eq!(alice.send(&room, "1", "goes on").await.0, 200);
    bob.wait_for_text("goes on").await;
}

#[tokio::test]
async fn a_user_has_only_so_many_invites_and_each_brings_only_so_much() {
    let (mut cluster, [alice, bob, _carol]) = Cluster::of_three().await;
    let big = json!({ "invite": [bob.user_id], "name": "x".repeat(60_000) });
    assert_eq!(alice.post("/createRoom", big).await.0, 200);
    let bytes = "SELECT max(length(stripped_state)) FROM invites";
    assert!((1..40_000).contains(&cluster.read::<i64>("b", bytes)));
    cluster.stop("b").await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
        INSERT INTO invites SELECT '!' || i || ':a.test', '@bob:b.test', '@alice:a.test',
            '$' || i, '11', '[]', 0 FROM n";
    cluster.damage("b", many);
    cluster.start("b").await;
    let one_more = json!({ "invite": [bob.user_id] });
    assert_eq!(alice.post("/createRoom", one_more).await.0, 200);
    assert_eq!(cluster.read::<i64>("b", "SELECT count(*) FROM invites"), 200);
}
