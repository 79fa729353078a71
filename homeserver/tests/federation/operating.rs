//! What an operator does: accounts, queues, back-off.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, response::IntoResponse, routing::put};
use bytes::Bytes;
use http::{Request, StatusCode, header::ACCESS_CONTROL_ALLOW_ORIGIN as ORIGINS};
use serde_json::{Value, json};
use transport::http::{Address, Client, ClientLimits};

use crate::{
    stranger::Stranger,
    support::{ADMIN_TOKEN, Backend, One, Two, eventually, machine, shows},
};

const REGISTER: (&str, &str) = ("POST", "/_matrix/client/v3/register");
const LOGIN: (&str, &str) = ("POST", "/_matrix/client/v3/login");

async fn operate(backend: &Backend, method: &str, path: &str, body: Value) -> (u16, Value) {
    let path = format!("/_fedsim/admin/v1/{path}");
    backend.ask((method, &path), Some(ADMIN_TOKEN), body).await
}

fn login(name: &str, password: &Value) -> Value {
    json!({ "type": "m.login.password", "user": name, "password": password })
}

fn patient(config: &mut homeserver::Config) {
    config.backoff_first = Duration::from_mins(10);
    config.backoff_max = Duration::from_hours(1);
}

#[tokio::test]
async fn where_registration_is_closed_the_operator_makes_accounts() {
    let closed = |config: &mut homeserver::Config| config.open_registration = false;
    let a = Backend::start_with(closed).await;
    let body = json!({ "username": "x", "password": "x", "auth": { "type": "m.login.dummy" } });
    let (status, error) = a.ask(REGISTER, None, body).await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_FORBIDDEN")));
    let (status, made) = operate(&a, "POST", "users", json!({ "name": "alice" })).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(a.ask(LOGIN, None, login("alice", &made["password"])).await.0, 200);
    let again = operate(&a, "POST", "users", json!({ "name": "alice" })).await;
    assert_eq!(again.1["errcode"], "M_USER_IN_USE");
}

#[tokio::test]
async fn who_has_the_registration_token_makes_an_account_and_nobody_else() {
    let by_token = |config: &mut homeserver::Config| {
        config.open_registration = false;
        config.registration_token = Some("sesame".to_owned());
    };
    let a = Backend::start_with(by_token).await;
    let with = |auth: Value| json!({ "username": "alice", "password": "x", "auth": auth });
    for auth in [
        json!({ "type": "m.login.dummy" }),
        json!({ "type": "m.login.registration_token" }),
        json!({ "type": "m.login.registration_token", "token": "sesam" }),
    ] {
        let (status, asked) = a.ask(REGISTER, None, with(auth)).await;
        assert_eq!(status, 401, "{asked}");
        assert_eq!(asked["flows"][0]["stages"], json!(["m.login.registration_token"]));
    }
    let auth = json!({ "type": "m.login.registration_token", "token": "sesame" });
    assert_eq!(a.ask(REGISTER, None, with(auth)).await.0, 200);
}

