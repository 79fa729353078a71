//! An event and what was said around it.

use serde_json::{Value, json};

use super::support::{Client, Cluster};

async fn said(sender: &Client, room: &str, text: &str) -> String {
    sender.send(room, text, text).await.1["event_id"].as_str().unwrap().to_owned()
}

fn texts(events: &Value) -> Vec<&str> {
    let texts = events.as_array().unwrap().iter();
    texts.map(|event| event["content"]["body"].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn what_was_said_around_an_event_stands_around_it() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    let mut ids = Vec::new();
    for text in ["1", "2", "3", "4", "5"] {
        ids.push(said(&alice, &room, text).await);
    }
    let path = format!("/rooms/{room}/context/{}?limit=3", ids[2]);
    let (status, context) = alice.get(&path).await;
    assert_eq!((status, &context["event"]["content"]["body"]), (200, &json!("3")), "{context}");
    assert_eq!(texts(&context["events_before"]), ["2"]);
    assert_eq!(texts(&context["events_after"]), ["4", "5"]);
    assert!(context["state"].as_array().unwrap().iter().any(|it| it["type"] == "m.room.create"));
    let start = context["start"].as_str().unwrap();
    let older = alice.get(&format!("/rooms/{room}/messages?dir=b&limit=1&from={start}")).await.1;
    assert_eq!(texts(&older["chunk"]), ["1"]);
    let end = context["end"].as_str().unwrap();
    let newer = alice.get(&format!("/rooms/{room}/messages?dir=f&limit=1&from={end}")).await.1;
    assert_eq!(texts(&newer["chunk"]), [""; 0]);
}

#[tokio::test]
async fn who_may_not_see_an_event_sees_nothing_around_it() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[]).await;
    let id = said(&alice, &room, "secret").await;
    let path = format!("/rooms/{room}/context/{id}");
    assert_eq!(bob.get(&path).await.0, 403);
    assert_eq!(alice.get(&format!("/rooms/{room}/context/$nobody")).await.0, 404);
}
