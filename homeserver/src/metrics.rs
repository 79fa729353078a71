//! What a monitoring system asks: `/metrics`, in Prometheus' text format, and `/health`. They have a
//! port of their own, which nobody else should reach.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use tokio::time::{Instant, timeout};
use transport::{
    MatrixError,
    http::{ServerLimits, Traffic},
    metrics::{TEXT_FORMAT, Text, label},
};

use crate::{
    core::Core,
    store::overview::{self, Overview},
};

/// How long the database may take before the server counts as ill.
const DATABASE_DEADLINE: Duration = Duration::from_secs(5);

/// Destinations with figures of their own, those with the longest queues first: a federation may have
/// thousands, and a monitoring system keeps each for ever.
const MAX_DESTINATIONS: usize = 100;

/// What the APIs have done.
pub(crate) struct Apis {
    pub(crate) federation: Traffic,
    pub(crate) client: Traffic,
}

#[derive(Clone)]
struct Metrics(Arc<Fields>);

struct Fields {
    core: Core,
    apis: Apis,
    began: Instant,
}

/// Returns the routes.
pub(crate) fn router(core: Core, apis: Apis) -> Router {
    let began = Instant::now();
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .with_state(Metrics(Arc::new(Fields { core, apis, began })))
}

/// Returns the bounds of their server.
pub(crate) fn limits() -> ServerLimits {
    ServerLimits { max_connections: 64, max_body: 1024, ..ServerLimits::default() }
}

/// `GET /health`: 200 while the database answers.
async fn health(State(metrics): State<Metrics>) -> Result<&'static str, MatrixError> {
    health_of(&metrics.0.core).await
}

/// Returns `OK` while the database of `core` answers; 503 otherwise.
pub(crate) async fn health_of(core: &Core) -> Result<&'static str, MatrixError> {
    let looked = core.database.call(|db| overview::look(db));
    if let Ok(Ok(())) = timeout(DATABASE_DEADLINE, looked).await {
        return Ok("OK");
    }
    let message = "the database does not answer";
    Err(MatrixError::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", message))
}

/// `GET /metrics`.
async fn metrics(State(metrics): State<Metrics>) -> Result<Response, MatrixError> {
    let Fields { core, apis, began } = &*metrics.0;
    let overview = core.database.call(|db| overview::of(db, MAX_DESTINATIONS)).await?;
    let mut text = Text::of("homeserver");
    text.gauge("uptime_seconds", "How long the server has run.");
    text.value("", began.elapsed().as_secs());
    for (api, traffic) in [("federation", &apis.federation), ("client", &apis.client)] {
        text.traffic(api, &traffic.counted());
    }
    write_overview(&mut text, &overview);
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text.finish()).into_response())
}

fn write_overview(text: &mut Text, overview: &Overview) {
    let counts = [
        ("users", "Accounts.", overview.users),
        ("devices", "Devices that are logged in.", overview.devices),
        ("rooms", "Rooms that are known here.", overview.rooms),
        ("events", "The number of the newest event stored.", overview.events),
        ("queued_events", "Events that wait for a destination.", overview.queued),
        ("set_aside_events", "Events and EDUs that cannot be sent.", overview.set_aside),
        ("deferred_transactions", "Transactions to be judged.", overview.deferred),
        ("failing_destinations", "Destinations in back-off.", overview.failing),
        ("database_bytes", "Size of the database.", overview.database_bytes),
    ];
    for (name, help, count) in counts {
        text.gauge(name, help);
        text.value("", count);
    }
    text.gauge("queue_length", "Events that wait for one destination.");
    for (destination, waiting) in &overview.longest_queues {
        text.value(&label("destination", destination), waiting);
    }
}
