//! Lazily loaded members: a device is told of the members whom it needs, once.

use serde_json::{Value, json};

use super::support::{Client, Cluster};

/// A room of alice and eight others on one server: more than those by whom the room is called.
async fn alice_and_others() -> (Cluster, Client, Vec<Client>, String) {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let mut others = Vec::new();
    for number in 1..=8 {
        others.push(cluster.user("a", &format!("u{number}")).await);
    }
    let room = alice.room("eventual", &others.iter().collect::<Vec<_>>()).await;
    (cluster, alice, others, room)
}

/// A filter that loads members lazily.
fn lazily(redundant: bool) -> Value {
    let state = json!({ "lazy_load_members": true, "include_redundant_members": redundant });
    json!({ "room": { "state": state, "timeline": { "limit": 1 } } })
}

/// The local parts of the members among these events.
fn members(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap().iter();
    let members = events.filter(|event| event["type"] == "m.room.member");
    let keys = members.map(|event| event["state_key"].as_str().unwrap());
    let mut names: Vec<_> = keys.map(|user| &user[1..user.find(':').unwrap()]).collect();
    names.sort_unstable();
    names
}

fn of_room<'a>(synced: &'a Value, room: &str) -> Vec<&'a str> {
    members(&synced["rooms"]["join"][room]["state"]["events"])
}

#[tokio::test]
async fn a_first_sync_has_who_spoke_who_gives_the_room_its_name_and_oneself() {
    let (_cluster, alice, others, room) = alice_and_others().await;
    others[6].send(&room, "1", "hello").await;
    let synced = alice.sync_with("", &lazily(false)).await;
    let room = &synced["rooms"]["join"][&room];
    assert_eq!(room["summary"]["m.heroes"].as_array().unwrap().len(), 5);
    let told = members(&room["state"]["events"]);
    assert_eq!(told, ["alice", "u1", "u2", "u3", "u4", "u5", "u7"]);
    let state = room["state"]["events"].as_array().unwrap();
    assert!(state.iter().any(|event| event["type"] == "m.room.create"));
}

#[tokio::test]
async fn who_speaks_is_told_of_once_and_again_if_the_answer_was_lost_or_all_are_wanted() {
    let (_cluster, alice, others, room) = alice_and_others().await;
    alice.send(&room, "1", "hello").await;
    let first = alice.sync_with("", &lazily(false)).await;
    let since = |synced: &Value| format!("since={}", synced["next_batch"].as_str().unwrap());
    others[7].send(&room, "1", "hello").await;
    let second = alice.sync_with(&since(&first), &lazily(false)).await;
    assert_eq!(of_room(&second, &room), ["u8"]);
    let lost = alice.sync_with(&since(&first), &lazily(false)).await;
    assert_eq!(of_room(&lost, &room), ["u8"]);
    others[7].send(&room, "2", "again").await;
    let third = alice.sync_with(&since(&second), &lazily(false)).await;
    assert_eq!(of_room(&third, &room), [""; 0]);
    let all = alice.sync_with(&since(&second), &lazily(true)).await;
    assert_eq!(of_room(&all, &room), ["u8"]);
    let other = alice.another_device().await;
    let others = other.sync_with(&since(&second), &lazily(false)).await;
    assert_eq!(of_room(&others, &room), ["u8"]);
}

#[tokio::test]
async fn a_member_that_changed_is_told_of_even_if_it_did_not_speak() {
    let (_cluster, alice, others, room) = alice_and_others().await;
    let since = format!("since={}", alice.synced().await);
    let path = format!("/rooms/{room}/state/m.room.member/{}", others[5].user_id);
    let renamed = json!({ "membership": "join", "displayname": "Six" });
    assert_eq!(others[5].put(&path, renamed).await.0, 200);
    others[7].send(&room, "1", "hello").await;
    others[7].send(&room, "2", "hello").await;
    let synced = alice.sync_with(&since, &lazily(false)).await;
    assert!(of_room(&synced, &room).contains(&"u6"), "{synced}");
}

#[tokio::test]
async fn a_page_and_a_context_have_those_who_sent_what_is_in_them() {
    let (_cluster, alice, others, room) = alice_and_others().await;
    others[6].send(&room, "1", "hello").await;
    let (_, sent) = others[7].send(&room, "2", "hello").await;
    let lazily = json!({ "lazy_load_members": true });
    let page = format!("/rooms/{room}/messages?dir=b&limit=2");
    let context = format!("/rooms/{room}/context/{}?limit=2", sent["event_id"].as_str().unwrap());
    for path in [page, context] {
        let (_, answer) = alice.get(&Client::filtered(&path, &lazily)).await;
        assert_eq!(members(&answer["state"]), ["u7", "u8"], "{answer}");
    }
}
