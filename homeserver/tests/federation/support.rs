//! Backends on loopback: each with a runtime of its own, so that it can be killed, and a directory
//! of its own, so that it can come back.

use std::{
    future::Future,
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use homeserver::{
    Config, Homeserver,
    messaging::rooms::{CreateRoom, Direction, Draft, JoinRule, Rooms},
};
use http::Request;
use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use transport::{
    Host,
    http::{Address, Client, ClientLimits},
    real::{RealConfig, host},
};

use crate::{
    clock::SetBack,
    switch::{Switch, Switched},
};

pub(crate) const ADMIN_TOKEN: &str = "admin";
const DEADLINE: Duration = Duration::from_secs(20);

/// A server name on loopback whose port is free, below those that outgoing connections take.
pub(crate) fn free_name() -> OwnedServerName {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    loop {
        let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst)) % 12_000;
        let port = u16::try_from(20_000 + offset).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return format!("127.0.0.1:{port}").try_into().unwrap();
        }
    }
}

/// A real machine on loopback with its databases in `directory`.
pub(crate) fn machine(directory: &TempDir) -> Host {
    let config = RealConfig { bind: Some(Ipv4Addr::LOCALHOST.into()), ..RealConfig::default() };
    host(directory.path(), &config).unwrap()
}

/// A homeserver that can be killed and started again.
pub(crate) struct Backend {
    pub(crate) name: OwnedServerName,
    pub(crate) switch: Switch,
    pub(crate) clock: SetBack,
    config: Config,
    directory: TempDir,
    running: Option<(Runtime, Homeserver, Client)>,
}

