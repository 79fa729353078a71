//! The Wire pair: `/notifications` and `/await`.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, Cluster};

fn ids(page: &Value) -> Vec<String> {
    let notifications = page["notifications"].as_array().unwrap().iter();
    notifications.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn alice_with(messages: usize) -> (Cluster, Client) {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    for number in 0..messages {
        alice.send(&room, &number.to_string(), "hello").await;
    }
    (cluster, alice)
}

#[tokio::test]
async fn pages_follow_one_another_and_has_more_is_exact() {
    let (_cluster, alice) = alice_with(230).await;
    let (_, all) = alice.get("//notifications").await;
    let all = ids(&all);
    let (_, first) = alice.get("//notifications?size=100").await;
    assert_eq!((ids(&first).len(), &first["has_more"]), (100, &json!(true)));
    // What is left after this one fits a page exactly.
    let since = &all[all.len() - 101];
    let (_, last) = alice.get(&format!("//notifications?size=100&since={since}")).await;
    assert_eq!((ids(&last), &last["has_more"]), (all[all.len() - 100..].to_vec(), &json!(false)));
    let newest = all.last().unwrap();
    let (status, none) = alice.get(&format!("//notifications?since={newest}")).await;
    assert_eq!((status, none["notifications"].as_array().unwrap().len()), (200, 0));
    assert_eq!(alice.get("//notifications/last").await.1["id"], newest.as_str());
}

#[tokio::test]
async fn an_unknown_since_is_404_with_what_is_there() {
    let (_cluster, alice) = alice_with(1).await;
    let (_, all) = alice.get("//notifications").await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let (status, page) = alice.get(&format!("//notifications?since={unknown}")).await;
    assert_eq!((status, ids(&page)), (404, ids(&all)));
    let (status, error) = alice.get("//notifications?since=jumberjack").await;
    assert_eq!((status, &error["errcode"]), (400, &json!("M_INVALID_PARAM")));
}

#[tokio::test]
async fn ids_go_up_when_the_clock_jumps_back_and_after_a_restart() {
    let (mut cluster, alice) = alice_with(1).await;
    cluster.shift_clock("a", -3600);
    cluster.stop("a").await;
    cluster.start("a").await;
    let (_, before) = alice.get("//notifications").await;
    let (_, rooms) = alice.get("/joined_rooms").await;
    alice.send(rooms["joined_rooms"][0].as_str().unwrap(), "later", "later").await;
    let (_, after) = alice.get("//notifications").await;
    assert_eq!(ids(&after).len(), ids(&before).len() + 1);
    assert_eq!(alice.texts().await, ["hello", "later"]);
}

#[tokio::test]
async fn a_notification_expires_with_time_and_not_with_the_clock() {
    let (cluster, alice) = alice_with(1).await;
    cluster.shift_clock("a", 29 * 24 * 3600);
    assert_eq!(alice.texts().await, ["hello"]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(29 * 24)).await;
    tokio::time::resume();
    assert!(alice.texts().await.is_empty());
    assert_eq!(alice.get("//notifications/last").await.0, 404);
}

#[tokio::test]
async fn a_socket_pushes_what_is_committed_after_it_was_opened_and_nothing_else() {
    let (_cluster, alice) = alice_with(1).await;
    let mut socket = alice.open_socket().await;
    let (_, rooms) = alice.get("/joined_rooms").await;
    let (_, sent) = alice.send(rooms["joined_rooms"][0].as_str().unwrap(), "new", "new").await;
    let frame = socket.next().await;
    assert_eq!(frame["payload"][0]["event_id"], sent["event_id"]);
    assert_eq!(frame["transient"], false);
    // The same id stands in the stored stream.
    assert_eq!(alice.get("//notifications/last").await.1["id"], frame["id"]);
}

#[tokio::test]
async fn a_later_device_gets_later_notifications_only() {
    let (_cluster, alice) = alice_with(1).await;
    let phone = alice.another_device().await;
    let (_, rooms) = alice.get("/joined_rooms").await;
    alice.send(rooms["joined_rooms"][0].as_str().unwrap(), "new", "new").await;
    assert_eq!(phone.texts().await, ["new"]);
    assert_eq!(alice.texts().await, ["hello", "new"]);
}

#[tokio::test]
async fn a_notification_that_an_older_program_kept_forgets_what_was_redacted() {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let said = alice.send(&room, "1", "regretted").await.1;
    cluster.stop("a").await;
    let event = json!({ "event_id": said["event_id"], "content": { "body": "regretted" } });
    cluster.damage(
        "a",
        &format!(
            "INSERT INTO notifications (user_id, device_id, id, event, created_ms)
             SELECT user_id, device_id, x'0193{}', '{event}', created_ms FROM devices",
            "0".repeat(28)
        ),
    );
    cluster.undo_steps_after_16("a");
    cluster.damage("a", "DROP TABLE pushers");
    cluster.damage("a", "UPDATE migrations SET steps_done = 14 WHERE component = 'homeserver'");
    cluster.start("a").await;
    let kept = "SELECT count(*) FROM notifications WHERE event LIKE '%regretted%'";
    assert_eq!(cluster.read::<i64>("a", kept), 0);
    let id = said["event_id"].as_str().unwrap();
    let path = format!("/rooms/{room}/redact/{id}/2");
    assert_eq!(alice.put(&path, json!({})).await.0, 200);
    let (_, all) = alice.get("//notifications").await;
    assert!(!all.to_string().contains("regretted"), "{all}");
}

#[tokio::test]
async fn a_socket_that_is_closed_says_why() {
    let (_cluster, alice) = alice_with(0).await;
    let mut socket = alice.open_socket().await;
    assert_eq!(alice.post("/logout", json!({})).await.0, 200);
    let (code, reason) = socket.close_reason().await;
    assert_eq!((code, &*reason), (1008, "the device has lost its token"));
}

#[tokio::test]
async fn a_socket_that_nobody_reads_is_closed_with_a_reason_and_nothing_is_lost() {
    let (_cluster, alice) = alice_with(0).await;
    let phone = alice.another_device().await;
    let (mut unread, mut read) = (alice.open_socket().await, phone.open_socket().await);
    let (_, rooms) = alice.get("/joined_rooms").await;
    let room = rooms["joined_rooms"][0].as_str().unwrap();
    // More than the buffers of a connection take.
    let (count, text) = (150, "x".repeat(60_000));
    for number in 0..count {
        alice.send(room, &number.to_string(), &text).await;
        assert_eq!(read.next().await["payload"][0]["content"]["body"], *text);
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(21)).await;
    tokio::time::resume();
    let (code, reason) = unread.close_reason().await;
    let slow = "the device did not acknowledge its notifications in time";
    assert_eq!((code, &*reason), (1013, slow));
    assert_eq!(alice.send(room, "last", "last").await.0, 200);
    assert_eq!(read.next().await["payload"][0]["content"]["body"], "last");
    let (_, first) = alice.get("//notifications?size=100").await;
    assert_eq!(first["has_more"], true);
}

#[tokio::test]
async fn a_message_is_kept_once_however_many_devices_it_is_for() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let others = [cluster.user("a", "bob").await, cluster.user("a", "carol").await];
    let room = alice.room("eventual", &[&others[0], &others[1]]).await;
    let phone = others[0].another_device().await;
    let rows = "SELECT (SELECT count(*) FROM notifications)
                     + (SELECT count(*) FROM room_notifications)";
    let before: i64 = cluster.read("a", rows);
    alice.send(&room, "1", "once").await;
    assert_eq!(cluster.read::<i64>("a", rows), before + 1);
    for device in [&others[0], &others[1], &phone] {
        assert!(device.texts().await.contains(&"once".to_owned()));
    }
}
