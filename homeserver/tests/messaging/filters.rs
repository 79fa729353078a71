//! Filters: of all that is new, a device is told what it wants.

use serde_json::{Value, json};

use super::support::{Client, Cluster};

/// A room of alice and bob on one server.
async fn alice_and_bob() -> (Cluster, Client, Client, String) {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    (cluster, alice, bob, room)
}

async fn react(client: &Client, room: &str, transaction: &str) {
    let path = format!("/rooms/{room}/send/m.reaction/{transaction}");
    assert_eq!(client.put(&path, json!({ "n": transaction })).await.0, 200);
}

fn texts(events: &Value) -> Vec<&str> {
    let events = events["events"].as_array().unwrap().iter();
    events.map(|event| event["content"]["body"].as_str().unwrap_or("-")).collect()
}

fn kinds(events: &Value) -> Vec<&str> {
    let events = events["events"].as_array().unwrap().iter();
    events.map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_timeline_has_what_is_wanted_of_it_and_the_limit_counts_that_alone() {
    let (_cluster, alice, bob, room) = alice_and_bob().await;
    for (sender, text) in [(&alice, "1"), (&alice, "2"), (&bob, "no"), (&alice, "3")] {
        sender.send(&room, text, text).await;
        react(sender, &room, &format!("{text}r")).await;
    }
    let timeline = async |wanted: Value| {
        let filter = json!({ "room": { "timeline": wanted } });
        alice.sync_with("", &filter).await["rooms"]["join"][&room]["timeline"].take()
    };
    let two = json!({
        "types": ["m.room.mess*"], "not_types": ["m.reaction"], "not_senders": [bob.user_id],
        "limit": 2,
    });
    let two = timeline(two).await;
    assert_eq!((texts(&two), &two["limited"]), (vec!["2", "3"], &json!(true)));
    let of_bob = timeline(json!({ "senders": [bob.user_id], "types": ["m.room.message"] })).await;
    assert_eq!((texts(&of_bob), &of_bob["limited"]), (vec!["no"], &json!(false)));
    assert_eq!(texts(&timeline(json!({ "not_rooms": [room] })).await), [""; 0]);
    let path = format!("/rooms/{room}/messages?dir=b&limit=2");
    let wanted = json!({ "types": ["m.room.message"], "not_senders": [bob.user_id] });
    let (_, mut page) = alice.get(&Client::filtered(&path, &wanted)).await;
    page["events"] = page["chunk"].take();
    assert_eq!(texts(&page), ["3", "2"]);
}

#[tokio::test]
async fn a_room_that_is_not_wanted_is_not_told_of() {
    let (_cluster, alice, _, room) = alice_and_bob().await;
    let other = alice.room("eventual", &[]).await;
    for wanted in [json!({ "rooms": [other] }), json!({ "not_rooms": [room] })] {
        let synced = alice.sync_with("", &json!({ "room": wanted })).await;
        let rooms: Vec<_> = synced["rooms"]["join"].as_object().unwrap().keys().collect();
        assert_eq!(rooms, [&other]);
    }
}

#[tokio::test]
async fn a_sync_goes_on_waiting_while_nothing_that_it_wants_comes() {
    let (_cluster, alice, bob, room) = alice_and_bob().await;
    let since = bob.synced().await;
    let filter = json!({ "room": {
        "timeline": { "types": ["m.room.message"] }, "ephemeral": { "types": [] },
    } });
    let speak = async {
        let typing = format!("/rooms/{room}/typing/{}", alice.user_id);
        alice.put(&typing, json!({ "typing": true, "timeout": 30000 })).await;
        react(&alice, &room, "r").await;
        alice.send(&room, "1", "hello").await;
    };
    let waiting = format!("since={since}&timeout=20000");
    let (synced, ()) = tokio::join!(bob.sync_with(&waiting, &filter), speak);
    let synced = &synced["rooms"]["join"][&room];
    assert_eq!(texts(&synced["timeline"]), ["hello"]);
    assert_eq!(synced["ephemeral"]["events"], json!([]));
}

#[tokio::test]
async fn state_account_data_and_presence_are_told_as_far_as_they_are_wanted() {
    let (_cluster, alice, bob, room) = alice_and_bob().await;
    for kind in ["org.example.a", "org.other.b"] {
        let path = format!("/user/{}/account_data/{kind}", alice.user_id);
        alice.put(&path, json!({})).await;
        let path = format!("/user/{}/rooms/{room}/account_data/{kind}", alice.user_id);
        alice.put(&path, json!({})).await;
    }
    let presence = format!("/presence/{}/status", bob.user_id);
    bob.put(&presence, json!({ "presence": "online" })).await;
    for text in ["1", "2"] {
        alice.send(&room, text, text).await;
    }
    let some = json!({ "types": ["org.example.*"] });
    let filter = json!({
        "account_data": some,
        "presence": { "not_senders": [bob.user_id] },
        "room": {
            "account_data": some,
            "timeline": { "limit": 1 },
            "state": { "types": ["m.room.create", "m.room.member"], "not_senders": [bob.user_id] },
        },
    });
    let synced = alice.sync_with("", &filter).await;
    let here = &synced["rooms"]["join"][&room];
    assert_eq!(kinds(&here["state"]), ["m.room.create", "m.room.member"]);
    assert_eq!(kinds(&here["account_data"]), ["org.example.a"]);
    assert_eq!(kinds(&synced["account_data"]), ["org.example.a"]);
    assert_eq!(kinds(&synced["presence"]), [""; 0]);
    let all = alice.get("/sync").await.1;
    assert_eq!(kinds(&all["presence"]), ["m.presence"]);
}

#[tokio::test]
async fn a_room_that_was_left_is_told_as_it_was_then_to_whoever_wants_such_rooms() {
    let (_cluster, alice, bob, room) = alice_and_bob().await;
    alice.send(&room, "1", "before").await;
    assert_eq!(bob.post(&format!("/rooms/{room}/leave"), json!({})).await.0, 200);
    alice.send(&room, "2", "after").await;
    alice.put(&format!("/rooms/{room}/state/m.room.topic"), json!({ "topic": "bob" })).await;
    let left = async |include: bool| {
        let filter = json!({ "room": {
            "include_leave": include, "timeline": { "types": ["m.room.message"] },
        } });
        bob.sync_with("", &filter).await["rooms"]["leave"].take()
    };
    assert_eq!(left(false).await, json!({}));
    let left = left(true).await;
    assert_eq!(texts(&left[&room]["timeline"]), ["before"]);
    let kinds = kinds(&left[&room]["state"]);
    assert!(kinds.contains(&"m.room.create") && !kinds.contains(&"m.room.topic"), "{kinds:?}");
}

#[tokio::test]
async fn an_event_has_the_fields_that_are_wanted_of_it() {
    let (_cluster, alice, _, room) = alice_and_bob().await;
    alice.send(&room, "1", "hello").await;
    let filter = json!({
        "event_fields": ["type", "content.body"], "room": { "timeline": { "limit": 1 } },
    });
    let synced = alice.sync_with("", &filter).await;
    let event = &synced["rooms"]["join"][&room]["timeline"]["events"][0];
    assert_eq!(*event, json!({ "type": "m.room.message", "content": { "body": "hello" } }));
}

#[tokio::test]
async fn a_malformed_filter_is_refused_with_its_place_before_it_is_kept_and_where_it_is_given() {
    let (_cluster, alice, _, room) = alice_and_bob().await;
    let bad = json!({ "room": { "timeline": { "senders": ["bob"] } } });
    let path = format!("/user/{}/filter", alice.user_id);
    let (status, error) = alice.post(&path, bad.clone()).await;
    assert_eq!((status, &error["errcode"]), (400, &json!("M_BAD_JSON")));
    assert!(error["error"].as_str().unwrap().contains("`room.timeline.senders[0]`"), "{error}");
    let large = json!({ "room": { "rooms": vec![room.clone(); 600] } });
    assert_eq!(alice.post(&path, large).await.0, 400);
    let messages = format!("/rooms/{room}/messages?dir=b");
    for (path, bad) in [("/sync?", bad), (&*messages, json!({ "types": 7 }))] {
        let (status, error) = alice.get(&Client::filtered(path, &bad)).await;
        assert_eq!((status, &error["errcode"]), (400, &json!("M_INVALID_PARAM")), "{path}");
    }
    assert_eq!(alice.get("/sync?filter=77").await.0, 404);
}

#[tokio::test]
async fn whose_devices_a_user_must_know_is_told_also_to_who_wants_no_members() {
    let (cluster, alice, bob, room) = alice_and_bob().await;
    let carol = cluster.user("a", "carol").await;
    let path = format!("/rooms/{room}/state/m.room.encryption/");
    alice.put(&path, json!({ "algorithm": "m.megolm.v1.aes-sha2" })).await;
    let since = format!("since={}", bob.synced().await);
    alice.post(&format!("/rooms/{room}/invite"), json!({ "user_id": carol.user_id })).await;
    assert_eq!(carol.post(&format!("/rooms/{room}/join"), json!({})).await.0, 200);
    let none = json!({ "types": [] });
    let filter = json!({ "room": { "timeline": none, "state": none } });
    let synced = bob.sync_with(&since, &filter).await;
    assert_eq!(synced["device_lists"]["changed"], json!([carol.user_id]));
    carol.post(&format!("/rooms/{room}/leave"), json!({})).await;
    let since = format!("since={}", synced["next_batch"].as_str().unwrap());
    let synced = bob.sync_with(&since, &filter).await;
    assert_eq!(synced["device_lists"]["left"], json!([carol.user_id]));
}
