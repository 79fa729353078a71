//! What a server takes passes every later stage, and what it holds malformed costs itself alone.

use serde_json::{Value, json};

use super::support::{Client, Cluster};

/// An array in an array in an array.
fn nested(depth: usize) -> Value {
    serde_json::from_str(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap()
}

/// The status of a message with this content.
async fn status(sender: &Client, room: &str, id: &str, content: Value) -> u16 {
    sender.put(&format!("/rooms/{room}/send/m.room.message/{id}"), content).await.0
}

#[tokio::test]
async fn content_that_no_later_stage_could_handle_is_refused_and_not_stored() {
    let (cluster, [alice, bob, _carol], room) = Cluster::three("eventual").await;
    let wide: Value = (0..5000).map(|key| (key.to_string(), json!(1))).collect();
    let before: i64 = cluster.read("a", "SELECT count(*) FROM events");
    let bad =
        [nested(50), nested(120), json!(1.5), json!(1_u64 << 53), wide, json!("x".repeat(65_000))];
    for (number, content) in bad.into_iter().enumerate() {
        let content = json!({ "msgtype": "m.text", "body": "bad", "content": content });
        let got = status(&alice, &room, &number.to_string(), content.clone()).await;
        assert!((400..500).contains(&got), "{number}: {got}");
        let state = format!("/rooms/{room}/state/org.example/{number}");
        let got = alice.put(&state, content.clone()).await.0;
        assert!((400..500).contains(&got), "state {number}: {got}");
        let initial = json!([{ "type": "org.example", "content": content }]);
        let got = alice.post("/createRoom", json!({ "initial_state": initial })).await.0;
        assert!((400..500).contains(&got), "createRoom {number}: {got}");
    }
    assert_eq!(cluster.read::<i64>("a", "SELECT count(*) FROM events"), before);
    assert_eq!(status(&alice, &room, "deep", json!({ "body": "", "deep": nested(40) })).await, 200);
    assert_eq!(alice.send(&room, "last", "last").await.0, 200);
    bob.wait_for_text("last").await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_said_to_be() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let large = json!({ "msgtype": "m.text", "body": "x".repeat(65_000) });
    let paths = [
        format!("/rooms/{room}/send/m.room.message/1"),
        format!("/rooms/{room}/state/org.example/1"),
    ];
    for path in paths {
        let (status, error) = alice.put(&path, large.clone()).await;
        assert_eq!((status, &error["errcode"]), (413, &json!("M_TOO_LARGE")), "{path}");
        assert!(error["error"].as_str().unwrap().contains("65535 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_message_to_a_device_that_is_too_large_is_said_to_be_and_another_goes_the_same_way() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    for (bytes, expected) in [(65_500, 413), (65_000, 200)] {
        let content = json!({ "secret": "x".repeat(bytes) });
        let body = json!({ "messages": { &alice.user_id: { "*": content } } });
        let (status, answer) = alice.put("/sendToDevice/m.test/1", body).await;
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(cluster.read::<i64>("a", "SELECT count(*) FROM to_device"), 1);
}

#[tokio::test]
async fn what_travels_beside_events_is_no_deeper_than_an_event() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    for (depth, expected) in [(50, 400), (40, 200)] {
        let content = json!({ "deep": nested(depth) });
        let body = json!({ "messages": { &alice.user_id: { "*": content } } });
        let (status, answer) = alice.put("/sendToDevice/m.test/1", body).await;
        assert_eq!(status, expected, "{answer}");
        let key = json!({ "key": "AAAA", "signatures": {}, "deep": nested(depth) });
        let body = json!({ "one_time_keys": { "signed_curve25519:A": key } });
        let (status, answer) = alice.post("/keys/upload", body).await;
        assert_eq!(status, expected, "{answer}");
    }
}

#[tokio::test]
async fn an_edu_that_cannot_be_sent_costs_none_that_is_queued_with_it() {
    let (mut cluster, [_alice, bob, _carol], _room) = Cluster::three("eventual").await;
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing_edus", 0).await;
    cluster.stop("a").await;
    let deep = "[".repeat(70) + &"]".repeat(70);
    let contents = ["1", &deep, "3", "4"];
    let queued = contents.iter().enumerate().map(|(number, content)| {
        let edu = format!(
            r#"{{"edu_type":"m.direct_to_device","content":{{"sender":"@alice:a.test",
            "type":"m.test","message_id":"{number}",
            "messages":{{"@bob:b.test":{{"*":{{"secret":{content}}}}}}}}}}}"#
        );
        format!("INSERT INTO outgoing_edus (destination, json) VALUES ('b.test', '{edu}')")
    });
    let malformed = "INSERT INTO outgoing_edus (destination, json) VALUES ('b.test', '{')";
    queued.chain([malformed.to_owned()]).for_each(|sql| cluster.damage("a", &sql));
    cluster.start("a").await;
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing_edus", 0).await;
    let (_, synced) = bob.get("/sync").await;
    let events = synced["to_device"]["events"].as_array().unwrap();
    let secrets: Vec<_> = events.iter().map(|event| &event["content"]["secret"]).collect();
    assert_eq!(secrets, [1, 3, 4]);
    let aside =
        "SELECT json LIKE '%[[[%' FROM outgoing_edus_set_aside WHERE destination = 'b.test'";
    assert_eq!(cluster.read::<i64>("a", aside), 1);
}

