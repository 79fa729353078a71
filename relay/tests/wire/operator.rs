//! What an operator sees and sets at run time, on which port.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

fn get(path: &str) -> Request<Bytes> {
    let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
    request.body(Bytes::new()).unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn metrics(world: &World) -> String {
    let port = world.other_ports[1].expect("the world has metrics");
    world.send_to(port, get("/metrics")).await.body
}

#[tokio::test]
async fn the_admin_api_has_a_listener_of_its_own() {
    let port = free_port();
    let world = World::with(|config| config.admin_port = port).await;
    let status = "/_relay/admin/v1/status";
    assert_eq!(world.send(get(status)).await.code(), (404, "M_UNRECOGNIZED".to_owned()));
    assert_eq!(world.send_to(port, get(status)).await.json()["entries"], 0);
    let keys = world.send_to(port, get("/_matrix/key/v2/server")).await;
    assert_eq!(keys.code(), (404, "M_UNRECOGNIZED".to_owned()));
}

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let world = World::with(|config| config.metrics_port = Some(free_port())).await;
    world.left_for_b("one").await;
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    world.left_for_b("broken").await;
    world.sql("UPDATE entries SET body = CAST('{' AS BLOB) WHERE transaction_id = 'broken'").await;
    world.b_takes_all().await;
    world.relay_txn(&world.stranger, world.b.name(), 0).await;
    let text = metrics(&world).await;
    for line in [
        r#"relay_events_total{event="stored"} 3"#,
        r#"relay_events_total{event="repeated"} 1"#,
        r#"relay_events_total{event="handed_out"} 2"#,
        r#"relay_events_total{event="acknowledged"} 2"#,
        r#"relay_events_total{event="set_aside"} 1"#,
        r#"relay_refused_total{reason="not_yours"} 1"#,
        "relay_entries 0",
        "relay_disk_reserve_whole 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_relay_is_ready_while_it_keeps_mail() {
    let world = World::with(|config| config.metrics_port = Some(free_port())).await;
    let port = world.other_ports[1].unwrap();
    assert_eq!(world.send_to(port, get("/readyz")).await.body, "OK");
    world.operator(Method::PUT, "relaying", r#"{"enabled":false}"#).await;
    assert_eq!(world.send_to(port, get("/readyz")).await.status.as_u16(), 503);
    assert_eq!(world.send_to(port, get("/healthz")).await.body, "OK");
}

#[tokio::test]
async fn a_blocked_host_leaves_nothing_and_takes_its_own_mail() {
    let world = World::start().await;
    world.left_for_b("before").await;
    let path = format!("blocks/{}", world.a.name());
    world.operator(Method::PUT, &path, r#"{"reason":"spam"}"#).await;
    let refused = world.send_relay(&world.a, "t", world.b.name(), "{}").await;
    assert_eq!(refused.code(), (403, "M_FORBIDDEN".to_owned()));
    let blocks = world.operator(Method::GET, "blocks", "").await.json();
    assert_eq!(blocks["blocks"]["127.0.0.1"]["reason"], "spam");
    assert_eq!(world.b_takes_all().await, ["before"]);
    world.operator(Method::DELETE, &path, "").await;
    world.left_for_b("after").await;
    assert_eq!(world.operator(Method::DELETE, &path, "").await.status.as_u16(), 400);
}

#[tokio::test]
async fn quotas_are_set_and_taken_back_at_run_time() {
    let world = World::start().await;
    let one = r#"{"max_entries_per_destination":1}"#;
    let shown = world.operator(Method::PUT, "quotas", one).await.json();
    let quota = |shown: &Value| shown["max_entries_per_destination"].clone();
    assert_eq!(quota(&shown), json!({ "value": 1, "at_run_time": true }));
    world.left_for_b("one").await;
    let refused = world.send_relay(&world.a, "two", world.b.name(), "{}").await;
    assert_eq!(refused.json()["org.fedsim.relay.reason"], "quota_destination");
    let back = r#"{"max_entries_per_destination":null}"#;
    let shown = world.operator(Method::PUT, "quotas", back).await.json();
    assert_eq!(quota(&shown), json!({ "value": 10_000, "at_run_time": false }));
    world.left_for_b("two").await;
    for wrong in [r#"{"max_entries":1}"#, r#"{"origin_share_percent":101}"#, "[1]"] {
        assert_eq!(world.operator(Method::PUT, "quotas", wrong).await.status.as_u16(), 400);
    }
}

#[tokio::test]
async fn destinations_are_set_at_run_time() {
    let world = World::start().await;
    let only = r#"{"destinations":["c.test"]}"#;
    world.operator(Method::PUT, "destinations", only).await;
    let refused = world.send_relay(&world.a, "t", world.b.name(), "{}").await;
    assert_eq!(refused.json()["org.fedsim.relay.reason"], "not_served");
    world.operator(Method::PUT, "destinations", r#"{"destinations":null}"#).await;
    world.left_for_b("t").await;
}

#[tokio::test]
async fn one_entry_is_shown_and_dropped() {
    let world = World::start().await;
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    let shown = world.operator(Method::GET, "entries/1", "").await.json();
    assert_eq!((&shown["transaction_id"], &shown["pdus"]), (&json!("one"), &json!(1)));
    assert_eq!(world.operator(Method::DELETE, "entries/1", "").await.body, "{}");
    let again = world.operator(Method::DELETE, "entries/1", "").await;
    assert_eq!(again.code(), (404, "M_NOT_FOUND".to_owned()));
    assert_eq!(world.b_takes_all().await, ["two"]);
}

#[tokio::test]
async fn a_purge_says_what_it_would_delete_and_never_deletes_everything() {
    let world = World::start().await;
    world.left_for_b("old").await;
    world.pass(std::time::Duration::from_hours(2));
    world.left_for_b("young").await;
    let purge = async |body: &str| world.operator(Method::POST, "purge", body).await;
    let old = json!({ "older_than_ms": 3_600_000, "origin": "127.0.0.1", "dry_run": true });
    assert_eq!(purge(&old.to_string()).await.json()["purged"], 1);
    assert_eq!(purge(r#"{"dry_run":false}"#).await.code().0, 400);
    assert_eq!(purge(r#"{"older_than_ms":3600000}"#).await.json()["purged"], 1);
    assert_eq!(world.b_takes_all().await, ["young"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_released() {
    let world = World::start().await;
    world.left_for_b("broken").await;
    world.sql("UPDATE entries SET body = CAST('not JSON' AS BLOB)").await;
    assert!(world.b_takes_all().await.is_empty());
    let answer = world.operator(Method::POST, "quarantine/1/release", "").await;
    assert_eq!(answer.code(), (400, "M_INVALID_PARAM".to_owned()));
    world.operator(Method::DELETE, "quarantine/1", "").await;
    let status = world.operator(Method::GET, "status", "").await.json();
    assert_eq!((&status["quarantined"], &status["bytes"]), (&json!(0), &json!(0)));
}
