//! A plain program: an axum server that asks a neighbor. It runs in every world.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::put};
use bytes::Bytes;
use http::{Request, StatusCode};
use sim::Node;
use tokio::time::{MissedTickBehavior, interval};
use transport::{
    BoxFuture, Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::clock::WallTime;

/// Deadline of a request.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is sent, and sent back.
const BODY: &[u8] = br#"{"content":{"body":"hello","msgtype":"m.text"},"type":"m.room.message"}"#;

/// The port, where each machine has an address of its own.
pub const PORT: u16 = 80;

/// A plain server, and whom it asks how often.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The port it serves.
    pub port: u16,
    /// Whom it asks; nobody if unset.
    pub peer: Option<Address>,
    /// How often; again and again without a pause if unset.
    pub every: Option<Duration>,
    /// Counts the answers that it got.
    pub answers: Arc<AtomicU64>,
}

impl Plain {
    /// One that asks nobody.
    pub fn idle() -> Self {
        Self { port: PORT, peer: None, every: None, answers: Arc::default() }
    }

    /// Machine number `number` of `count`, which asks the next one. All count into `answers`.
    pub fn asking(
        (number, count): (usize, usize),
        every: Option<Duration>,
        answers: &Arc<AtomicU64>,
    ) -> Self {
        let peer = Address { name: name((number + 1) % count), port: PORT };
        Self { port: PORT, peer: Some(peer), every, answers: Arc::clone(answers) }
    }

    /// Serves, and asks from then on.
    ///
    /// # Errors
    /// The port could not be bound.
    pub async fn start(self, host: Host) -> Result<(), String> {
        let echo = put(async |body: Bytes| body);
        let router = Router::new().route("/echo/{number}", echo);
        let serving = serve(&host, self.port, router, ServerLimits::default()).await;
        serving.map_err(|error| format!("cannot serve port {}: {error}", self.port))?;
        if let Some(peer) = self.peer.clone() {
            let client = Client::new(&host, ClientLimits::default());
            host.spawn(async move { self.ask_forever(&client, &peer).await });
        }
        Ok(())
    }

    async fn ask_forever(&self, client: &Client, peer: &Address) {
        let mut pace = self.every.map(interval);
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        for number in 0_u64.. {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            if ask(client, peer, number).await == Some(StatusCode::OK) {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Asks `peer` so many times, one after the other; the wall time of it. The connection stands
/// before.
///
/// # Errors
/// One was not answered as it should be.
pub async fn ask_times(host: &Host, peer: &Address, times: u64) -> Result<Duration, String> {
    let client = Client::new(host, ClientLimits::default());
    let asked = async |number| match ask(&client, peer, number).await {
        Some(StatusCode::OK) => Ok(()),
        other => Err(format!("request {number} was answered with {other:?}")),
    };
    asked(0).await?;
    let began = WallTime::now();
    for number in 1..=times {
        asked(number).await?;
    }
    Ok(began.elapsed())
}

async fn ask(client: &Client, peer: &Address, number: u64) -> Option<StatusCode> {
    let request = Request::put(format!("/echo/{number}")).body(Bytes::from_static(BODY)).ok()?;
    let answer = client.send(peer, request, DEADLINE).await.ok()?;
    (answer.body().as_ref() == BODY).then(|| answer.status())
}

impl Node for Plain {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(self.clone().start(host))
    }
}

/// The name of machine number `number`.
pub fn name(number: usize) -> String {
    format!("m{number}")
}

/// Where machine number 0 serves.
pub fn server() -> Address {
    Address { name: name(0), port: PORT }
}
