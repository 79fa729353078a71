//! A device: requests, what it has seen, and a websocket.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use transport::{
    Host,
    host::Stream,
    http::{Address, Client as Http, ClientLimits},
};

use super::{DEADLINE, client_host, switchboard::Switchboard};

const CLIENT_PORT: u16 = 8008;
const V3: &str = "/_matrix/client/v3";

/// A logged-in device.
pub(crate) struct Client {
    host: Host,
    http: Http,
    /// Holds nothing; a machine has a disk.
    directory: Arc<TempDir>,
    address: Address,
    pub(crate) user_id: String,
    pub(crate) token: String,
}

/// What an answer says: status and body.
pub(crate) type Answer = (u16, Value);

impl Client {
    pub(crate) async fn register(switchboard: &Arc<Switchboard>, server: &str, user: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let host = client_host(switchboard, &directory);
        let mut client = Self {
            http: Http::new(&host, ClientLimits::default()),
            host,
            directory,
            address: Address { name: format!("{server}.test"), port: CLIENT_PORT },
            user_id: String::new(),
            token: String::new(),
        };
        let body = json!({
            "username": user, "password": "open sesame", "auth": { "type": "m.login.dummy" },
        });
        let (status, answer) = client.post("/register", body).await;
        assert_eq!(status, 200, "{answer}");
        client.take_login(&answer);
        client
    }

    /// Another device of the same user.
    pub(crate) async fn another_device(&self) -> Self {
        let identifier = json!({ "type": "m.id.user", "user": self.user_id });
        let body = json!({
            "type": "m.login.password", "identifier": identifier, "password": "open sesame",
        });
        self.logged_in(body).await
    }

    /// The device that a login makes or takes over.
    async fn logged_in(&self, login: Value) -> Self {
        let (status, answer) = self.post("/login", login).await;
        assert_eq!(status, 200, "{answer}");
        let mut other = Self {
            host: self.host.clone(),
            http: self.http.clone(),
            directory: Arc::clone(&self.directory),
            address: self.address.clone(),
            user_id: String::new(),
            token: String::new(),
        };
        other.take_login(&answer);
        other
    }

    /// The same device, logged in again.
    pub(crate) async fn log_in_again(&self) -> Self {
        let (_, who) = self.get("/account/whoami").await;
        let identifier = json!({ "type": "m.id.user", "user": self.user_id });
        let body = json!({
            "type": "m.login.password", "identifier": identifier, "password": "open sesame",
            "device_id": who["device_id"],
        });
        self.logged_in(body).await
    }

    /// What a sync with these parameters and this filter shows.
    pub(crate) async fn sync_with(&self, parameters: &str, filter: &Value) -> Value {
        let (status, synced) =
            self.get(&Self::filtered(&format!("/sync?{parameters}"), filter)).await;
        assert_eq!(status, 200, "{synced}");
        synced
    }

    /// The path, with parameters or at least a question mark, with this filter.
    pub(crate) fn filtered(path: &str, filter: &Value) -> String {
        let filter = filter.to_string();
        let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
        format!("{path}&filter={filter}")
    }

    /// The token of a sync that shows all that there is.
    pub(crate) async fn synced(&self) -> String {
        self.get("/sync").await.1["next_batch"].as_str().unwrap().to_owned()
    }

