//! What a relay carries without understanding it, and whom it believes to have signed it.

use http::{Method, Request, StatusCode};

use crate::world::{EMPTY, World};

#[tokio::test]
async fn numbers_and_levels_of_any_kind_are_carried_as_their_sender_spelt_them() {
    let world = World::start().await;
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let pdu = format!(r#"{{"big":9007199254740993,"deep":{deep},"float":[1.50,1e400]}}"#);
    let body = format!(r#"{{"pdus":[{pdu}]}}"#);
    let path = format!("/_matrix/federation/v1/send_relay/t/{}", world.b.user_id());
    let signed = world.a.signed_as_spelt(&world.relay_name, (Method::PUT, &path), &body);
    let mut altered = signed.clone();
    *altered.body_mut() = body.replace("1.50", "1.5").into();
    assert_eq!(world.send(altered).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.send(signed).await.body, "null");
    assert!(world.b_takes(0).await.body.contains(&pdu));
}

#[tokio::test]
async fn an_array_is_no_request() {
    let world = World::start().await;
    world.left_for_b("t").await;
    let entry_id = world.b_takes(0).await.entry_id();
    let path = format!("/_matrix/federation/v1/relay_txn/{}", world.b.user_id());
    let body = format!("[{entry_id}]");
    let signed = world.b.signed(&world.relay_name, Method::GET, &path, &body);
    assert_eq!(world.send(signed).await.code(), (400, "M_BAD_JSON".to_owned()));
    let answer = world.operator(Method::PUT, "relaying", "[false]").await;
    assert_eq!(answer.code(), (400, "M_BAD_JSON".to_owned()));
    assert_eq!(world.b_takes_all().await, ["t"]);
}

#[tokio::test]
async fn null_acknowledges_nothing() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.b_takes(0).await;
    let path = format!("/_matrix/federation/v1/relay_txn/{}", world.b.user_id());
    for body in ["null", r#"{"entry_id":null}"#, "{}"] {
        let signed = world.b.signed(&world.relay_name, Method::GET, &path, body);
        assert_eq!(world.send(signed).await.transaction_id(), "t", "{body}");
    }
    assert_eq!(world.b_takes_all().await, ["t"]);
    let signed = world.b.signed(&world.relay_name, Method::GET, &path, "null");
    assert_eq!(world.send(signed).await.body, EMPTY);
}

#[tokio::test]
async fn answers_say_when_they_were_made_and_browsers_may_ask() {
    let world = World::start().await;
    let path = format!("/_matrix/federation/v1/relay_txn/{}", world.b.user_id());
    let request = Request::options(&path).body(bytes::Bytes::new()).unwrap();
    let deadline = crate::world::DEADLINE;
    let answer = world.a.client.send(&world.address, request, deadline).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let date = answer.headers()["date"].to_str().unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
}