#[tokio::test]
async fn who_registers_without_a_name_gets_one() {
    let One { a, .. } = One::start().await;
    let body = json!({ "password": "x", "auth": { "type": "m.login.dummy" } });
    let (status, one) = a.ask(REGISTER, None, body.clone()).await;
    assert_eq!(status, 200, "{one}");
    let other = a.ask(REGISTER, None, body).await.1;
    assert_ne!(one["user_id"], other["user_id"]);
    let path = "/_matrix/client/v3/register/available?username=";
    let (status, taken) = a.ask(("GET", &format!("{path}alice")), None, Value::Null).await;
    assert_eq!((status, &taken["errcode"]), (400, &json!("M_USER_IN_USE")));
    assert_eq!(a.ask(("GET", &format!("{path}bob")), None, Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_new_password_ends_the_logins_made_with_the_old_one() {
    let One { a, alice, .. } = One::start().await;
    let (status, set) = operate(&a, "PUT", "users/alice/password", json!({})).await;
    assert_eq!(status, 200, "{set}");
    let whoami = ("GET", "/_matrix/client/v3/account/whoami");
    assert_eq!(a.ask(whoami, Some(&alice.token), Value::Null).await.0, 401);
    assert_eq!(a.ask(LOGIN, None, login("alice", &json!("pass"))).await.0, 403);
    assert_eq!(a.ask(LOGIN, None, login("alice", &set["password"])).await.0, 200);
}

#[tokio::test]
async fn a_deactivated_user_is_in_no_room_and_cannot_log_in() {
    let Two { a, b, bob, room, .. } = Two::start().await;
    let (status, done) = operate(&b, "POST", "users/bob/deactivate", json!({})).await;
    assert_eq!((status, done), (200, json!({ "left": 1, "still_in": [] })));
    let (status, error) = b.ask(LOGIN, None, login("bob", &json!("pass"))).await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_USER_DEACTIVATED")));
    eventually("a hears of it", || async { a.membership(&bob.id, &room).await == Some("leave") })
        .await;
    let listed = operate(&b, "GET", "users", Value::Null).await.1;
    assert_eq!(listed["users"][0]["deactivated"], true, "{listed}");
    assert_eq!(operate(&b, "POST", "users/eve/deactivate", json!({})).await.0, 404);
}

#[tokio::test]
async fn the_operator_is_told_which_program_another_server_is_or_why_it_cannot_be_reached() {
    let Two { a, mut b, .. } = Two::start().await;
    let path = format!("reach/{}", b.name);
    let there = operate(&a, "GET", &path, Value::Null).await.1;
    assert!(there["program"].as_str().is_some_and(|it| it.starts_with("homeserver ")), "{there}");
    b.kill();
    let gone = operate(&a, "GET", &path, Value::Null).await.1;
    assert!(gone["error"].as_str().is_some_and(|it| it.contains("connect")), "{gone}");
    assert_eq!(gone["program"], Value::Null);
    let stranger = ("GET", "/_fedsim/admin/v1/reach/b.test");
    assert_eq!(a.ask(stranger, None, Value::Null).await.0, 401);
}

#[tokio::test]
async fn what_was_set_aside_is_sent_when_the_operator_queues_it_again() {
    let Two { mut a, mut b, alice, room, .. } = Two::start().await;
    b.kill();
    a.say(&alice, &room, "aside").await;
    a.kill();
    a.change(
        "INSERT INTO outgoing_set_aside (destination, event_id, reason)
             SELECT destination, event_id, 'too odd' FROM outgoing;
         DELETE FROM outgoing; DELETE FROM outgoing_transactions;",
    );
    a.boot().await;
    b.boot().await;
    let path = format!("queues/{}", b.name);
    let shown = operate(&a, "GET", &path, Value::Null).await.1;
    assert_eq!(shown["set_aside"][0]["reason"], "too odd", "{shown}");
    let (status, done) = operate(&a, "POST", &format!("{path}/retry"), json!({})).await;
    assert_eq!((status, done), (200, json!({ "events": 1 })));
    shows(&b, &room, &["aside"]).await;
}

#[tokio::test]
async fn a_queue_that_was_dropped_is_not_sent_even_if_it_is_in_flight() {
    let a = Backend::start_with(patient).await;
    let (up, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (is_up, seen) = (Arc::clone(&up), Arc::clone(&sent));
    let take = move |Json(transaction): Json<Value>| {
        let is_up = is_up.load(Ordering::SeqCst);
        if is_up {
            seen.lock().unwrap().push(transaction);
        }
        async move {
            let status = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Json(json!({ "pdus": {} }))).into_response()
        }
    };
    let send = Router::new().route("/_matrix/federation/v1/send/{id}", put(take));
    let eve = Stranger::start_with(send).await;
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    eve.join(&a, &room, &[&a]).await;
    a.say(&alice, &room, "dropped").await;
    let failing = "SELECT count(*) FROM destinations";
    eventually("it was tried", || async { a.count(failing) == 1 }).await;
    let path = format!("queues/{}", eve.name);
    assert_eq!(operate(&a, "DELETE", &path, Value::Null).await.0, 200);
    up.store(true, Ordering::SeqCst);
    a.say(&alice, &room, "sent").await;
    let path = format!("back-off/{}", eve.name);
    assert_eq!(operate(&a, "DELETE", &path, Value::Null).await.0, 200);
    eventually("it is sent", || async { !sent.lock().unwrap().is_empty() }).await;
    let first = sent.lock().unwrap()[0].clone();
    assert_eq!(first["pdus"].as_array().unwrap().len(), 1, "{first}");
    assert_eq!(first["pdus"][0]["content"]["body"], "sent");
}

#[tokio::test]
async fn a_destination_is_tried_at_once_when_its_back_off_is_reset() {
    let (a, mut b) = (Backend::start_with(patient).await, Backend::start().await);
    let (alice, bob) = (a.user("alice").await, b.user("bob").await);
    let room = a.public_room(&alice).await;
    b.join(&bob, &room, &a).await;
    b.kill();
    a.say(&alice, &room, "late").await;
    let failing = "SELECT count(*) FROM destinations";
    eventually("an attempt failed", || async { a.count(failing) == 1 }).await;
    // So that nothing else ends the wait.
    b.switch.cut();
    b.boot().await;
    operate(&a, "DELETE", &format!("back-off/{}", b.name), Value::Null).await;
    shows(&b, &room, &["late"]).await;
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_again_and_no_other_one_is() {
    let a = Backend::start_with(|config| config.requests_per_user = 5).await;
    let (alice, bob) = (a.user("alice").await, a.user("bob").await);
    let whoami = ("GET", "/_matrix/client/v3/account/whoami");
    let mut refused = None;
    for _ in 0..20 {
        let (status, answer) = a.ask(whoami, Some(&alice.token), Value::Null).await;
        refused = refused.or((status != 200).then_some((status, answer)));
    }
    let (status, error) = refused.unwrap();
    assert_eq!((status, &error["errcode"]), (429, &json!("M_LIMIT_EXCEEDED")));
    assert!((1..=200).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
    assert_eq!(a.ask(whoami, Some(&bob.token), Value::Null).await.0, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(a.ask(whoami, Some(&alice.token), Value::Null).await.0, 200);
}

#[tokio::test]
async fn pages_of_other_origins_may_use_the_client_api() {
    let a = Backend::start().await;
    let directory = tempfile::TempDir::new().unwrap();
    let client = Client::new(&machine(&directory), ClientLimits::default());
    let address = Address { name: "127.0.0.1".to_owned(), port: a.name.port().unwrap() };
    for (method, status) in [("OPTIONS", 204), ("GET", 200)] {
        let request = Request::builder().method(method).uri("/_matrix/client/versions");
        let request = request.body(Bytes::new()).unwrap();
        let answer = client.send(&address, request, Duration::from_secs(10)).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[ORIGINS], "*");
    }
}
