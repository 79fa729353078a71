//! What a server that breaks the rules achieves: nothing.

use std::{net::Ipv4Addr, time::Duration};

use axum::{Json, Router, routing::get};
use bytes::Bytes;
use homeserver::{Config, Homeserver};
use http::Request;
use ruma::{RoomId, api::federation::transactions::send_transaction_message::v1 as send};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use transport::{
    federation::CallError,
    http::{Address, Client, ClientLimits},
    real::{RealConfig, host},
};

use crate::{
    stranger::{DEADLINE, Stranger, id_of},
    support::{Backend, One, free_name, machine},
};

/// The one outcome in an answer, and whether `backend` shows any message in the room.
async fn refused(
    answer: Result<send::Response, CallError>,
    backend: &Backend,
    room: &RoomId,
) -> String {
    let (event_id, outcome) = answer.unwrap().pdus.pop_first().unwrap();
    let rooms = backend.rooms();
    assert!(backend.run(async move { rooms.event(&event_id).await }).await.unwrap().is_none());
    assert!(backend.texts(room).await.is_empty());
    outcome.unwrap_err()
}

#[tokio::test]
async fn event_forged_in_the_name_of_another_server_is_refused() {
    let eve = Stranger::start().await;
    let One { a, alice, room } = One::start().await;
    for signer in [a.name.as_str(), eve.name.as_str()] {
        let forged = eve.event(&a, &room, (alice.id.as_str(), signer), "forged").await;
        let answer = eve.send(&a, signer, vec![forged]).await;
        let reason = refused(answer, &a, &room).await;
        assert!(reason.contains("signature"), "{reason}");
    }
}

#[tokio::test]
async fn who_is_not_in_the_room_cannot_send_into_it() {
    let eve = Stranger::start().await;
    let One { a, alice, room } = One::start().await;
    let sender = format!("@eve:{}", eve.name);
    let event = eve.event(&a, &room, (&sender, eve.name.as_str()), "intruding").await;
    let reason = refused(eve.send(&a, "1", vec![event]).await, &a, &room).await;
    assert!(reason.contains("not allowed"), "{reason}");
    a.say(&alice, &room, "undisturbed").await;
    assert_eq!(a.texts(&room).await, ["undisturbed"]);
}

#[tokio::test]
async fn same_transaction_gets_the_same_answer_also_after_a_death() {
    let eve = Stranger::start().await;
    let One { mut a, room, .. } = One::start().await;
    let sender = format!("@eve:{}", eve.name);
    let first = eve.event(&a, &room, (&sender, eve.name.as_str()), "first").await;
    let second = eve.event(&a, &room, (&sender, eve.name.as_str()), "second").await;
    let answer = eve.send(&a, "txn", vec![first]).await.unwrap();
    assert_eq!(answer.pdus.len(), 1);
    let again = eve.send(&a, "txn", vec![second.clone()]).await.unwrap();
    assert_eq!(again.pdus, answer.pdus);
    a.kill();
    a.boot().await;
    let again = eve.send(&a, "txn", vec![second.clone()]).await.unwrap();
    assert_eq!(again.pdus, answer.pdus);
    assert_ne!(eve.send(&a, "other", vec![second]).await.unwrap().pdus, answer.pdus);
}

#[tokio::test]
async fn transaction_with_too_much_in_it_is_refused() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let pdus = vec![serde_json::value::to_raw_value(&json!({})).unwrap(); 51];
    let Err(CallError::Refused(error)) = eve.send(&a, "pdus", pdus).await else { panic!("taken") };
    assert_eq!(error.status, 400);
    let edus = vec![json!({ "edu_type": "m.typing", "content": {} }); 101];
    let Err(CallError::Refused(error)) = eve.send_all(&a, ("edus", vec![], edus)).await else {
        panic!("taken")
    };
    assert_eq!(error.status, 400);
}

#[tokio::test]
async fn unknown_edus_and_malformed_pdus_are_ignored() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let edu = json!({ "edu_type": "org.example.unheard_of", "content": { "x": 1 } });
    let pdu = serde_json::value::to_raw_value(&json!({ "room_id": "!nowhere:x" })).unwrap();
    let answer = eve.send_all(&a, ("1", vec![pdu], vec![edu])).await.unwrap();
    assert!(answer.pdus.is_empty());
}

#[tokio::test]
async fn room_is_not_told_to_a_server_that_is_not_in_it() {
    let eve = Stranger::start().await;
    let One { a, alice, room } = One::start().await;
    let id = a.say(&alice, &room, "secret").await;
    let request = ruma::api::federation::event::get_event::v1::Request::new(id);
    let Err(CallError::Refused(error)) = eve.federation.call(&a.name, request, DEADLINE).await
    else {
        panic!("told")
    };
    assert_eq!(error.status, 403);
}

