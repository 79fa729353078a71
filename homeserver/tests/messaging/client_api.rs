//! Accounts, rooms, sending, sync, messages.

use serde_json::json;

use super::support::Cluster;

#[tokio::test]
async fn a_registered_device_is_who_it_says_until_it_logs_out() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let (_, who) = alice.get("/account/whoami").await;
    assert_eq!(who["user_id"], "@alice:a.test");
    assert_eq!(alice.post("/logout", json!({})).await.0, 200);
    let (status, error) = alice.get("/account/whoami").await;
    assert_eq!((status, &error["errcode"]), (401, &json!("M_UNKNOWN_TOKEN")));
}

#[tokio::test]
async fn registering_asks_for_the_dummy_stage_and_refuses_a_taken_name() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let (status, answer) =
        alice.post("/register", json!({ "username": "bob", "password": "x" })).await;
    assert_eq!((status, &answer["flows"][0]["stages"][0]), (401, &json!("m.login.dummy")));
    let again = json!({
        "username": "alice", "password": "x", "auth": { "type": "m.login.dummy" },
    });
    let (status, error) = alice.post("/register", again).await;
    assert_eq!((status, &error["errcode"]), (400, &json!("M_USER_IN_USE")));
}

#[tokio::test]
async fn a_wrong_password_logs_nobody_in() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let body = json!({ "type": "m.login.password", "user": "alice", "password": "guess" });
    let (status, error) = alice.post("/login", body).await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_FORBIDDEN")));
}

#[tokio::test]
async fn malformed_requests_get_matrix_errors_and_the_server_goes_on() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let (status, error) = alice.post("/createRoom", json!({ "invite": 7 })).await;
    assert_eq!((status, &error["errcode"]), (400, &json!("M_BAD_JSON")));
    let policy = json!({ "org.fedsim.delivery": "sometimes" });
    assert_eq!(alice.post("/createRoom", policy).await.1["errcode"], "M_INVALID_PARAM");
    let (status, error) = alice.get("/rooms/nonsense/state").await;
    assert_eq!((status, &error["errcode"]), (400, &json!("M_INVALID_PARAM")));
    let large = json!({ "name": "x".repeat(300 << 10) });
    let (status, error) = alice.post("/createRoom", large).await;
    assert_eq!((status, &error["errcode"]), (413, &json!("M_TOO_LARGE")));
    assert_eq!(alice.get("/account/whoami").await.0, 200);
}

#[tokio::test]
async fn a_waiting_sync_wakes_when_somebody_sends() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    let (_, first) = bob.get("/sync").await;
    assert!(first["rooms"]["join"][&room]["state"]["events"].is_array());
    let since = first["next_batch"].as_str().unwrap();
    let waiting = format!("/sync?since={since}&timeout=20000");
    let (sent, synced) = tokio::join!(alice.send(&room, "1", "hello"), bob.get(&waiting));
    let event = &synced.1["rooms"]["join"][&room]["timeline"]["events"][0];
    assert_eq!(event["event_id"], sent.1["event_id"]);
    assert_eq!(event["content"]["body"], "hello");
}

#[tokio::test]
async fn the_same_transaction_id_is_one_message_even_after_a_restart() {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let first = alice.send(&room, "1", "hello").await;
    assert_eq!(alice.send(&room, "1", "hello").await, first);
    cluster.stop("a").await;
    cluster.start("a").await;
    assert_eq!(alice.send(&room, "1", "hello").await, first);
    assert_ne!(alice.send(&room, "2", "hello").await, first);
    assert_eq!(alice.texts().await, ["hello", "hello"]);
}

