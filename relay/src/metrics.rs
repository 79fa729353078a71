//! What a monitoring system asks: `/metrics`, in Prometheus' text format, `/healthz` and `/readyz`. They
//! have a port of their own, which nobody else should reach.

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
    Host, MatrixError,
    http::{ServerLimits, Traffic},
    metrics::{TEXT_FORMAT, Text, label},
};

use crate::{
    events::{Events, Kind},
    store::{Overview, Store},
    switch::Switch,
};

/// How long the database may take before the relay counts as ill.
const DATABASE_DEADLINE: Duration = Duration::from_secs(5);

/// What the figures are about. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Fields>);

struct Fields {
    host: Host,
    store: Store,
    switch: Switch,
    events: Events,
    /// Of servers, and of operators.
    traffic: [(&'static str, Traffic); 2],
    began: Instant,
}

impl Metrics {
    pub(crate) fn new(
        host: &Host,
        store: &Store,
        switch: &Switch,
        events: Events,
        traffic: [(&'static str, Traffic); 2],
    ) -> Self {
        let (host, store, switch) = (host.clone(), store.clone(), switch.clone());
        Self(Arc::new(Fields { host, store, switch, events, traffic, began: Instant::now() }))
    }

    /// Returns the routes.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/health", get(healthy))
            .route("/healthz", get(healthy))
            .route("/readyz", get(ready))
            .with_state(self)
    }
}

/// Returns the bounds of their server.
pub(crate) fn limits() -> ServerLimits {
    ServerLimits { max_connections: 64, max_body: 1024, ..ServerLimits::default() }
}

/// `GET /healthz`: 200 while the database answers.
async fn healthy(State(metrics): State<Metrics>) -> Result<&'static str, MatrixError> {
    let looked = timeout(DATABASE_DEADLINE, metrics.0.store.look()).await;
    if let Ok(Ok(())) = looked { Ok("OK") } else { Err(not_now("the database does not answer")) }
}

/// `GET /readyz`: 200 while mail is kept and handed out.
async fn ready(state: State<Metrics>) -> Result<&'static str, MatrixError> {
    let State(Metrics(fields)) = &state;
    if !fields.switch.is_on() {
        return Err(not_now("relaying is switched off"));
    }
    if !fields.store.reserve().is_whole() {
        return Err(not_now("the disk is full"));
    }
    healthy(state).await
}

fn not_now(reason: &str) -> MatrixError {
    MatrixError::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", reason)
}

/// `GET /metrics`.
async fn metrics(State(metrics): State<Metrics>) -> Result<Response, MatrixError> {
    let Fields { host, store, switch, events, traffic, began } = &*metrics.0;
    let overview = store.overview().await?;
    let mut text = Text::of("relay");
    text.gauge("uptime_seconds", "How long the relay has run.");
    text.value("", began.elapsed().as_secs());
    for (api, traffic) in traffic {
        text.traffic(api, &traffic.counted());
    }
    write_events(&mut text, events);
    let flags = [
        ("relaying", "Whether relaying is on.", switch.is_on()),
        ("disk_reserve_whole", "Whether the disk's reserve is unused.", store.reserve().is_whole()),
    ];
    for (name, help, is_on) in flags {
        text.gauge(name, help);
        text.value("", u8::from(is_on));
    }
    write_overview(&mut text, &overview, host.unix_ms());
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text.finish()).into_response())
}

fn write_events(text: &mut Text, events: &Events) {
    text.counter("events_total", "What happened to mail, by kind, since the start.");
    for kind in Kind::ALL {
        text.value(&label("event", kind.name()), events.counted(kind));
    }
    text.counter("refused_total", "Requests refused, by reason, since the start.");
    for (reason, count) in events.refusals() {
        text.value(&label("reason", reason), count);
    }
}

fn write_overview(text: &mut Text, overview: &Overview, now_ms: u64) {
    let oldest = overview.oldest_stored_ms.map_or(0, |stored| now_ms.saturating_sub(stored));
    let counts = [
        ("entries", "Entries that wait.", overview.sums.entries),
        ("bytes", "Bytes that they and those set aside count for.", overview.sums.bytes),
        ("quarantined_entries", "Entries set aside.", overview.sums.quarantined),
        ("mailboxes", "Mailboxes that are not empty.", overview.mailboxes),
        ("oldest_entry_seconds", "Age of the oldest entry.", oldest / 1000),
        ("database_bytes", "Size of the database.", overview.database_bytes),
    ];
    for (name, help, count) in counts {
        text.gauge(name, help);
        text.value("", count);
    }
    text.gauge("mailbox_entries", "Entries that wait for one destination.");
    for (destination, entries) in &overview.fullest {
        text.value(&label("destination", destination), entries);
    }
}
