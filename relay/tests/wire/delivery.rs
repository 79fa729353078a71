//! The sender-side mode: the relay keeps trying to reach the destination itself.

use http::StatusCode;

use crate::{
    server::{Received, Server},
    world::{Answer, DEADLINE, EMPTY, World},
};

async fn forwarding() -> World {
    World::with(|config| config.forward = true).await
}

/// Everything that came to `server`, once there are `count` of them.
async fn received(server: &Server, count: usize) -> Vec<Received> {
    let mut received = server.received.clone();
    let enough = received.wait_for(|received| received.len() >= count);
    let enough = tokio::time::timeout(DEADLINE, enough).await;
    enough.expect("as many came in time").expect("the server runs").clone()
}

fn answer_with(server: &Server, status: StatusCode) {
    *server.status.lock().unwrap() = status;
}

/// What `b` is handed out, once it is as `wanted`.
async fn handed_out(world: &World, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let asking = async {
        loop {
            let answer = world.b_takes(0).await;
            if wanted(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("it came in time")
}

/// Waits until nothing waits for `b`.
async fn emptied(world: &World) {
    handed_out(world, |answer| answer.body == EMPTY).await;
}

#[tokio::test]
async fn what_is_left_is_sent_on_in_order_and_deleted() {
    let world = forwarding().await;
    answer_with(&world.b, StatusCode::SERVICE_UNAVAILABLE);
    world.send_relay(&world.a, "1", world.b.name(), r#"{"pdus":[{"n":1}]}"#).await;
    received(&world.b, 1).await;
    world.send_relay(&world.a, "2", world.b.name(), r#"{"pdus":[{"n":2}]}"#).await;
    answer_with(&world.b, StatusCode::OK);
    let received = received(&world.b, 3).await;
    assert_eq!(received[0], received[1]);
    assert_eq!(received[1].1["pdus"][0]["n"], 1);
    assert_eq!(received[2].1["pdus"][0]["n"], 2);
    assert_eq!(received[2].1["origin"], "relay.test");
    emptied(&world).await;
}

#[tokio::test]
async fn a_destination_that_calls_is_tried_at_once() {
    let world = forwarding().await;
    answer_with(&world.b, StatusCode::SERVICE_UNAVAILABLE);
    world.left_for_b("t").await;
    // After four failures the next attempt is eight seconds away.
    received(&world.b, 4).await;
    answer_with(&world.b, StatusCode::OK);
    let called = tokio::time::Instant::now();
    emptied(&world).await;
    assert!(called.elapsed().as_secs() < 4);
}

#[tokio::test]
async fn edus_stay_for_the_retriever() {
    let world = forwarding().await;
    let body = r#"{"pdus":[{}],"edus":[{"edu_type":"m.receipt"}]}"#;
    world.send_relay(&world.a, "t", world.b.name(), body).await;
    let sent = received(&world.b, 1).await;
    assert_eq!(sent[0].1.get("edus"), None);
    let rest = handed_out(&world, |answer| answer.body.contains(r#""pdus":[]"#)).await.json();
    assert_eq!(rest["transaction"]["origin"], world.a.name().as_str());
    assert_eq!(rest["transaction"]["edus"][0]["edu_type"], "m.receipt");
}

#[tokio::test]
async fn an_entry_refused_for_good_stays_for_the_retriever_and_holds_up_nobody() {
    let world = forwarding().await;
    answer_with(&world.b, StatusCode::BAD_REQUEST);
    world.left_for_b("one").await;
    received(&world.b, 1).await;
    world.send_relay(&world.a, "two", world.b.name(), r#"{"pdus":[{"n":2}]}"#).await;
    assert_eq!(received(&world.b, 2).await[1].1["pdus"][0]["n"], 2);
    assert_eq!(world.b_takes_all().await, ["one", "two"]);
}
