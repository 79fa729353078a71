//! Many entries at once, each acknowledged by its id: the extension `org.fedsim.relay.take`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    server::Server,
    world::{Answer, World},
};

impl World {
    async fn take(&self, from: &Server, body: &Value) -> Answer {
        let name = self.b.name();
        let path = format!("/_matrix/federation/unstable/org.fedsim.relay/take/@user:{name}");
        let body = body.to_string();
        self.send(from.signed(&self.relay_name, Method::POST, &path, &body)).await
    }
}

/// The ids of the transactions in an answer.
fn ids(answer: &Answer) -> Vec<String> {
    let entries = answer.json()["entries"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| entry["transaction"]["transaction_id"].as_str().unwrap().to_owned();
    entries.iter().map(id).collect()
}

#[tokio::test]
async fn many_entries_are_taken_at_once_and_gone_when_they_are_acknowledged() {
    let world = World::start().await;
    for id in ["1", "2", "3", "4", "5"] {
        world.left_for_b(id).await;
    }
    let first = world.take(&world.b, &json!({ "max_entries": 3 })).await;
    assert_eq!(ids(&first), ["1", "2", "3"]);
    assert_eq!(first.json()["waiting"], 5);
    assert_eq!(ids(&world.take(&world.b, &json!({ "max_entries": 3 })).await), ["1", "2", "3"]);
    let next = world.take(&world.b, &json!({ "acknowledged": [1, 3, 4, 77] })).await;
    assert_eq!(ids(&next), ["2", "4", "5"]);
    assert_eq!(next.json()["waiting"], 3);
    let last = world.take(&world.b, &json!({ "acknowledged": [2, 4, 5] })).await;
    assert_eq!(last.json(), json!({ "entries": [], "waiting": 0 }));
}

#[tokio::test]
async fn a_batch_has_the_bytes_that_were_asked_for_and_one_entry_at_least() {
    let world = World::start().await;
    let body = format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(5000));
    for id in ["1", "2", "3"] {
        world.send_relay(&world.a, id, world.b.name(), &body).await;
    }
    assert_eq!(ids(&world.take(&world.b, &json!({ "max_bytes": 12_000 })).await), ["1", "2"]);
    assert_eq!(ids(&world.take(&world.b, &json!({ "max_bytes": 1 })).await), ["1"]);
}

#[tokio::test]
async fn a_stranger_takes_no_batch_and_acknowledges_nothing() {
    let world = World::start().await;
    world.left_for_b("t").await;
    world.b_takes(0).await;
    let answer = world.take(&world.stranger, &json!({ "acknowledged": [1] })).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(world.b_takes_all().await, ["t"]);
}

#[tokio::test]
async fn the_version_says_that_batches_are_to_be_had() {
    let world = World::start().await;
    let request = http::Request::get("/_matrix/federation/v1/version");
    let version = world.send(request.body(bytes::Bytes::new()).unwrap()).await.json();
    assert_eq!(version["org.fedsim.relay.take"]["max_entries"], 100);
}

#[tokio::test]
async fn a_batch_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    for body in [json!([]), json!({ "max_entries": -1 }), json!({ "acknowledged": vec![1; 1001] })]
    {
        assert_eq!(world.take(&world.b, &body).await.code(), (400, "M_BAD_JSON".to_owned()));
    }
}
