//! A relay, two homeservers, a stranger, and the calls they make.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use relay::{Config, Relay};
use ruma::{OwnedServerName, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use transport::{
    BoxFuture, Database, DatabaseError, Host,
    host::{Clock, Disk},
    http::Address,
    real::{RealConfig, host},
};

use crate::server::Server;

pub(crate) const TOKEN: &str = "a token for tests";
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The body of an answer when nothing waits, to the byte.
pub(crate) const EMPTY: &str = concat!(
    r#"{"transaction":{"origin":"","origin_server_ts":0,"pdus":null},"#,
    r#""entries_queued":false}"#
);

/// A status and a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and, for an error, its code.
    pub(crate) fn code(&self) -> (u16, String) {
        let errcode = self.json()["errcode"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), errcode)
    }

    pub(crate) fn transaction_id(&self) -> String {
        self.json()["transaction"]["transaction_id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn entry_id(&self) -> i64 {
        self.json()["entry_id"].as_i64().unwrap_or(0)
    }
}

/// The machines around a relay: `a` sends, `b` was away, the stranger is neither.
pub(crate) struct World {
    pub(crate) a: Server,
    pub(crate) b: Server,
    pub(crate) stranger: Server,
    pub(crate) relay_name: OwnedServerName,
    pub(crate) address: Address,
    /// The ports of the admin API and of the metrics, where a test has asked for such.
    pub(crate) other_ports: [Option<u16>; 2],
    pub(crate) directory: TempDir,
    /// The relay's database, to damage it; unset when the relay is a process of its own.
    pub(crate) database: Option<Database>,
    /// How far the relay's clock was put forward.
    pub(crate) ahead: Arc<Mutex<Duration>>,
    /// What is set aside of its disk.
    pub(crate) reserve: Arc<Mutex<Reserve>>,
}

/// What is set aside of a disk that is as full as a test makes it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserve {
    /// Whether there is no room for it.
    pub(crate) has_no_room: bool,
    /// How often it was given back.
    pub(crate) released: usize,
}

