//! Who may see what, and what clients are told of a room's state.

use serde_json::{Value, json};

use super::support::{Client, Cluster};

async fn alice_and_bob() -> (Cluster, Client, Client) {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    (cluster, alice, bob)
}

/// A room of `client` that others must be invited to, and what its past is shown to.
async fn private_room(client: &Client, visibility: &str) -> String {
    let body = json!({ "initial_state": [{
        "type": "m.room.history_visibility", "state_key": "",
        "content": { "history_visibility": visibility },
    }] });
    let (status, answer) = client.post("/createRoom", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["room_id"].as_str().unwrap().to_owned()
}

async fn does(client: &Client, room: &str, what: &str, body: Value) {
    let (status, answer) = client.post(&format!("/rooms/{room}/{what}"), body).await;
    assert_eq!(status, 200, "{what}: {answer}");
}

fn texts(events: &Value) -> Vec<String> {
    let texts = events.as_array().unwrap().iter();
    texts.filter_map(|event| event["content"]["body"].as_str().map(str::to_owned)).collect()
}

/// The texts that the first sync and the pages of a room have for a user.
async fn readable(client: &Client, room: &str) -> [Vec<String>; 2] {
    let (_, synced) = client.get("/sync").await;
    let (_, pages) = client.get(&format!("/rooms/{room}/messages?dir=f&limit=100")).await;
    let timeline = &synced["rooms"]["join"][room]["timeline"]["events"];
    [texts(timeline), texts(&pages["chunk"])]
}

#[tokio::test]
async fn the_visibility_of_the_past_is_obeyed_by_every_reader() {
    let (_cluster, alice, bob) = alice_and_bob().await;
    for (visibility, seen) in [("shared", 3), ("world_readable", 3), ("invited", 2), ("joined", 1)]
    {
        let room = private_room(&alice, visibility).await;
        let (_, first) = alice.send(&room, "1", "before the invite").await;
        does(&alice, &room, "invite", json!({ "user_id": bob.user_id })).await;
        alice.send(&room, "2", "before the join").await;
        does(&bob, &room, "join", json!({})).await;
        alice.send(&room, "3", "after the join").await;
        let all = ["before the invite", "before the join", "after the join"];
        let expected = || all[3 - seen..].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(readable(&bob, &room).await, [expected(), expected()], "{visibility}");
        let id = first["event_id"].as_str().unwrap();
        let status = bob.get(&format!("/rooms/{room}/event/{id}")).await.0;
        assert_eq!(status, if seen == 3 { 200 } else { 404 }, "{visibility}");
        // What is nearest to the beginning is somebody's join, but for who may not see that.
        let nearest = format!("//_matrix/client/v1/rooms/{room}/timestamp_to_event?ts=0&dir=f");
        let (status, nearest) = bob.get(&nearest).await;
        assert_eq!(status, 200, "{nearest}");
        let id = nearest["event_id"].as_str().unwrap();
        assert_eq!(bob.get(&format!("/rooms/{room}/event/{id}")).await.0, 200, "{visibility}");
    }
}

#[tokio::test]
async fn who_was_invited_and_removed_sees_that_and_nothing_else() {
    let (_cluster, alice, bob) = alice_and_bob().await;
    for removal in ["kick", "ban"] {
        let room = private_room(&alice, "shared").await;
        let since = bob.synced().await;
        does(&alice, &room, "invite", json!({ "user_id": bob.user_id })).await;
        alice.send(&room, "1", "secret").await;
        does(&alice, &room, removal, json!({ "user_id": bob.user_id })).await;
        let (_, synced) = bob.get(&format!("/sync?since={since}")).await;
        let left = &synced["rooms"]["leave"][&room];
        let events = left["timeline"]["events"].as_array().unwrap();
        assert!(events.iter().all(|event| event["state_key"] == bob.user_id), "{events:?}");
        assert_eq!(events.last().unwrap()["sender"], alice.user_id);
        assert_eq!(left["state"]["events"], json!([]));
        for what in ["messages?dir=b", "state", "members", "state/m.room.create"] {
            assert_eq!(bob.get(&format!("/rooms/{room}/{what}")).await.0, 403, "{removal} {what}");
        }
    }
}

#[tokio::test]
async fn everybody_reads_what_the_world_may() {
    let (_cluster, alice, bob) = alice_and_bob().await;
    let room = private_room(&alice, "world_readable").await;
    alice.send(&room, "1", "to whom it may concern").await;
    let (status, page) = bob.get(&format!("/rooms/{room}/messages?dir=b")).await;
    assert_eq!((status, texts(&page["chunk"])), (200, vec!["to whom it may concern".to_owned()]));
    assert_eq!(bob.get(&format!("/rooms/{room}/state")).await.0, 200);
    assert_eq!(bob.get("/sync").await.1["rooms"]["join"], json!({}));
}

#[tokio::test]
async fn other_servers_get_the_past_without_what_their_users_may_not_see() {
    let cluster = Cluster::of(&["a", "b"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("b", "bob").await);
    let room = private_room(&alice, "joined").await;
    alice.send(&room, "1", "secret").await;
    does(&alice, &room, "invite", json!({ "user_id": bob.user_id })).await;
    let (status, answer) = bob.post(&format!("/join/{room}?via=a.test"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    alice.send(&room, "2", "hello").await;
    bob.wait_for_text("hello").await;
    // The last page has b ask a for what came before.
    let mut from = String::new();
    for _ in 0..10 {
        let (_, page) = bob.get(&format!("/rooms/{room}/messages?dir=b&limit=100{from}")).await;
        let Some(end) = page["end"].as_str() else { break };
        from = format!("&from={end}");
    }
    let known = "SELECT count(*) FROM timeline JOIN events USING (event_id)
                 WHERE position < 0 AND json LIKE '%m.room.message%'";
    assert_eq!(cluster.read::<i64>("b", known), 1);
    let secrets = "SELECT count(*) FROM events WHERE json LIKE '%secret%'";
    assert_eq!(cluster.read::<i64>("b", secrets), 0);
    assert_eq!(readable(&bob, &room).await, [["hello"], ["hello"]]);
}

#[tokio::test]
async fn a_restricted_room_lets_in_whom_it_names_and_nobody_else() {
    let (cluster, alice, bob) = alice_and_bob().await;
    let carol = cluster.user("a", "carol").await;
    let club = alice.room("eventual", &[&bob]).await;
    let allow = json!([{ "type": "m.room_membership", "room_id": club }]);
    let rule = json!({ "join_rule": "restricted", "allow": allow });
    let body = json!({ "initial_state": [
        { "type": "m.room.join_rules", "state_key": "", "content": rule },
    ] });
    let (_, answer) = alice.post("/createRoom", body).await;
    let room = answer["room_id"].as_str().unwrap();
    let forged = json!({
        "membership": "join", "join_authorised_via_users_server": alice.user_id,
    });
    let path = format!("/rooms/{room}/state/m.room.member/{}", carol.user_id);
    assert_eq!(carol.put(&path, forged).await.0, 403);
    assert_eq!(carol.post(&format!("/rooms/{room}/join"), json!({})).await.0, 403);
    does(&bob, room, "join", json!({})).await;
}

#[tokio::test]
async fn a_state_change_that_the_timeline_leaves_out_is_told_as_state() {
    let (_cluster, alice, bob) = alice_and_bob().await;
    let room = alice.room("eventual", &[&bob]).await;
    let since = bob.synced().await;
    alice.put(&format!("/rooms/{room}/state/m.room.topic"), json!({ "topic": "boats" })).await;
    for text in ["1", "2", "3"] {
        alice.send(&room, text, text).await;
    }
    let filter = "%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:2%7D%7D%7D";
    let (_, synced) = bob.get(&format!("/sync?since={since}&filter={filter}")).await;
    let synced = &synced["rooms"]["join"][&room];
    assert_eq!(synced["timeline"]["limited"], true);
    assert_eq!(synced["state"]["events"][0]["content"]["topic"], "boats");
    assert_eq!(synced["state"]["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_whole_state_is_told_to_who_asks_for_it_also_of_a_quiet_room() {
    let (_cluster, alice, _) = alice_and_bob().await;
    let room = alice.room("eventual", &[]).await;
    let since = alice.synced().await;
    let path = format!("/sync?since={since}&full_state=true&timeout=30000");
    let (_, synced) = alice.get(&path).await;
    let state = synced["rooms"]["join"][&room]["state"]["events"].as_array().unwrap();
    let (_, whole) = alice.get(&format!("/rooms/{room}/state")).await;
    assert_eq!(state.len(), whole.as_array().unwrap().len());
}

#[tokio::test]
async fn the_sending_device_knows_its_message_by_its_transaction_id_wherever_it_reads() {
    let (_cluster, alice, bob) = alice_and_bob().await;
    let room = alice.room("eventual", &[&bob]).await;
    let (other, mut socket) = (alice.another_device().await, alice.open_socket().await);
    let (_, sent) = alice.send(&room, "mine", "hello").await;
    let id = sent["event_id"].as_str().unwrap();
    for (client, known) in [(&alice, json!("mine")), (&other, Value::Null), (&bob, Value::Null)] {
        let (_, page) = client.get(&format!("/rooms/{room}/messages?dir=b&limit=1")).await;
        let (_, event) = client.get(&format!("/rooms/{room}/event/{id}")).await;
        let (_, notification) = client.get("//notifications/last").await;
        for shown in [&page["chunk"][0], &event, &notification["payload"][0]] {
            assert_eq!(shown["event_id"], id);
            assert_eq!(shown["unsigned"]["transaction_id"], known);
        }
    }
    assert_eq!(socket.next().await["payload"][0]["unsigned"]["transaction_id"], "mine");
}