#[tokio::test]
async fn unsigned_request_is_refused() {
    let a = Backend::start().await;
    let body = json!({ "origin": "x", "origin_server_ts": 1, "pdus": [] }).to_string();
    let request = Request::builder()
        .method("PUT")
        .uri("/_matrix/federation/v1/send/1")
        .header("content-type", "application/json")
        .body(Bytes::from(body))
        .unwrap();
    let directory = TempDir::new().unwrap();
    let client = Client::new(&machine(&directory), ClientLimits::default());
    let address = Address { name: "127.0.0.1".to_owned(), port: a.name.port().unwrap() };
    let answer = client.send(&address, request, DEADLINE).await.unwrap();
    assert_eq!(answer.status(), 401);
}

/// What a server that calls public addresses only, or all, answers to somebody who claims to be
/// `origin`, whose place in the answer is left blank.
async fn answer_to_claim_of(origin: &str, public_only: bool) -> (u16, String) {
    let directory = TempDir::new().unwrap();
    let bind = Some(Ipv4Addr::LOCALHOST.into());
    let own = host(directory.path(), &RealConfig { bind, public_only, ..RealConfig::default() });
    let mut config = Config::new(free_name());
    (config.federation_port, config.client_port) = (0, 0);
    let name = config.server_name.clone();
    let running = Homeserver::start(own.unwrap(), config).await.unwrap();
    let claim =
        format!(r#"X-Matrix origin="{origin}",destination="{name}",key="ed25519:1",sig="AAAA""#);
    let request = Request::get("/_matrix/federation/v1/state_ids/%21a%3Ab?event_id=%24c");
    let request = request.header("authorization", claim).body(Bytes::new()).unwrap();
    let client = Client::new(&machine(&directory), ClientLimits::default());
    let address = Address { name: "127.0.0.1".to_owned(), port: running.federation_port };
    let answer = client.send(&address, request, DEADLINE).await.unwrap();
    let text = String::from_utf8_lossy(answer.body()).replace(origin, "");
    (answer.status().as_u16(), text)
}

#[tokio::test]
async fn a_claim_does_not_find_out_what_listens_where() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let port = silent.local_addr().unwrap().port();
    let refused = answer_to_claim_of("127.0.0.1:1", true).await;
    assert_eq!(refused.0, 401, "{refused:?}");
    for host in ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254"] {
        let began = Instant::now();
        assert_eq!(answer_to_claim_of(&format!("{host}:{port}"), true).await, refused, "{host}");
        assert!(began.elapsed() < Duration::from_secs(5), "{host} was waited for");
    }
    assert!(silent.accept().is_err(), "nobody was called");
    // Where every address is called, the answer is the same whatever is found there.
    let http = Stranger::start().await;
    let (listening, nothing) = (http.name.to_string(), "127.0.0.1:1");
    for origin in [nothing, listening.as_str()] {
        assert_eq!(answer_to_claim_of(origin, false).await, refused, "{origin}");
    }
}

