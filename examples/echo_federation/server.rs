//! The server: every backend hears what any one of them is told. It stands for yours, and knows
//! nothing about the simulator; give it the host of `transport::real`, and it runs on real
//! sockets.
//!
//! `POST /say/{id}` tells it something; `PUT /hear/{id}` is how backends tell each other; `GET
//! /heard` and `GET /owed` show what it has heard, and what it still has to tell others.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{Method, Request, StatusCode},
    routing::{get, post, put},
};
use bytes::Bytes;
use fedsim::transport::{
    Database, DatabaseError, Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

/// The port of every server.
pub(crate) const PORT: u16 = 7000;
/// How long a peer may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The time between two rounds of telling others.
const ROUND: Duration = Duration::from_millis(250);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS heard (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS owed (peer TEXT, id TEXT, PRIMARY KEY (peer, id)) STRICT;";

/// What is wrong with a server, so that one can see the checks find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It tells a peer once, and then considers the peer told.
    TriesOnce,
    /// It answers first, and stores what it was told in the next round.
    AnswersFirst,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) peers: Vec<String>,
    pub(crate) flaw: Option<Flaw>,
}

#[derive(Clone)]
struct Running {
    host: Host,
    database: Database,
    server: Server,
}

impl Server {
    /// Runs the server, which takes everything that it needs from `host`.
    pub(crate) async fn run(self, host: Host) -> Result<(), String> {
        let text = |error: DatabaseError| error.to_string();
        let database = host.open("echo").await.map_err(text)?;
        let tables = database.transaction(|sql| Ok::<_, DatabaseError>(sql.execute_batch(TABLES)?));
        tables.await.map_err(text)?;
        let running = Running { host: host.clone(), database, server: self };
        for peer in running.server.peers.clone() {
            host.spawn(running.clone().tell(peer));
        }
        let router = Router::new()
            .route("/say/{id}", post(say))
            .route("/hear/{id}", put(hear))
            .route("/heard", get(heard))
            .route("/owed", get(owed))
            .with_state(running);
        let served = serve(&host, PORT, router, ServerLimits::default()).await;
        served.map(drop).map_err(|error| error.to_string())
    }
}

async fn say(State(here): State<Running>, Path(id): Path<String>, text: String) -> StatusCode {
    let peers = here.server.peers.clone();
    if here.server.flaw == Some(Flaw::AnswersFirst) {
        let later = here.clone();
        here.host.spawn(async move {
            tokio::time::sleep(ROUND).await;
            later.store(id, text, peers).await;
        });
        return StatusCode::OK;
    }
    here.store(id, text, peers).await
}

async fn hear(State(here): State<Running>, Path(id): Path<String>, text: String) -> StatusCode {
    here.store(id, text, Vec::new()).await
}

async fn heard(State(here): State<Running>) -> Json<Vec<String>> {
    Json(here.list("SELECT id FROM heard ORDER BY id", String::new()).await)
}

async fn owed(State(here): State<Running>) -> Json<Vec<String>> {
    Json(here.list("SELECT id || ' to ' || peer FROM owed ORDER BY peer, id", String::new()).await)
}

impl Running {
    /// Stores what was said and to whom it has to be told. It is durable when this returns.
    async fn store(&self, id: String, text: String, peers: Vec<String>) -> StatusCode {
        let stored = self.database.transaction(move |sql| {
            sql.execute("INSERT OR IGNORE INTO heard VALUES (?1, ?2)", [&id, &text])?;
            for peer in &peers {
                sql.execute("INSERT OR IGNORE INTO owed VALUES (?1, ?2)", [peer, &id])?;
            }
            Ok::<_, DatabaseError>(())
        });
        stored.await.map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::OK)
    }

    /// Returns the first column of a query that may ask about `?1`; nothing if the disk refuses.
    async fn list(&self, query: &'static str, about: String) -> Vec<String> {
        let read = self.database.call(move |sql| {
            let mut query = sql.prepare(query)?;
            let parameters: &[&str] = if query.parameter_count() == 1 { &[&about] } else { &[] };
            let rows = query.query_map(rusqlite::params_from_iter(parameters), |row| row.get(0))?;
            Ok::<_, DatabaseError>(rows.collect::<Result<_, _>>()?)
        });
        read.await.unwrap_or_default()
    }

    /// Tells `peer` what it is owed, again and again, until `peer` says that it has it.
    async fn tell(self, peer: String) {
        let client = Client::new(&self.host, ClientLimits::default());
        let address = Address { name: peer.clone(), port: PORT };
        loop {
            tokio::time::sleep(ROUND).await;
            let query = "SELECT id FROM owed WHERE peer = ?1 ORDER BY id";
            for id in self.list(query, peer.clone()).await {
                let request = Request::builder().method(Method::PUT).uri(format!("/hear/{id}"));
                let request = request.body(Bytes::from(id.clone())).expect("ids are plain");
                let answer = client.send(&address, request, DEADLINE).await;
                let is_told = answer.is_ok_and(|answer| answer.status() == StatusCode::OK);
                if is_told || self.server.flaw == Some(Flaw::TriesOnce) {
                    self.forget(peer.clone(), id).await;
                }
            }
        }
    }

    async fn forget(&self, peer: String, id: String) {
        let delete = "DELETE FROM owed WHERE peer = ?1 AND id = ?2";
        let forgotten = self.database.transaction(move |sql| {
            sql.execute(delete, [&peer, &id])?;
            Ok::<_, DatabaseError>(())
        });
        // If the disk refuses, the peer is told once more and ignores that.
        drop(forgotten.await);
    }
}
