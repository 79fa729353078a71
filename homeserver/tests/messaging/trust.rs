//! What somebody who is not trusted can do: guess passwords, and ask who is there.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::{Client, Cluster};

fn login(user: &str, password: &str) -> Value {
    json!({ "type": "m.login.password", "user": user, "password": password })
}

/// How long the quickest of a few logins takes.
async fn quickest(client: &Client, user: &str) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..4 {
        let began = Instant::now();
        assert_eq!(client.post("/login", login(user, "guess")).await.0, 403);
        quickest = quickest.min(began.elapsed());
    }
    quickest
}

#[tokio::test]
async fn guesses_of_one_users_password_are_few_and_nobody_else_is_kept_out() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    for _ in 0..10 {
        assert_eq!(alice.post("/login", login("alice", "guess")).await.0, 403);
    }
    let (status, error) = alice.post("/login", login("alice", "open sesame")).await;
    assert_eq!((status, &error["errcode"]), (429, &json!("M_LIMIT_EXCEEDED")));
    let wait_ms = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&wait_ms), "{wait_ms}");
    for _ in 0..20 {
        assert_eq!(bob.post("/login", login("bob", "open sesame")).await.0, 200);
    }
}

#[tokio::test]
async fn guesses_from_one_address_are_few_whoever_is_guessed() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    for number in 0..40 {
        let guess = login(&format!("user{number}"), "guess");
        assert_eq!(alice.post("/login", guess).await.0, 403);
    }
    assert_eq!(alice.post("/login", login("another", "guess")).await.0, 429);
}

#[tokio::test]
async fn who_has_no_account_is_told_so_no_sooner_than_who_has_one() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let (known, unknown) = (quickest(&alice, "alice").await, quickest(&alice, "nobody").await);
    assert!(unknown > known / 2, "known {known:?}, unknown {unknown:?}");
}
