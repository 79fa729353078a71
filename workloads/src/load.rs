//! Load on one real homeserver, over the loopback and on a real disk: what its cost grows with.
//!
//! Reading order: this file (the server, and a user of it), then a file for each load: `rooms` (how
//! many sends a second it takes), `crowd` (what a message into a large room costs), `forks` (how long
//! a send waits while a member forks another room).

mod crowd;
mod forks;
mod rooms;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use homeserver::{Config, Homeserver};
use http::{Method, Request};
use ruma::OwnedServerName;
use tempfile::TempDir;
use transport::{
    Host,
    http::{Address, Client, ClientLimits},
    real::{self, RealConfig},
};

pub use self::{
    crowd::{MessageCost, message_in_a_crowd},
    forks::{Waits, waits_during_forks},
    rooms::{Senders, sends_a_second},
};
use crate::loopback::free_ports;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The deadline of a request. A held `/sync` is answered before.
const DEADLINE: Duration = Duration::from_secs(120);

/// A homeserver on a machine of its own, which lasts as long as this.
struct Server {
    host: Host,
    homeserver: Homeserver,
    name: OwnedServerName,
    home: TempDir,
}

impl Server {
    async fn start() -> Result<Self, String> {
        let port = free_ports(1)?[0];
        let name = format!("{LOCAL}:{port}");
        let name = OwnedServerName::try_from(name).map_err(|error| error.to_string())?;
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let machine = RealConfig { bind: Some(LOCAL), ..RealConfig::default() };
        let host = real::host(home.path(), &machine).map_err(|error| error.to_string())?;
        let mut config = Config::new(name.clone());
        (config.federation_port, config.client_port) = (port, port);
        config.open_registration = true;
        config.registrations_per_address = u32::MAX;
        (config.requests_per_user, config.requests_per_peer) = (u32::MAX, u32::MAX);
        // What a guess costs is not measured here.
        (config.password_memory_kib, config.password_passes) = (8, 1);
        let started = Homeserver::start(host.clone(), config).await;
        let homeserver = started.map_err(|error| error.to_string())?;
        Ok(Self { host, homeserver, name, home })
    }

    fn database(&self) -> PathBuf {
        self.home.path().join("homeserver.sqlite")
    }

    /// Does `sql` to the database, beside the server.
    fn execute(&self, sql: &str) -> Result<(), String> {
        let done = rusqlite::Connection::open(self.database()).and_then(|db| {
            db.busy_timeout(Duration::from_secs(5))?;
            db.execute_batch(sql)
        });
        done.map_err(|error| format!("{sql}: {error}"))
    }

    async fn user(&self, name: &str) -> Result<User, String> {
        let (name, body) = (self.name.clone(), registration(name));
        let address = Address { name: LOCAL.to_string(), port: name.port().unwrap_or(0) };
        let client = Client::new(&self.host, ClientLimits::default());
        let mut user = User { client, address, token: String::new() };
        let answer = user.ask(Method::POST, "register", &body).await?;
        user.token = text_of(&answer, "access_token")?;
        Ok(user)
    }
}

fn registration(name: &str) -> String {
    format!(r#"{{"username":"{name}","password":"x","auth":{{"type":"m.login.dummy"}}}}"#)
}

/// A user, logged in.
#[derive(Clone)]
struct User {
    client: Client,
    address: Address,
    token: String,
}

impl User {
    /// Returns the answer to a request to the client-server API.
    async fn ask(&self, method: Method, path: &str, body: &str) -> Result<String, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_matrix/client/v3/{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::from(body.to_owned()))
            .map_err(|error| error.to_string())?;
        let answer = self.client.send(&self.address, request, DEADLINE).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        if answer.status().is_success() { Ok(text) } else { Err(format!("{path}: {text}")) }
    }

    /// Returns a new room that everybody may join.
    async fn room(&self) -> Result<String, String> {
        let answer = self.ask(Method::POST, "createRoom", r#"{"preset":"public_chat"}"#).await?;
        text_of(&answer, "room_id")
    }

    async fn join(&self, room: &str) -> Result<(), String> {
        self.ask(Method::POST, &format!("join/{room}"), "{}").await.map(drop)
    }

    async fn say(&self, room: &str, transaction: u64) -> Result<(), String> {
        let path = format!("rooms/{room}/send/m.room.message/{transaction}");
        self.ask(Method::PUT, &path, r#"{"msgtype":"m.text","body":"hello"}"#).await.map(drop)
    }

    /// Syncs for ever; an answer that changes nothing is asked for again.
    async fn poll(&self) -> Result<(), String> {
        let filter = "%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:1%7D%7D%7D";
        let answer = self.ask(Method::GET, &format!("sync?filter={filter}"), "").await?;
        let mut since = text_of(&answer, "next_batch")?;
        loop {
            let path = format!("sync?filter={filter}&timeout=30000&since={since}");
            since = text_of(&self.ask(Method::GET, &path, "").await?, "next_batch")?;
        }
    }
}

/// Returns the text under `key` in a JSON answer without spaces.
fn text_of(answer: &str, key: &str) -> Result<String, String> {
    let opening = format!("\"{key}\":\"");
    let found = answer.split_once(&opening).and_then(|(_, rest)| rest.split_once('"'));
    found.map(|(text, _)| text.to_owned()).ok_or_else(|| format!("no `{key}` in an answer"))
}
