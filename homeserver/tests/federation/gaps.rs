//! Events that build on events which did not come.

use crate::support::{Backend, agree, eventually, shows};

#[tokio::test]
async fn missing_events_are_fetched_from_another_member() {
    let (mut a, b) = (Backend::start().await, Backend::start().await);
    let mut c = Backend::start().await;
    let (alice, bob, carol) = (a.user("alice").await, b.user("bob").await, c.user("carol").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    c.join(&carol, &room, &a).await;
    eventually("bob's backend knows carol", || async {
        b.membership(&carol.id, &room).await == Some("join")
    })
    .await;
    c.kill();
    for text in ["1", "2", "3"] {
        a.say(&alice, &room, text).await;
    }
    shows(&b, &room, &["1", "2", "3"]).await;
    // What waits for carol's backend in this queue never comes.
    a.kill();
    b.say(&bob, &room, "4").await;
    c.boot().await;
    shows(&c, &room, &["1", "2", "3", "4"]).await;
    assert_eq!(c.texts(&room).await, ["1", "2", "3", "4"]);
    agree(&b, &c, &room).await;
}

#[tokio::test]
async fn every_message_of_a_gap_is_shown_however_long_it_is() {
    let (mut a, b) = (Backend::start().await, Backend::start().await);
    let mut c = Backend::start().await;
    let (alice, bob, carol) = (a.user("alice").await, b.user("bob").await, c.user("carol").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    c.join(&carol, &room, &a).await;
    eventually("bob's backend knows carol", || async {
        b.membership(&carol.id, &room).await == Some("join")
    })
    .await;
    c.kill();
    let texts: Vec<String> = (1000..1230).map(|number| number.to_string()).collect();
    for text in &texts {
        a.say(&alice, &room, text).await;
    }
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    shows(&b, &room, &all).await;
    a.kill();
    b.say(&bob, &room, "end").await;
    c.boot().await;
    eventually("the last message is shown", || async {
        c.texts(&room).await.last().is_some_and(|text| text == "end")
    })
    .await;
    assert_eq!(c.texts(&room).await[..texts.len()], texts);
    c.say(&carol, &room, "back").await;
    eventually("carol's message is shown", || async {
        b.texts(&room).await.last().is_some_and(|text| text == "back")
    })
    .await;
    agree(&b, &c, &room).await;
}

#[tokio::test]
async fn history_from_before_the_join_is_fetched_backwards() {
    let (a, b) = (Backend::start().await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    for text in ["1", "2", "3"] {
        a.say(&alice, &room, text).await;
    }
    b.join(&bob, &room, &a).await;
    a.say(&alice, &room, "4").await;
    shows(&b, &room, &["4"]).await;
    let (rooms, id) = (b.rooms(), room.clone());
    let new = b.run(async move { rooms.backfill(&id).await }).await.unwrap();
    assert!(new >= 3, "{new}");
    assert_eq!(b.texts(&room).await, ["1", "2", "3", "4"]);
    agree(&a, &b, &room).await;
}

#[tokio::test]
async fn history_is_told_from_its_deepest_end_on() {
    let (mut a, b) = (Backend::start().await, Backend::start().await);
    let mut c = Backend::start().await;
    let (alice, bob, carol) = (a.user("alice").await, b.user("bob").await, c.user("carol").await);
    let room = a.public_room(&alice).await;
    c.join(&carol, &room, &a).await;
    c.kill();
    for number in 0..90 {
        a.say(&alice, &room, &format!("long-{number}")).await;
    }
    a.kill();
    c.boot().await;
    for number in 0..30 {
        c.say(&carol, &room, &format!("short-{number}")).await;
    }
    a.boot().await;
    eventually("both branches are known", || async {
        a.texts(&room).await.iter().any(|text| text == "short-29")
    })
    .await;
    a.say(&alice, &room, "both").await;
    b.join(&bob, &room, &a).await;
    let (rooms, id) = (b.rooms(), room.clone());
    b.run(async move { rooms.backfill(&id).await }).await.unwrap();
    let texts = b.texts(&room).await;
    assert!(texts.iter().any(|text| text == "long-50"), "{texts:?}");
    assert!(!texts.iter().any(|text| text.starts_with("short")), "{texts:?}");
}
