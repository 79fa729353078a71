//! The server as a federation that scenarios run on: its nodes, its clients, and what is judged.

use std::{sync::Arc, time::Duration};

use axum::http::{Method, Request};
use bytes::Bytes;
use fedsim::{
    checks::{Promises, names},
    runs::federation::{Federation, Rooms, Seat, Stage},
    scenarios::vocabulary::{CheckName, Endpoint, Vocabulary},
    transport::{
        BoxFuture, Host,
        http::{Address, Client, ClientLimits},
    },
};
use serde_json::{Value, json};

use crate::{
    checks::CHECKS,
    server::{Flaw, PORT, Server},
};

/// What scenarios of echo servers can name.
pub(crate) static ECHO: Vocabulary = Vocabulary {
    program: "echo-federation",
    version: "0.1.0",
    endpoints: ENDPOINTS,
    long_polls: &[],
    checks: &NAMES,
    converses: false,
    deeds: Some(("said", "sayings")),
};

static NAMES: [CheckName; CHECKS.len()] = names(CHECKS);

/// What echo servers promise.
static PROMISES: Promises = Promises { vocabulary: &ECHO, checks: CHECKS };

const ENDPOINTS: &[Endpoint] = &[
    ("say", "POST", "/say/{}"),
    ("hear", "PUT", "/hear/{}"),
    ("heard", "GET", "/heard"),
    ("owed", "GET", "/owed"),
];

/// How many things each client says, one per second.
const SAYINGS: u64 = 3;
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a server is asked whether it is serving.
const MAX_TRIES: u32 = 30;

/// A federation of echo servers, all with the same flaw, if any.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) flaw: Option<Flaw>,
    clients: std::sync::OnceLock<Vec<(Arc<Seat>, String)>>,
}

impl Echo {
    pub(crate) fn with(flaw: Option<Flaw>) -> Self {
        Self { flaw, ..Self::default() }
    }
}

impl Federation for Echo {
    fn promises(&self) -> &'static Promises {
        &PROMISES
    }

    fn boot(&self, stage: &Arc<Stage>) {
        let backends = &stage.scenario().backends;
        for name in backends.keys() {
            let peers = backends.keys().filter(|peer| *peer != name).cloned().collect();
            let server = Server { peers, flaw: self.flaw };
            stage.boot(name, Arc::new(move |host: Host| server.clone().run(host)));
        }
        let users = stage.scenario().users.iter();
        self.clients.get_or_init(|| {
            users
                .map(|(name, user)| (stage.seat(&format!("{name}/1")), user.backend.clone()))
                .collect()
        });
    }

    fn prepare<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Result<Rooms, String>> {
        Box::pin(async {
            for backend in stage.scenario().backends.keys() {
                let mut tries = 0..MAX_TRIES;
                while ask(stage, backend, "/heard").await.is_none() {
                    tries.next().ok_or_else(|| format!("{backend} does not serve"))?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Ok(Rooms::new())
        })
    }

    fn work<'s>(&'s self, _: &'s Arc<Stage>) -> BoxFuture<'s, ()> {
        Box::pin(async {
            for number in 1..=SAYINGS {
                tokio::time::sleep(Duration::from_secs(1)).await;
                for (seat, backend) in self.clients.get().into_iter().flatten() {
                    say(seat, backend, number).await;
                }
            }
        })
    }

    fn pending<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Vec<String>> {
        Box::pin(async {
            let mut pending = Vec::new();
            for backend in stage.scenario().backends.keys() {
                match ask(stage, backend, "/owed").await {
                    Some(owed) if owed == json!([]) => {}
                    Some(owed) => pending.push(format!("{backend} owes {owed}")),
                    None => pending.push(format!("{backend} does not serve")),
                }
            }
            pending
        })
    }

    fn finish<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, ()> {
        Box::pin(async {
            for backend in stage.scenario().backends.keys() {
                let heard = ask(stage, backend, "/heard").await;
                stage.note("heard", json!({"backend": backend, "ids": heard}));
            }
        })
    }
}

/// Says something at a client's seat, and notes how that ended.
async fn say(seat: &Seat, backend: &str, number: u64) {
    let id = format!("{}-{number}", seat.name().replace('/', "-"));
    let (server, path) = (backend.to_owned(), format!("/say/{id}"));
    let status = seat.run(|host| call(host, server, Method::POST, path)).await.flatten();
    let outcome = if status.is_some_and(|(status, _)| status == 200) { "ok" } else { "indefinite" };
    seat.note("said", json!({"id": id, "outcome": outcome}));
}

/// Asks a server something from the harness's own machine.
async fn ask(stage: &Stage, backend: &str, path: &str) -> Option<Value> {
    let asked = call(stage.observer().clone(), backend.to_owned(), Method::GET, path.to_owned());
    let (_, body) = stage.observe(asked).await??;
    serde_json::from_slice(&body).ok()
}

/// Makes one request; returns none without an answer.
async fn call(host: Host, server: String, method: Method, path: String) -> Option<(u16, Bytes)> {
    let client = Client::new(&host, ClientLimits::default());
    let request = Request::builder().method(method).uri(path).body(Bytes::from("hello")).ok()?;
    let answer =
        client.send(&Address { name: server, port: PORT }, request, DEADLINE).await.ok()?;
    Some((answer.status().as_u16(), answer.into_body()))
}