impl Backend {
    /// A running backend, with quick back-off.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A running backend, whose configuration `change` changes.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(free_name());
        config.federation_port = config.server_name.port().unwrap();
        config.client_port = config.federation_port;
        config.admin_token = Some(ADMIN_TOKEN.to_owned());
        config.open_registration = true;
        config.registrations_per_address = u32::MAX;
        config.backoff_first = Duration::from_millis(50);
        config.backoff_max = Duration::from_millis(400);
        config.request_timeout = Duration::from_secs(5);
        config.relay_poll_interval = Duration::from_secs(1);
        change(&mut config);
        let (name, directory) = (config.server_name.clone(), TempDir::new().unwrap());
        let (switch, clock) = (Switch::default(), SetBack::default());
        let mut backend = Self { name, switch, clock, config, directory, running: None };
        backend.boot().await;
        backend
    }

    /// Starts the process again, on the same disk.
    pub(crate) async fn boot(&mut self) {
        // The runtime of a killed process drops its sockets in its own time.
        let port = self.name.port().unwrap();
        eventually("the port is free", || async {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        })
        .await;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut host = {
            let _inside = runtime.enter();
            machine(&self.directory)
        };
        let client = Client::new(&host, ClientLimits::default());
        host.net = Arc::new(Switched { net: host.net, switch: self.switch.clone() });
        host.clock = self.clock.of(host.clock);
        let config = self.config.clone();
        let started = runtime.spawn(async move { Homeserver::start(host, config).await });
        self.running = Some((runtime, started.await.unwrap().unwrap(), client));
    }

    /// Ends the process, at whatever it is doing.
    pub(crate) fn kill(&mut self) {
        let (runtime, homeserver, client) = self.running.take().unwrap();
        drop((homeserver, client));
        runtime.shutdown_background();
    }

    /// Takes the database away from the process, which is not running.
    pub(crate) fn lose_database(&self) {
        for file in std::fs::read_dir(self.directory.path()).unwrap() {
            let path = file.unwrap().path();
            if path.to_string_lossy().contains(".sqlite") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    pub(crate) fn rooms(&self) -> Rooms {
        self.running.as_ref().unwrap().1.rooms().clone()
    }

    /// Runs `work` inside the process.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.running.as_ref().unwrap().0.spawn(work).await.unwrap()
    }

    /// A request to the client or admin API: the status and the JSON of the answer.
    pub(crate) async fn ask(
        &self,
        (method, path): (&str, &str),
        token: Option<&str>,
        body: Value,
    ) -> (u16, Value) {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.ask_raw((method, path), token, body.as_bytes()).await
    }

    /// The same, with any body at all.
    pub(crate) async fn ask_raw(
        &self,
        (method, path): (&str, &str),
        token: Option<&str>,
        body: &[u8],
    ) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", "application/json");
        let request = request.body(Bytes::copy_from_slice(body)).unwrap();
        let address = Address { name: "127.0.0.1".to_owned(), port: self.name.port().unwrap() };
        let client = self.running.as_ref().unwrap().2.clone();
        let answer =
            self.run(async move { client.send(&address, request, DEADLINE).await }).await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    /// A new user.
    pub(crate) async fn user(&self, name: &str) -> User {
        let body =
            json!({ "username": name, "password": "pass", "auth": { "type": "m.login.dummy" } });
        let (status, answer) = self.ask(("POST", "/_matrix/client/v3/register"), None, body).await;
        assert_eq!(status, 200, "{answer}");
        User {
            id: answer["user_id"].as_str().unwrap().try_into().unwrap(),
            token: answer["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// A new room that everybody may join.
    pub(crate) async fn public_room(&self, creator: &User) -> OwnedRoomId {
        let options = CreateRoom { join_rule: JoinRule::Public, ..CreateRoom::default() };
        self.room(creator, options).await
    }

    pub(crate) async fn room(&self, creator: &User, options: CreateRoom) -> OwnedRoomId {
        let (rooms, creator) = (self.rooms(), creator.id.clone());
        self.run(async move { rooms.create(&creator, options).await }).await.unwrap()
    }

    /// Joins through `via`.
    pub(crate) async fn join(&self, user: &User, room: &RoomId, via: &Self) {
        let (rooms, user, room) = (self.rooms(), user.id.clone(), room.to_owned());
        let via = [via.name.clone()];
        self.run(async move { rooms.join(&user, &room, &via).await }).await.unwrap();
    }

    /// Sends a text message through the client API.
    pub(crate) async fn say(&self, user: &User, room: &RoomId, text: &str) -> OwnedEventId {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{text}");
        let body = json!({ "msgtype": "m.text", "body": text });
        let (status, answer) = self.ask(("PUT", &path), Some(&user.token), body).await;
        assert_eq!(status, 200, "{answer}");
        answer["event_id"].as_str().unwrap().try_into().unwrap()
    }

    /// Puts a state event with the empty key into the room.
    pub(crate) async fn put_state(&self, user: &User, room: &RoomId, kind: &str, content: Value) {
        let draft = Draft::state(&user.id, kind, "", content);
        let (rooms, room) = (self.rooms(), room.to_owned());
        self.run(async move { rooms.put(&room, draft).await }).await.unwrap();
    }

    /// The texts of the room's messages, in the order in which this backend shows them.
    pub(crate) async fn texts(&self, room: &RoomId) -> Vec<String> {
        let (rooms, room) = (self.rooms(), room.to_owned());
        let timeline = self
            .run(async move { rooms.timeline(&room, None, Direction::Forwards, 10_000).await })
            .await
            .unwrap();
        let messages = timeline.iter().filter(|(_, event)| event.kind == "m.room.message");
        messages.map(|(_, event)| event.content["body"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of the room's current state and of its forward extremities.
    pub(crate) async fn summary(&self, room: &RoomId) -> Value {
        let path = format!("/_fedsim/admin/v1/rooms/{room}/state");
        self.ask(("GET", &path), Some(ADMIN_TOKEN), Value::Null).await.1
    }

    /// A number out of this backend's database.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        let path = self.directory.path().join("homeserver.sqlite");
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Does `sql` to this backend's database, which is not in use.
    pub(crate) fn change(&self, sql: &str) {
        let path = self.directory.path().join("homeserver.sqlite");
        rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    /// The membership event of a user in the room's current state, as it goes to other servers.
    pub(crate) async fn current(&self, user: &UserId, room: &RoomId) -> Value {
        let (rooms, room) = (self.rooms(), room.to_owned());
        let state = self.run(async move { rooms.current_state(&room).await }).await.unwrap();
        let is_theirs = |event: &&homeserver::event::Pdu| {
            event.is_member_event() && event.state_key.as_deref() == Some(user.as_str())
        };
        let event = state.iter().find(is_theirs).unwrap();
        serde_json::from_str(event.to_raw().get()).unwrap()
    }

    /// A user's membership, as this backend knows it.
    pub(crate) async fn membership(&self, user: &UserId, room: &RoomId) -> Option<&'static str> {
        let (rooms, user, room) = (self.rooms(), user.to_owned(), room.to_owned());
        let membership = self.run(async move { rooms.membership(&user, &room).await }).await;
        membership.unwrap().map(homeserver::event::Membership::as_str)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

/// A backend with a user, and a public room of theirs.
pub(crate) struct One {
    pub(crate) a: Backend,
    pub(crate) alice: User,
    pub(crate) room: OwnedRoomId,
}

impl One {
    pub(crate) async fn start() -> Self {
        let a = Backend::start().await;
        let alice = a.user("alice").await;
        let room = a.public_room(&alice).await;
        Self { a, alice, room }
    }
}

/// Two backends with a user each, and a public room of the first in which both are.
pub(crate) struct Two {
    pub(crate) a: Backend,
    pub(crate) b: Backend,
    pub(crate) alice: User,
    pub(crate) bob: User,
    pub(crate) room: OwnedRoomId,
}

impl Two {
    pub(crate) async fn start() -> Self {
        let One { a, alice, room } = One::start().await;
        let b = Backend::start().await;
        let bob = b.user("bob").await;
        b.join(&bob, &room, &a).await;
        Self { a, b, alice, bob, room }
    }
}

/// A user and an access token of theirs.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: OwnedUserId,
    pub(crate) token: String,
}

/// Waits until `condition` holds; fails when it does not for too long.
pub(crate) async fn eventually<F>(what: &str, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until `backend` shows exactly these messages, in any order.
pub(crate) async fn shows(backend: &Backend, room: &RoomId, texts: &[&str]) {
    let mut expected: Vec<_> = texts.iter().map(ToString::to_string).collect();
    expected.sort();
    let what = format!("{} shows {texts:?}", backend.name);
    eventually(&what, || async {
        let mut shown = backend.texts(room).await;
        shown.sort();
        shown == expected
    })
    .await;
}

/// Waits until both backends have the same state and extremities, which are returned.
pub(crate) async fn agree(a: &Backend, b: &Backend, room: &RoomId) -> Value {
    eventually("both have the same state", || async {
        a.summary(room).await == b.summary(room).await
    })
    .await;
    a.summary(room).await
}
