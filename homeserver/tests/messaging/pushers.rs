//! Push gateways: who is away is told by one, each notification once.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::post};
use http::StatusCode;
use serde_json::{Value, json};
use transport::{
    Host,
    http::{ServerLimits, serve},
};

use super::support::{Client, Cluster};

/// The push gateway `gateway.test`.
pub(crate) struct Gateway {
    is_up: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Value>>>,
    _host: Host,
    _directory: tempfile::TempDir,
}

impl Gateway {
    async fn start(cluster: &Cluster) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = cluster.machine("gateway", &directory);
        let (is_up, told) = (Arc::new(AtomicBool::new(true)), Arc::<Mutex<Vec<Value>>>::default());
        let (up, list) = (Arc::clone(&is_up), Arc::clone(&told));
        let notify = move |Json(body): Json<Value>| {
            let answer = if up.load(Ordering::SeqCst) {
                let gone = body["notification"]["content"]["body"] == "reject me";
                let key = body["notification"]["devices"][0]["pushkey"].clone();
                list.lock().unwrap().push(body);
                let rejected = if gone { vec![key] } else { Vec::new() };
                (StatusCode::OK, Json(json!({ "rejected": rejected })))
            } else {
                (StatusCode::BAD_GATEWAY, Json(json!({})))
            };
            async { answer }
        };
        let router = Router::new().route("/_matrix/push/v1/notify", post(notify));
        serve(&host, 80, router, ServerLimits::default()).await.unwrap();
        Self { is_up, told, _host: host, _directory: directory }
    }

    /// What it was told.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        let told = self.told();
        let text = |it: &Value| it["notification"]["content"]["body"].as_str().map(str::to_owned);
        told.iter().filter_map(text).collect()
    }

    pub(crate) async fn waits_for(&self, texts: &[&str]) {
        for _ in 0..1000 {
            if self.texts() == texts {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} is not {texts:?}", self.texts());
    }

    fn pusher() -> Value {
        let url = "http://gateway.test/_matrix/push/v1/notify";
        json!({
            "kind": "http", "app_id": "org.example", "pushkey": "key", "lang": "en",
            "app_display_name": "App", "device_display_name": "Phone", "data": { "url": url },
        })
    }
}

pub(crate) async fn alice_and_bobs_phone() -> (Cluster, Client, Client, String, Gateway) {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    let gateway = Gateway::start(&cluster).await;
    let (status, answer) = bob.post("/pushers/set", Gateway::pusher()).await;
    assert_eq!(status, 200, "{answer}");
    (cluster, alice, bob, room, gateway)
}

#[tokio::test]
async fn who_is_away_is_told_of_each_message_once_even_if_the_gateway_was_down() {
    let (mut cluster, alice, bob, room, gateway) = alice_and_bobs_phone().await;
    bob.send(&room, "own", "own").await;
    alice.send(&room, "1", "1").await;
    gateway.waits_for(&["1"]).await;
    gateway.is_up.store(false, Ordering::SeqCst);
    alice.send(&room, "2", "2").await;
    cluster.stop("a").await;
    cluster.start("a").await;
    gateway.is_up.store(true, Ordering::SeqCst);
    alice.send(&room, "3", "3").await;
    gateway.waits_for(&["1", "2", "3"]).await;
}

#[tokio::test]
async fn what_a_socket_brought_is_not_pushed_and_what_it_did_not_is() {
    let (_cluster, alice, bob, room, gateway) = alice_and_bobs_phone().await;
    let mut socket = bob.open_socket().await;
    alice.send(&room, "1", "1").await;
    assert_eq!(socket.next().await["payload"][0]["content"]["body"], "1");
    // The next frame is read after the ping that followed this one was answered.
    alice.send(&room, "2", "2").await;
    assert_eq!(socket.next().await["payload"][0]["content"]["body"], "2");
    drop(socket);
    alice.send(&room, "3", "3").await;
    gateway.waits_for(&["2", "3"]).await;
}

#[tokio::test]
async fn a_pusher_ends_when_it_is_taken_back_when_its_gateway_rejects_it_and_with_its_login() {
    let (cluster, alice, bob, room, _gateway) = alice_and_bobs_phone().await;
    let rows = "SELECT count(*) FROM pushers";
    assert_eq!(bob.get("/pushers").await.1["pushers"][0]["pushkey"], "key");
    let gone = json!({ "kind": null, "app_id": "org.example", "pushkey": "key" });
    assert_eq!(bob.post("/pushers/set", gone).await.0, 200);
    assert_eq!(cluster.read::<i64>("a", rows), 0);
    bob.post("/pushers/set", Gateway::pusher()).await;
    alice.send(&room, "1", "reject me").await;
    cluster.wait_for_count("a", rows, 0).await;
    bob.post("/pushers/set", Gateway::pusher()).await;
    assert_eq!(bob.post("/logout", json!({})).await.0, 200);
    assert_eq!(cluster.read::<i64>("a", rows), 0);
}

#[tokio::test]
async fn a_gateway_is_called_on_its_one_path_only() {
    let (_cluster, _alice, bob, _room, _gateway) = alice_and_bobs_phone().await;
    for url in
        ["http://127.0.0.1:1/admin", "ftp://a/_matrix/push/v1/notify", "nonsense", "https://a/"]
    {
        let mut pusher = Gateway::pusher();
        pusher["data"]["url"] = url.into();
        let (status, error) = bob.post("/pushers/set", pusher).await;
        assert_eq!((status, &error["errcode"]), (400, &json!("M_INVALID_PARAM")), "{url}");
    }
}
