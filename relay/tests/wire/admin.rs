//! The admin API: the switch, the lists, and who may use it.

use http::{Method, Request, StatusCode};

use crate::world::{Answer, World};

fn disabled() -> Answer {
    Answer { status: StatusCode::NOT_FOUND, body: "null".to_owned() }
}

#[tokio::test]
async fn a_relay_switched_off_answers_404_null_and_forgets_nothing() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.operator(Method::PUT, "relaying", r#"{"enabled":false}"#).await;
    assert_eq!(world.b_takes(0).await, disabled());
    assert_eq!(world.send_relay(&world.a, "u", world.b.name(), "{}").await, disabled());
    world.operator(Method::PUT, "relaying", r#"{"enabled":true}"#).await;
    assert_eq!(world.b_takes_all().await, ["t"]);
}

#[tokio::test]
async fn the_status_says_what_waits_for_whom() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.pass(std::time::Duration::from_secs(7));
    let status = world.operator(Method::GET, "status", "").await.json();
    assert_eq!((&status["relaying"], &status["entries"]), (&true.into(), &1.into()));
    let mailbox = &status["destinations"][0];
    assert_eq!(mailbox["destination"], world.b.name().as_str());
    assert_eq!((&mailbox["entries"], &mailbox["oldest_age_ms"]), (&1.into(), &7000.into()));
}

#[tokio::test]
async fn entries_are_listed_without_their_content_and_purged() {
    let world = World::start().await;
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    let path = format!("destinations/{}/entries", world.b.name());
    let listed = world.operator(Method::GET, &format!("{path}?after=1"), "").await;
    assert_eq!(listed.json()["entries"].as_array().unwrap().len(), 1);
    assert_eq!(listed.json()["entries"][0]["transaction_id"], "two");
    assert!(!listed.body.contains("pdus"));
    assert_eq!(world.operator(Method::DELETE, &path, "").await.json()["purged"], 2);
    assert!(world.b_takes_all().await.is_empty());
}

#[tokio::test]
async fn without_the_token_nothing_is_shown_or_set() {
    let world = World::start().await;
    for authorization in [None, Some("Bearer wrong"), Some("Basic a token for tests")] {
        let mut request = Request::put("/_relay/admin/v1/relaying");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = world.send(request.body(r#"{"enabled":false}"#.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    world.left_for_b("t").await;
}

#[tokio::test]
async fn without_a_configured_token_there_is_no_admin_api() {
    let world = World::with(|config| config.admin_token = None).await;
    let answer = world.operator(Method::GET, "status", "").await;
    assert_eq!(answer.code(), (404, "M_UNRECOGNIZED".to_owned()));
}

#[tokio::test]
async fn a_malformed_order_changes_nothing() {
    let world = World::start().await;
    let answer = world.operator(Method::PUT, "relaying", r#"{"on":false}"#).await;
    assert_eq!(answer.code(), (400, "M_BAD_JSON".to_owned()));
    world.left_for_b("t").await;
}

#[tokio::test]
async fn keys_and_version_are_published() {
    let world = World::start().await;
    let get = |path: &str| Request::get(path).body(bytes::Bytes::new()).unwrap();
    let keys = world.send(get("/_matrix/key/v2/server")).await.json();
    assert_eq!(keys["server_name"], "relay.test");
    let version = world.send(get("/_matrix/federation/v1/version")).await.json();
    assert_eq!(version["server"]["name"], "fedsim-relay");
}
