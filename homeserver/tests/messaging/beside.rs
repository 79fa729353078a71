//! Receipts, typing, presence, account data, devices: what is told beside events.

use std::fmt::Write;

use serde_json::{Value, json};

use super::support::{Client, Cluster};

/// Syncs until `find` finds something, and returns that.
async fn hears(client: &Client, since: &str, find: impl Fn(&Value) -> Option<Value>) -> Value {
    let mut since = since.to_owned();
    for _ in 0..20 {
        let (_, synced) = client.get(&format!("/sync?since={since}&timeout=5000")).await;
        if let Some(found) = find(&synced) {
            return found;
        }
        synced["next_batch"].as_str().unwrap().clone_into(&mut since);
    }
    panic!("{} never heard", client.user_id);
}

fn ephemeral<'a>(synced: &'a Value, room: &str, kind: &str) -> Option<&'a Value> {
    let events = synced["rooms"]["join"][room]["ephemeral"]["events"].as_array()?;
    events.iter().find(|event| event["type"] == kind).map(|event| &event["content"])
}

#[tokio::test]
async fn receipts_and_typing_reach_the_other_server_and_a_private_receipt_does_not() {
    let (cluster, [alice, bob, _]) = Cluster::of_three().await;
    let room = alice.room("eventual", &[&bob]).await;
    let sent = alice.send(&room, "1", "hello").await.1["event_id"].as_str().unwrap().to_owned();
    bob.wait_for_text("hello").await;
    let since = alice.synced().await;
    let typing = format!("/rooms/{room}/typing/{}", bob.user_id);
    assert_eq!(bob.put(&typing, json!({ "typing": true, "timeout": 30000 })).await.0, 200);
    let who = hears(&alice, &since, |it| ephemeral(it, &room, "m.typing").cloned()).await;
    assert_eq!(who["user_ids"], json!([bob.user_id]));
    let read = format!("/rooms/{room}/receipt/m.read.private/{sent}");
    assert_eq!(bob.post(&read, json!({})).await.0, 200);
    let read = format!("/rooms/{room}/receipt/m.read/{sent}");
    assert_eq!(bob.post(&read, json!({})).await.0, 200);
    let read = hears(&alice, &since, |it| ephemeral(it, &room, "m.receipt").cloned()).await;
    assert!(read[&sent]["m.read"][&bob.user_id]["ts"].is_number(), "{read}");
    assert_eq!(cluster.read::<i64>("a", "SELECT count(*) FROM receipts"), 1);
    let own = bob.get("/sync").await.1;
    let own = ephemeral(&own, &room, "m.receipt").unwrap();
    assert!(own[&sent]["m.read.private"][&bob.user_id].is_object(), "{own}");
}

#[tokio::test]
async fn what_waits_for_a_server_that_is_away_expires_with_time_and_not_with_the_clock() {
    let (mut cluster, [alice, bob, _]) = Cluster::of_three().await;
    let room = alice.room("eventual", &[&bob]).await;
    let sent = alice.send(&room, "1", "hello").await.1["event_id"].as_str().unwrap().to_owned();
    bob.wait_for_text("hello").await;
    cluster.stop("b").await;
    let read = format!("/rooms/{room}/receipt/m.read/{sent}");
    assert_eq!(alice.post(&read, json!({})).await.0, 200);
    cluster.shift_clock("a", 30 * 24 * 3600);
    cluster.stop("a").await;
    cluster.start("a").await;
    cluster.start("b").await;
    let is_read = "SELECT count(*) FROM receipts WHERE user_id = '@alice:a.test'";
    cluster.wait_for_count("b", is_read, 1).await;
}

#[tokio::test]
async fn nobody_types_or_reads_in_the_name_of_others_or_where_they_are_not() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let room = alice.room("eventual", &[&bob]).await;
    let typing = format!("/rooms/{room}/typing/{}", bob.user_id);
    assert_eq!(alice.put(&typing, json!({ "typing": true })).await.0, 403);
    assert_eq!(carol.post(&format!("/rooms/{room}/receipt/m.read/$x"), json!({})).await.0, 403);
    let federation = cluster.federation("c").await;
    let said = json!({ "room_id": room, "user_id": bob.user_id, "typing": true });
    super::support::send_edus(&federation, "a.test", json!([
        { "edu_type": "m.typing", "content": said }, { "edu_type": "m.typing", "content": 7 }, 9,
    ]))
    .await;
    let (_, synced) = alice.get("/sync").await;
    assert!(ephemeral(&synced, &room, "m.typing").is_none(), "{synced}");
}

