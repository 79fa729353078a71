//! A user of a homeserver process, over its client API.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use transport::{
    http::{Address, Client, ClientLimits},
    real::{self, RealConfig},
};

use crate::cluster::PATIENCE;

/// Calls processes on loopback.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
}

impl Api {
    pub(crate) fn new(folder: &Path) -> Self {
        let host = real::host(folder, &RealConfig::default()).unwrap();
        Self { client: Client::new(&host, ClientLimits::default()) }
    }

    /// Makes one request, and returns the status and the JSON of its answer; none if no answer
    /// came.
    pub(crate) async fn call(
        &self,
        port: u16,
        token: Option<&str>,
        (method, path): (Method, &str),
        body: &Value,
    ) -> Option<(u16, Value)> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let address = Address { name: "127.0.0.1".to_owned(), port };
        let answer = self.client.send(&address, request, Duration::from_secs(30)).await.ok()?;
        let value = serde_json::from_slice(answer.body()).unwrap_or_default();
        Some((answer.status().as_u16(), value))
    }

    /// Returns the status and the text of an answer; none if no answer came.
    pub(crate) async fn text(&self, port: u16, path: &str) -> Option<(u16, String)> {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let address = Address { name: "127.0.0.1".to_owned(), port };
        let answer = self.client.send(&address, request, Duration::from_secs(30)).await.ok()?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        Some((answer.status().as_u16(), text))
    }

    /// Asks again and again until `ask` returns an answer, and returns it.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: not within {PATIENCE:?}");
    }

    /// Waits until the process on `port` answers `path` with 200.
    pub(crate) async fn answers(&self, port: u16, path: &str) {
        self.until(path, async || {
            let answer = self.call(port, None, (Method::GET, path), &Value::Null).await;
            answer.filter(|(status, _)| *status == 200)
        })
        .await;
    }

    pub(crate) async fn register(&self, port: u16, name: &str) -> User {
        let body = json!({
            "username": name, "password": "secret", "auth": { "type": "m.login.dummy" }
        });
        let path = "/_matrix/client/v3/register";
        let (status, answer) = self.call(port, None, (Method::POST, path), &body).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        User::of(self, port, &answer)
    }
}

/// A registered user.
#[derive(Clone)]
pub(crate) struct User {
    api: Api,
    port: u16,
    id: String,
    token: String,
}

impl User {
    fn of(api: &Api, port: u16, login: &Value) -> Self {
        let text = |field: &str| login[field].as_str().unwrap().to_owned();
        Self { api: api.clone(), port, id: text("user_id"), token: text("access_token") }
    }

    /// Returns the same user on another device.
    pub(crate) async fn another_device(&self) -> Self {
        let body = json!({ "type": "m.login.password", "user": self.id, "password": "secret" });
        let (status, answer) = self.call(Method::POST, "login", &body).await;
        assert_eq!(status, 200, "{answer}");
        Self::of(&self.api, self.port, &answer)
    }

    /// Returns what this user's requests say in `Authorization`.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/_matrix/client/v3/{path}");
        self.api.call(self.port, Some(&self.token), (method, &path), body).await.unwrap()
    }

    /// Returns what is new since then, or what there is; waits some seconds for news.
    pub(crate) async fn sync(&self, since: Option<&str>) -> Value {
        let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
        let path = format!("sync?timeout=3000{since}");
        let (status, answer) = self.call(Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn create_room(&self, guests: &[&Self], creation: Value) -> String {
        let invite: Vec<_> = guests.iter().map(|guest| guest.id.clone()).collect();
        let body = json!({
            "preset": "private_chat", "invite": invite, "creation_content": creation
        });
        let (status, answer) = self.call(Method::POST, "createRoom", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["room_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn join(&self, room: &str) {
        let (status, answer) = self.call(Method::POST, &format!("join/{room}"), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn waits_for_members(&self, room: &str, count: usize) {
        let path = format!("rooms/{room}/joined_members");
        self.api
            .until("members", async || {
                let (_, answer) = self.call(Method::GET, &path, &Value::Null).await;
                let joined = answer["joined"].as_object().map_or(0, serde_json::Map::len);
                (joined == count).then_some(())
            })
            .await;
    }

    pub(crate) async fn try_send(&self, room: &str, text: &str) -> (u16, Value) {
        let id: String = text.chars().filter(|it| *it != ' ').take(100).collect();
        let body = json!({ "msgtype": "m.text", "body": text });
        let path = format!("rooms/{room}/send/m.room.message/{id}");
        self.call(Method::PUT, &path, &body).await
    }

    pub(crate) async fn send(&self, room: &str, text: &str) {
        let (status, answer) = self.try_send(room, text).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Returns whether the room's timeline has the text.
    pub(crate) async fn reads(&self, room: &str, text: &str) -> bool {
        let path = format!("rooms/{room}/messages?dir=b&limit=100");
        let (_, answer) = self.call(Method::GET, &path, &Value::Null).await;
        let chunk = answer["chunk"].as_array().cloned().unwrap_or_default();
        chunk.iter().any(|event| event["content"]["body"] == *text)
    }

    pub(crate) async fn waits_to_read(&self, room: &str, text: &str) {
        self.api.until(text, async || self.reads(room, text).await.then_some(())).await;
    }
}