#[tokio::test]
async fn a_server_that_asks_too_often_is_told_when_to_come_again_and_no_other_one_is() {
    let a = Backend::start_with(|config| config.requests_per_peer = 5).await;
    let (eve, other) = (Stranger::start().await, Stranger::start().await);
    // What is not signed by a server is not counted as its own.
    let directory = TempDir::new().unwrap();
    let client = Client::new(&machine(&directory), ClientLimits::default());
    for _ in 0..10 {
        let claim = format!("X-Matrix origin=\"{}\",key=\"ed25519:1\",sig=\"AAAA\"", eve.name);
        let forged = Request::get("/_matrix/federation/v1/query/directory?room_alias=%23a%3Ab");
        let forged = forged.header("authorization", claim).body(Bytes::new()).unwrap();
        let address = Address { name: "127.0.0.1".to_owned(), port: a.name.port().unwrap() };
        assert_eq!(client.send(&address, forged, DEADLINE).await.unwrap().status(), 401);
    }
    assert!(eve.send(&a, "first", vec![]).await.is_ok());
    let mut refused = Ok(());
    for number in 0..20 {
        refused = refused.and(eve.send(&a, &number.to_string(), vec![]).await.map(drop));
    }
    let Err(CallError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!((error.status.as_u16(), &*error.errcode), (429, "M_LIMIT_EXCEEDED"));
    let wait_ms = error.extra["retry_after_ms"].as_u64().unwrap();
    assert!((1..=200).contains(&wait_ms), "{wait_ms}");
    assert!(other.send(&a, "1", vec![]).await.is_ok());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(eve.send(&a, "later", vec![]).await.is_ok());
}

#[tokio::test]
async fn the_forks_of_one_member_are_brought_together_and_clients_see_nothing_of_it() {
    let eve = Stranger::start().await;
    let One { a, alice, room } = One::start().await;
    eve.join(&a, &room, &[&a]).await;
    for (number, batch) in eve.forks(&a, &room, 70).await.chunks(50).enumerate() {
        let answer = eve.send(&a, &format!("forks{number}"), batch.to_vec()).await.unwrap();
        assert!(answer.pdus.values().all(Result::is_ok), "{answer:?}");
    }
    assert!(a.count("SELECT count(*) FROM forward_extremities") <= 21);
    let dummies = "SELECT count(*) FROM timeline JOIN events USING (event_id)
                   WHERE json LIKE '%dummy%'";
    assert!(a.count(dummies) >= 3);
    a.say(&alice, &room, "undisturbed").await;
    let path = format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=100");
    let (_, page) = a.ask(("GET", &path), Some(&alice.token), json!({})).await;
    assert!(page.to_string().contains("undisturbed") && !page.to_string().contains("dummy"));
}

#[tokio::test]
async fn messages_that_one_member_puts_beside_each_other_are_brought_together() {
    let eve = Stranger::start().await;
    let One { a, room, .. } = One::start().await;
    let state = eve.join(&a, &room, &[&a]).await;
    let mut beside = Vec::new();
    for number in 0..60 {
        beside.push(eve.message(&a, &room, (&state, &number.to_string())).await);
    }
    for (number, batch) in beside.chunks(50).enumerate() {
        let answer = eve.send(&a, &format!("beside{number}"), batch.to_vec()).await.unwrap();
        assert!(answer.pdus.values().all(Result::is_ok), "{answer:?}");
    }
    assert!(a.count("SELECT count(*) FROM forward_extremities") <= 21);
    assert_eq!(a.texts(&room).await.len(), 60);
}

#[tokio::test]
async fn what_no_later_stage_could_handle_is_refused_from_a_member_and_costs_itself_alone() {
    let eve = Stranger::start().await;
    let One { mut a, alice, room } = One::start().await;
    let state = eve.join(&a, &room, &[&a]).await;
    let deep: Value =
        serde_json::from_str(&format!("{}{}", "[".repeat(55), "]".repeat(55))).unwrap();
    let wide: Value = (0..5000).map(|key| (key.to_string(), json!(1))).collect();
    let bad = [json!({ "deep": deep }), json!({ "wide": wide })];
    let (mut pdus, before) = (Vec::new(), a.count("SELECT count(*) FROM events"));
    for content in bad {
        pdus.push(eve.message_with(&a, &room, (&state, content), None).await);
    }
    pdus.push(eve.message(&a, &room, (&state, "good")).await);
    let answer = eve.send(&a, "1", pdus).await.unwrap();
    assert_eq!(answer.pdus.values().filter(|outcome| outcome.is_ok()).count(), 1, "{answer:?}");
    assert_eq!(a.count("SELECT count(*) FROM events"), before + 1);
    a.kill();
    a.boot().await;
    assert_eq!(a.texts(&room).await, ["good"]);
    for path in ["sync".to_owned(), format!("rooms/{room}/messages?dir=b")] {
        let path = format!("/_matrix/client/v3/{path}");
        assert_eq!(a.ask(("GET", &path), Some(&alice.token), json!({})).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn an_invite_of_a_server_that_lies_can_be_rejected() {
    let lies = [json!([]), json!({ "room_version": "11", "event": { "type": "m.room.member" } })];
    for lie in lies {
        let answer = get(async move || Json(lie));
        let path = "/_matrix/federation/v1/make_leave/{room}/{user}";
        let eve = Stranger::start_with(Router::new().route(path, answer)).await;
        let a = Backend::start().await;
        let alice = a.user("alice").await;
        let event = json!({
            "type": "m.room.member", "state_key": alice.id, "content": { "membership": "invite" },
            "room_id": format!("!lie:{}", eve.name), "sender": eve.user(), "depth": 1,
            "origin_server_ts": 1_700_000_000_000_u64, "prev_events": [], "auth_events": [],
        });
        let event = serde_json::to_value(eve.sign(event, eve.name.as_str())).unwrap();
        let (room, id) = (event["room_id"].as_str().unwrap(), id_of(&event));
        let path = format!("/_matrix/federation/v2/invite/{room}/{id}");
        let body = json!({ "room_version": "11", "event": event, "invite_room_state": [] });
        let (status, answer) = eve.ask(&a, ("PUT", &path), body.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{answer}");
        let sync = ("GET", "/_matrix/client/v3/sync");
        let invites = async || {
            let (_, synced) = a.ask(sync, Some(&alice.token), json!({})).await;
            synced["rooms"]["invite"].as_object().map_or(0, serde_json::Map::len)
        };
        assert_eq!(invites().await, 1);
        let path = format!("/_matrix/client/v3/rooms/{room}/leave");
        let (status, answer) = a.ask(("POST", &path), Some(&alice.token), json!({})).await;
        assert_eq!((status, invites().await), (200, 0), "{answer}");
    }
}