#[tokio::test]
async fn a_piece_of_state_that_is_stored_malformed_can_be_replaced() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("eventual").await;
    let topic = format!("/rooms/{room}/state/m.room.topic/");
    assert_eq!(alice.put(&topic, json!({ "topic": "spoilt" })).await.0, 200);
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing", 0).await;
    cluster.stop("a").await;
    cluster.damage("a", "UPDATE events SET json = '{\"a\":[' WHERE json LIKE '%spoilt%'");
    cluster.start("a").await;
    let (status, answer) = alice.put(&topic, json!({ "topic": "new" })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(alice.send(&room, "after", "after").await.0, 200);
    bob.wait_for_text("after").await;
    assert_eq!(alice.get(&topic).await.1, json!({ "topic": "new" }));
}

#[tokio::test]
async fn a_malformed_event_in_the_store_costs_that_event_alone() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("eventual").await;
    for text in ["first", "spoilt", "last"] {
        assert_eq!(alice.send(&room, text, text).await.0, 200);
        bob.wait_for_text(text).await;
    }
    let topic = format!("/rooms/{room}/state/m.room.topic/");
    assert_eq!(alice.put(&topic, json!({ "topic": "spoilt" })).await.0, 200);
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing", 0).await;
    cluster.stop("a").await;
    let deep = "[".repeat(127) + &"]".repeat(127);
    let spoil = format!("UPDATE events SET json = '{{\"a\":{deep}}}' WHERE json LIKE '%spoilt%'");
    cluster.damage("a", &spoil);
    cluster.start("a").await;
    let (status, synced) = alice.get("/sync").await;
    assert_eq!(status, 200, "{synced}");
    let shown = synced["rooms"]["join"][&room]["timeline"]["events"].to_string();
    assert!(shown.contains("first") && shown.contains("last"), "{shown}");
    for path in ["messages?dir=b", "messages?dir=f", "members", "state"] {
        let (status, answer) = alice.get(&format!("/rooms/{room}/{path}")).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    assert_eq!(alice.send(&room, "more", "more").await.0, 200);
    bob.wait_for_text("more").await;
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_up_what_is_queued_behind_it() {
    let (mut cluster, [alice, bob, _carol], room) = Cluster::three("eventual").await;
    cluster.wait_for_count("a", "SELECT count(*) FROM outgoing", 0).await;
    cluster.block("a", "/send/");
    for text in ["first", "spoilt", "last"] {
        assert_eq!(alice.send(&room, text, text).await.0, 200);
    }
    cluster.stop("a").await;
    let spoil = "UPDATE events SET json = '{\"a\":1.5}' WHERE json LIKE '%spoilt%'";
    cluster.damage("a", spoil);
    cluster.unblock();
    cluster.start("a").await;
    bob.wait_for_text("first").await;
    bob.wait_for_text("last").await;
    let set_aside = "SELECT count(*) FROM outgoing_set_aside WHERE destination = 'b.test'";
    cluster.wait_for_count("a", set_aside, 1).await;
}
