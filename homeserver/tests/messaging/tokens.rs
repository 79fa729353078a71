//! Tokens: what an access token allows ends with it, and a token of sync outlives a restoration.

use std::time::Duration;

use serde_json::json;

use super::support::{Client, Cluster};

/// A client whose sync is held, and whose websocket is open, when `end` ends its token.
async fn end_of_token(end: impl AsyncFnOnce(&Cluster, &Client)) {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let since = alice.synced().await;
    let path = format!("/sync?since={since}&timeout=25000");
    let mut socket = alice.open_socket().await;
    let held = async {
        let answer = alice.get(&path).await;
        (answer.0, answer.1["errcode"].clone())
    };
    let ending = async {
        // The sync is held by now.
        tokio::time::sleep(Duration::from_millis(200)).await;
        end(&cluster, &alice).await;
    };
    let (held, ()) =
        tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(held, ending) })
            .await
            .expect("the held sync ends with the token");
    assert_eq!(held, (401, json!("M_UNKNOWN_TOKEN")));
    let pushed = tokio::time::timeout(Duration::from_secs(10), socket.closed()).await;
    assert_eq!(pushed.expect("the websocket ends with the token"), 0);
}

#[tokio::test]
async fn what_waits_ends_with_the_logout() {
    end_of_token(async |_, alice| drop(alice.post("/logout", json!({})).await)).await;
}

#[tokio::test]
async fn what_waits_ends_with_the_logout_of_all() {
    end_of_token(async |_, alice| {
        let other = alice.another_device().await;
        drop(other.post("/logout/all", json!({})).await);
    })
    .await;
}

#[tokio::test]
async fn an_old_socket_gets_nothing_of_a_new_login_of_its_device() {
    end_of_token(async |_, alice| {
        let again = alice.log_in_again().await;
        let room = again.room("eventual", &[]).await;
        again.send(&room, "1", "not for the old one").await;
    })
    .await;
}

/// A client whose server was set back to what it was before `lost`, and the token that it has.
async fn set_back(reboots: usize) -> (Cluster, Client, String, String) {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let room = alice.room("eventual", &[]).await;
    cluster.stop("a").await;
    let backup = cluster.backup("a");
    for _ in 0..reboots {
        cluster.start("a").await;
        alice.send(&room, &format!("{reboots}"), "lost").await;
        alice.send(&room, &format!("{reboots}-"), "lost too").await;
        cluster.stop("a").await;
    }
    cluster.start("a").await;
    let ahead = alice.synced().await;
    cluster.stop("a").await;
    cluster.restore("a", &backup);
    cluster.start("a").await;
    (cluster, alice, room, ahead)
}

#[tokio::test]
async fn a_token_from_before_a_restoration_skips_nothing_of_what_comes_after_it() {
    for reboots in [1, 2] {
        let (_cluster, alice, room, ahead) = set_back(reboots).await;
        alice.send(&room, "new", "new").await;
        let (_, synced) = alice.get(&format!("/sync?since={ahead}")).await;
        let events = synced["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap();
        assert_eq!(events.last().unwrap()["content"]["body"], "new", "{reboots} boots: {synced}");
        let next = synced["next_batch"].as_str().unwrap();
        assert_ne!(next, ahead);
        let (_, quiet) = alice.get(&format!("/sync?since={next}")).await;
        assert_eq!(quiet["rooms"]["join"], json!({}));
    }
}

#[tokio::test]
async fn positions_that_are_given_out_again_have_other_tokens() {
    let (_cluster, alice, room, ahead) = set_back(1).await;
    let mut tokens = vec![ahead];
    for number in 0..4 {
        alice.send(&room, &format!("again{number}"), "again").await;
        tokens.push(alice.synced().await);
    }
    assert!(tokens[1..].iter().all(|token| *token != tokens[0]), "{tokens:?}");
}