impl World {
    /// With a relay as it is by default.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a relay whose configuration `change` has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = Self::without_relay().await;
        let mut config = Config::new(world.relay_name.clone());
        (config.port, config.admin_port) = (0, 0);
        config.admin_token = Some(TOKEN.to_owned());
        change(&mut config);
        world.relay_name.clone_from(&config.server_name);
        let disk = Arc::new(WatchedDisk {
            inner: machine(&world.directory).disk,
            opened: Mutex::default(),
            reserve: Arc::clone(&world.reserve),
        });
        let machine = Host {
            disk: disk.clone(),
            clock: Arc::new(StoppedClock {
                start: machine(&world.directory).now(),
                ahead: Arc::clone(&world.ahead),
            }),
            ..machine(&world.directory)
        };
        let relay = Relay::start(machine, config).await.unwrap();
        world.address.port = relay.port;
        world.other_ports = [relay.admin_port, relay.metrics_port];
        world.database = disk.opened.lock().unwrap().clone();
        world
    }

    /// The homeservers only.
    pub(crate) async fn without_relay() -> Self {
        let directory = TempDir::new().unwrap();
        let host = machine(&directory);
        Self {
            a: Server::start(&host, 1).await,
            b: Server::start(&host, 2).await,
            stranger: Server::start(&host, 3).await,
            relay_name: "relay.test".try_into().unwrap(),
            address: Address { name: "127.0.0.1".to_owned(), port: 0 },
            other_ports: [None; 2],
            directory,
            database: None,
            ahead: Arc::default(),
            reserve: Arc::default(),
        }
    }

    /// `from` leaves a transaction for `destination`.
    pub(crate) async fn send_relay(
        &self,
        from: &Server,
        id: &str,
        destination: &ServerName,
        body: &str,
    ) -> Answer {
        let path = format!("/_matrix/federation/v1/send_relay/{id}/@user:{destination}");
        self.send(from.signed(&self.relay_name, Method::PUT, &path, body)).await
    }

    /// `a` leaves a transaction for `b`, and it is taken.
    pub(crate) async fn left_for_b(&self, id: &str) {
        let answer = self.send_relay(&self.a, id, self.b.name(), r#"{"pdus":[{}]}"#).await;
        assert_eq!(answer, Answer { status: StatusCode::OK, body: "null".to_owned() });
    }

    /// `from` asks for what waits for `destination`, acknowledging `acknowledged`.
    pub(crate) async fn relay_txn(
        &self,
        from: &Server,
        destination: &ServerName,
        acknowledged: i64,
    ) -> Answer {
        let path = format!("/_matrix/federation/v1/relay_txn/@user:{destination}");
        let body = format!(r#"{{"entry_id":{acknowledged}}}"#);
        self.send(from.signed(&self.relay_name, Method::GET, &path, &body)).await
    }

    /// `b` asks for what waits for it.
    pub(crate) async fn b_takes(&self, acknowledged: i64) -> Answer {
        self.relay_txn(&self.b, self.b.name(), acknowledged).await
    }

    /// `b` takes everything; the transaction ids in the order in which they came.
    pub(crate) async fn b_takes_all(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut answer = self.b_takes(0).await;
        while answer.json()["entries_queued"] == true {
            ids.push(answer.transaction_id());
            answer = self.b_takes(answer.entry_id()).await;
        }
        ids
    }

    /// An operator's call.
    pub(crate) async fn operator(&self, method: Method, path: &str, body: &str) -> Answer {
        self.send(
            Request::builder()
                .method(method)
                .uri(format!("/_relay/admin/v1/{path}"))
                .header("authorization", format!("Bearer {TOKEN}"))
                .body(Bytes::from(body.to_owned()))
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        self.send_to(self.address.port, request).await
    }

    /// The answer of another port of the relay.
    pub(crate) async fn send_to(&self, port: u16, request: Request<Bytes>) -> Answer {
        let address = Address { port, ..self.address.clone() };
        let answer = self.a.client.send(&address, request, DEADLINE).await.unwrap();
        Answer { status: answer.status(), body: String::from_utf8(answer.body().to_vec()).unwrap() }
    }

    /// Does something to the relay's database behind its back.
    pub(crate) async fn sql(&self, sql: &'static str) {
        let database = self.database.as_ref().expect("the relay is in this process");
        let done =
            database.call(|connection| Ok::<_, DatabaseError>(connection.execute_batch(sql)?));
        done.await.unwrap();
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.ahead.lock().unwrap() += time;
    }
}

fn machine(directory: &TempDir) -> Host {
    let loopback = RealConfig { bind: Some([127, 0, 0, 1].into()), ..RealConfig::default() };
    host(directory.path(), &loopback).unwrap()
}

/// A clock that stands still, unless a test puts it forward.
struct StoppedClock {
    start: SystemTime,
    ahead: Arc<Mutex<Duration>>,
}

impl Clock for StoppedClock {
    fn now(&self) -> SystemTime {
        self.start + *self.ahead.lock().unwrap()
    }
}

/// A disk that keeps hold of the database opened last.
struct WatchedDisk {
    inner: Arc<dyn Disk>,
    opened: Mutex<Option<Database>>,
    reserve: Arc<Mutex<Reserve>>,
}

impl Disk for WatchedDisk {
    fn keep_reserve(&self, _: u64) -> BoxFuture<'_, io::Result<()>> {
        let has_no_room = self.reserve.lock().unwrap().has_no_room;
        Box::pin(async move {
            if has_no_room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    /// Gives the database room for a few pages more.
    fn release_reserve(&self) -> BoxFuture<'_, io::Result<bool>> {
        let database = self.opened.lock().unwrap().clone();
        Box::pin(async move {
            {
                let mut reserve = self.reserve.lock().unwrap();
                if std::mem::replace(&mut reserve.has_no_room, true) {
                    return Ok(false);
                }
                reserve.released += 1;
            }
            let database = database.expect("it was opened");
            let room = database.call(|connection| {
                let pages: i64 =
                    connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
                let room = format!("PRAGMA max_page_count = {}", pages + 64);
                Ok::<_, DatabaseError>(connection.execute_batch(&room)?)
            });
            room.await.map_err(io::Error::other)?;
            Ok(true)
        })
    }

    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let database = self.inner.open(&name).await?;
            *self.opened.lock().unwrap() = Some(database.clone());
            Ok(database)
        })
    }
}