#[tokio::test]
async fn a_server_that_the_room_denies_tells_nothing_beside_events_and_its_invites_do_not_count() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let room = alice.room("eventual", &[&bob]).await;
    let (deny, path) = (json!({ "allow": ["*"], "deny": ["b.*"] }), "state/m.room.server_acl/");
    assert_eq!(alice.put(&format!("/rooms/{room}/{path}"), deny).await.0, 200);
    let federation = cluster.federation("b").await;
    let said = json!({ "room_id": room, "user_id": bob.user_id, "typing": true });
    let edu = json!([{ "edu_type": "m.typing", "content": said }]);
    super::support::send_edus(&federation, "a.test", edu).await;
    let (_, synced) = alice.get("/sync").await;
    assert!(ephemeral(&synced, &room, "m.typing").is_none(), "{synced}");
    let invite = json!({ "user_id": carol.user_id });
    bob.post(&format!("/rooms/{room}/invite"), invite).await;
    let (_, members) = alice.get(&format!("/rooms/{room}/members")).await;
    assert!(!members.to_string().contains(&carol.user_id), "{members}");
}

#[tokio::test]
async fn presence_is_told_to_whoever_shares_a_room_on_every_server() {
    let (_cluster, [alice, bob, carol]) = Cluster::of_three().await;
    alice.room("eventual", &[&bob]).await;
    let (since, carols) = (bob.synced().await, carol.synced().await);
    let path = format!("/presence/{}/status", alice.user_id);
    let here = json!({ "presence": "online", "status_msg": "at sea" });
    assert_eq!(alice.put(&path, here).await.0, 200);
    let told = hears(&bob, &since, |it| it["presence"]["events"].get(0).cloned()).await;
    assert_eq!(
        (&told["sender"], &told["content"]["status_msg"]),
        (&json!(alice.user_id), &json!("at sea"))
    );
    assert_eq!(bob.get(&path).await.1["presence"], "online");
    assert_eq!(
        carol.get(&format!("/sync?since={carols}")).await.1["presence"]["events"],
        json!([])
    );
}

#[tokio::test]
async fn account_data_and_tags_are_kept_and_reach_the_users_other_devices() {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let other = alice.another_device().await;
    let since = other.synced().await;
    let me = &alice.user_id;
    let data = format!("/user/{me}/account_data/org.example.theme");
    assert_eq!(alice.put(&data, json!({ "dark": true })).await.0, 200);
    let tag = format!("/user/{me}/rooms/{room}/tags/m.favourite");
    assert_eq!(alice.put(&tag, json!({ "order": 0.5 })).await.0, 200);
    cluster.stop("a").await;
    cluster.start("a").await;
    assert_eq!(other.get(&data).await.1, json!({ "dark": true }));
    let (_, synced) = other.get(&format!("/sync?since={since}")).await;
    assert_eq!(synced["account_data"]["events"][0]["type"], "org.example.theme");
    let of_room = &synced["rooms"]["join"][&room]["account_data"]["events"][0];
    assert_eq!(of_room["content"]["tags"]["m.favourite"]["order"], 0.5);
    assert_eq!(alice.put(&format!("/user/{me}/account_data/m.fully_read"), json!({})).await.0, 405);
    assert_eq!(alice.get("/user/@other:a.test/account_data/x").await.0, 403);
    let mut long = String::new();
    write!(long, "{}", "x".repeat(70 << 10)).unwrap();
    assert_eq!(alice.put(&data, json!({ "long": long })).await.0, 400);
}

#[tokio::test]
async fn a_device_is_renamed_by_its_user_and_ended_with_the_password_alone() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let other = alice.another_device().await;
    let (_, who) = other.get("/account/whoami").await;
    let path = format!("/devices/{}", who["device_id"].as_str().unwrap());
    assert_eq!(alice.put(&path, json!({ "display_name": "phone" })).await.0, 200);
    assert_eq!(alice.get(&path).await.1["display_name"], "phone");
    let delete = |auth: Value| alice.request(http::Method::DELETE, &path, Some(auth));
    assert_eq!(delete(json!({})).await.0, 401);
    assert_eq!(other.get("/account/whoami").await.0, 200);
    let auth = json!({ "auth": { "type": "m.login.password", "password": "open sesame" } });
    assert_eq!(delete(auth).await.0, 200);
    assert_eq!(other.get("/account/whoami").await.0, 401);
    assert_eq!(alice.get(&path).await.0, 404);
}