#[tokio::test]
async fn messages_are_paged_in_both_directions_without_gap_or_repeat() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    for text in ["1", "2", "3", "4"] {
        alice.send(&room, text, text).await;
    }
    let path = format!("/rooms/{room}/messages?limit=2&dir=");
    let (_, newest) = alice.get(&format!("{path}b")).await;
    let (_, older) = alice.get(&format!("{path}b&from={}", newest["end"].as_str().unwrap())).await;
    let (_, again) = alice.get(&format!("{path}f&from={}", older["end"].as_str().unwrap())).await;
    let bodies = |page: &serde_json::Value| -> Vec<String> {
        let chunk = page["chunk"].as_array().unwrap().iter();
        chunk.map(|event| event["content"]["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(&newest), ["4", "3"]);
    assert_eq!(bodies(&older), ["2", "1"]);
    assert_eq!(bodies(&again), ["1", "2"]);
    let (_, whole) = alice.get(&format!("/rooms/{room}/messages?limit=100&dir=b")).await;
    assert!(older["end"].is_string() && whole["end"].is_null(), "there is nothing before it");
}

#[tokio::test]
async fn an_invite_crosses_servers_and_is_seen_in_sync() {
    let cluster = Cluster::of(&["a", "b"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("b", "bob").await);
    let (_, room) = alice.post("/createRoom", json!({ "invite": [bob.user_id] })).await;
    let room = room["room_id"].as_str().unwrap();
    let (_, synced) = bob.get("/sync").await;
    assert!(synced["rooms"]["invite"][room]["invite_state"]["events"].is_array());
    assert_eq!(bob.post(&format!("/rooms/{room}/join"), json!({})).await.0, 200);
    alice.send(room, "1", "welcome").await;
    bob.wait_for_text("welcome").await;
}

#[tokio::test]
async fn leaving_ends_what_a_user_sees() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    let (_, before) = bob.get("/sync").await;
    assert_eq!(bob.post(&format!("/rooms/{room}/leave"), json!({})).await.0, 200);
    alice.send(&room, "1", "gone?").await;
    let since = before["next_batch"].as_str().unwrap();
    let (_, after) = bob.get(&format!("/sync?since={since}")).await;
    let events = &after["rooms"]["leave"][&room]["timeline"]["events"];
    assert_eq!(events[0]["content"]["membership"], "leave");
    assert!(bob.texts().await.is_empty());
    let (_, members) = bob.get(&format!("/rooms/{room}/members")).await;
    alice.put(&format!("/rooms/{room}/state/m.room.topic"), json!({ "topic": "bob" })).await;
    assert_eq!(bob.get(&format!("/rooms/{room}/members")).await, (200, members));
    assert_eq!(bob.get(&format!("/rooms/{room}/state/m.room.topic")).await.0, 404);
    assert_eq!(bob.get(&format!("/rooms/{room}/joined_members")).await.0, 403);
}

#[tokio::test]
async fn a_sync_that_leaves_events_out_says_so_and_where_they_are() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let (_, before) = alice.get("/sync").await;
    for text in ["1", "2", "3"] {
        alice.send(&room, text, text).await;
    }
    let filter = json!({ "room": { "timeline": { "limit": 1 } } });
    let (_, stored) = alice.post(&format!("/user/{}/filter", alice.user_id), filter).await;
    let (since, filter) = (&before["next_batch"], &stored["filter_id"]);
    let path =
        format!("/sync?since={}&filter={}", since.as_str().unwrap(), filter.as_str().unwrap());
    let (_, synced) = alice.get(&path).await;
    let timeline = &synced["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], true);
    assert_eq!(timeline["events"].as_array().unwrap().len(), 1);
    assert_eq!(timeline["events"][0]["content"]["body"], "3");
    assert_eq!(timeline["events"][0]["unsigned"]["transaction_id"], "3");
    let from = timeline["prev_batch"].as_str().unwrap();
    let (_, older) = alice.get(&format!("/rooms/{room}/messages?dir=b&limit=1&from={from}")).await;
    assert_eq!(older["chunk"][0]["content"]["body"], "2");
}

#[tokio::test]
async fn state_is_written_and_read_back_and_a_name_is_kept() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let path = format!("/rooms/{room}/state/m.room.topic");
    assert_eq!(alice.put(&path, json!({ "topic": "boats" })).await.0, 200);
    assert_eq!(alice.get(&format!("{path}/")).await, (200, json!({ "topic": "boats" })));
    assert_eq!(alice.get(&format!("{path}/other")).await.0, 404);
    let name = format!("/profile/{}/displayname", alice.user_id);
    assert_eq!(alice.put(&name, json!({ "displayname": "Alice" })).await.0, 200);
    assert_eq!(alice.get(&name).await, (200, json!({ "displayname": "Alice" })));
}
