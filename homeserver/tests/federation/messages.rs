//! Messages across backends.

use serde_json::json;

use crate::support::{Backend, Two, agree, shows};

#[tokio::test]
async fn message_reaches_the_other_backend_and_both_have_the_same_state() {
    let Two { a, b, alice, bob, room } = Two::start().await;
    a.say(&alice, &room, "hello").await;
    shows(&b, &room, &["hello"]).await;
    b.say(&bob, &room, "hi").await;
    shows(&a, &room, &["hello", "hi"]).await;
    let summary = agree(&a, &b, &room).await;
    assert_eq!(summary["forward_extremities"].as_array().unwrap().len(), 1);
    assert!(summary["state"].as_array().unwrap().len() >= 6);
}

#[tokio::test]
async fn messages_of_one_sender_arrive_in_order() {
    let Two { a, b, alice, room, .. } = Two::start().await;
    let texts: Vec<String> = (100..160).map(|number| number.to_string()).collect();
    for text in &texts {
        a.say(&alice, &room, text).await;
    }
    let expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    shows(&b, &room, &expected).await;
    assert_eq!(b.texts(&room).await, texts);
}

#[tokio::test]
async fn room_versions_10_11_and_12_cross_backends() {
    let (a, b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    for version in ["10", "11", "12"] {
        let options = homeserver::messaging::rooms::CreateRoom {
            join_rule: homeserver::messaging::rooms::JoinRule::Public,
            version: version.try_into().unwrap(),
            ..Default::default()
        };
        let room = a.room(&alice, options).await;
        b.join(&bob, &room, &a).await;
        b.say(&bob, &room, version).await;
        shows(&a, &room, &[version]).await;
        agree(&a, &b, &room).await;
    }
}

#[tokio::test]
async fn state_set_on_both_sides_of_a_cut_resolves_alike() {
    let Two { a, b, alice, bob, room } = Two::start().await;
    let levels = json!({ "users": { alice.id.as_str(): 100, bob.id.as_str(): 100 } });
    a.put_state(&alice, &room, "m.room.power_levels", levels).await;
    agree(&a, &b, &room).await;

    a.switch.cut();
    b.switch.cut();
    for (backend, user) in [(&a, &alice), (&b, &bob)] {
        backend.put_state(user, &room, "m.room.topic", json!({ "topic": user.id })).await;
    }
    assert_ne!(a.summary(&room).await, b.summary(&room).await);
    a.switch.repair();
    b.switch.repair();
    let summary = agree(&a, &b, &room).await;
    assert_eq!(summary["forward_extremities"].as_array().unwrap().len(), 2);
    a.say(&alice, &room, "merged").await;
    shows(&b, &room, &["merged"]).await;
    let summary = agree(&a, &b, &room).await;
    assert_eq!(summary["forward_extremities"].as_array().unwrap().len(), 1);
}