    fn take_login(&mut self, answer: &Value) {
        answer["user_id"].as_str().unwrap().clone_into(&mut self.user_id);
        answer["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    /// A request to a path below the client-server API, or to another one (with a leading `//`).
    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let uri = match path.strip_prefix("//") {
            Some(other) => format!("/{other}"),
            None => format!("{V3}{path}"),
        };
        let mut request = Request::builder().method(method).uri(uri);
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        let body = body.map_or(Bytes::new(), |body| body.to_string().into());
        let sent = self.http.send(&self.address, request.body(body).unwrap(), DEADLINE).await;
        let answer = sent.unwrap();
        let text = answer.body();
        let body = serde_json::from_slice(text)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()));
        (answer.status().as_u16(), body)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.request(Method::PUT, path, Some(body)).await
    }

    /// A public room with this delivery policy, which `others` have joined; and everybody knows so.
    pub(crate) async fn room(&self, delivery: &str, others: &[&Self]) -> String {
        let body = json!({
            "preset": "public_chat", "creation_content": { "org.fedsim.delivery": delivery },
        });
        let (status, answer) = self.post("/createRoom", body).await;
        assert_eq!(status, 200, "{answer}");
        let room = answer["room_id"].as_str().unwrap().to_owned();
        for other in others {
            let via = self.user_id.split_once(':').unwrap().1;
            let (status, answer) = other.post(&format!("/join/{room}?via={via}"), json!({})).await;
            assert_eq!(status, 200, "{answer}");
        }
        for member in others.iter().chain([&self]) {
            member.wait_for_members(&room, others.len() + 1).await;
        }
        room
    }

    async fn wait_for_members(&self, room: &str, count: usize) {
        let mut since = String::new();
        loop {
            let (status, answer) = self.get(&format!("/rooms/{room}/joined_members")).await;
            if status == 200 && answer["joined"].as_object().unwrap().len() == count {
                return;
            }
            let timeout = if since.is_empty() { "" } else { "&timeout=10000" };
            let (_, answer) = self.get(&format!("/sync?{since}{timeout}")).await;
            since = format!("since={}", answer["next_batch"].as_str().unwrap());
        }
    }

    pub(crate) async fn send(&self, room: &str, transaction_id: &str, text: &str) -> Answer {
        let path = format!("/rooms/{room}/send/m.room.message/{transaction_id}");
        self.put(&path, json!({ "msgtype": "m.text", "body": text })).await
    }

    /// The texts of the messages that this device was notified of, oldest first.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let (_, page) = self.get("//notifications").await;
        let notifications = page["notifications"].as_array().unwrap();
        notifications.iter().filter_map(|one| text_of(&one["payload"][0])).collect()
    }

    /// Waits until this device is notified of the message `text`.
    pub(crate) async fn wait_for_text(&self, text: &str) {
        let (_, answer) = self.get("/sync").await;
        let mut since = answer["next_batch"].as_str().unwrap().to_owned();
        while !self.texts().await.iter().any(|seen| seen == text) {
            let (_, answer) = self.get(&format!("/sync?since={since}&timeout=10000")).await;
            let next = answer["next_batch"].as_str().unwrap().to_owned();
            assert_ne!(next, since, "{text} did not come");
            since = next;
        }
    }

    /// Opens `/await`.
    pub(crate) async fn open_socket(&self) -> Socket {
        let Address { name, port } = &self.address;
        let stream = self.host.net.connect(name, *port).await.unwrap();
        let url = format!("ws://{name}/await?access_token={}", self.token);
        let (socket, answer) = client_async(url, stream).await.unwrap();
        assert_eq!(answer.status(), 101);
        Socket(socket)
    }
}

/// The device's end of `/await`.
pub(crate) struct Socket(WebSocketStream<Stream>);

impl Socket {
    /// Waits until the server closes it; what it pushed before is dropped.
    pub(crate) async fn closed(&mut self) -> usize {
        let mut pushed = 0;
        loop {
            match tokio::time::timeout(DEADLINE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(_))) => pushed += 1,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return pushed,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits until the server closes it, and returns the code and the reason.
    pub(crate) async fn close_reason(&mut self) -> (u16, String) {
        loop {
            match tokio::time::timeout(DEADLINE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => panic!("no reason was given"),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.0.next()).await.unwrap();
            if let Message::Text(text) = next.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

fn text_of(event: &Value) -> Option<String> {
    let is_message = event["type"] == "m.room.message";
    is_message.then(|| event["content"]["body"].as_str().unwrap().to_owned())
}
