//! The relay itself, until it is told to end.

use std::time::Duration;

use relay::{DATABASE, EVENTS, Relay};
use tokio::signal::unix::{SignalKind, signal};
use transport::real::{check_database, host, lock, logs};

use crate::{Trouble, say, settings::Settings};

/// How long a relay that ends waits for the requests that it is answering.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn until_ended(settings: Settings) -> Result<(), Trouble> {
    logs::begin_with_events(
        settings.log().into(),
        settings.log_format(),
        EVENTS,
        settings.event_log(),
    )
    .map_err(|error| Trouble::Other(format!("failed to open the log of events: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Other(format!("failed to start the runtime: {error}")))?;
    let ended = runtime.block_on(run(settings));
    // What is acknowledged is durable, so that there is nothing to wait for.
    runtime.shutdown_background();
    ended
}

async fn run(settings: Settings) -> Result<(), Trouble> {
    let (data, real) = (settings.data()?.to_owned(), settings.real()?);
    let other = |what: &str, error: &dyn std::fmt::Display| {
        Trouble::Other(format!("failed to {what} {}: {error}", data.display()))
    };
    let _lock = lock(&data).map_err(|error| other("lock", &error))?;
    check_database(&data, DATABASE, settings.read_through_up_to())
        .map_err(|error| other("check", &error))?;
    let host = host(&data, &real).map_err(|error| other("open", &error))?;
    let signalled = |kind| signal(kind).map_err(|error| Trouble::Other(error.to_string()));
    let mut terminated = signalled(SignalKind::terminate())?;
    let mut interrupted = signalled(SignalKind::interrupt())?;
    let name = settings.config.server_name.clone();
    let running = Relay::start(host, settings.config)
        .await
        .map_err(|error| Trouble::Other(error.to_string()))?;
    // Whoever started this process waits for the line to learn the ports; if nobody reads it, the
    // relay serves all the same.
    if let Err(error) = say(&ports(&name, &running)) {
        tracing::warn!(%error, "failed to write the ports to stdout");
    }
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("the relay is shutting down; everything it has acknowledged is on the disk");
    let broken_off = running.drain(DRAIN).await;
    if broken_off > 0 {
        tracing::warn!(broken_off, "requests are left without an answer");
    }
    Ok(())
}

fn ports(name: &ruma::ServerName, relay: &Relay) -> String {
    let others = [("admin", relay.admin_port), ("metrics", relay.metrics_port)];
    let others = others.iter().filter_map(|(api, port)| Some(format!(", {api} on {}", (*port)?)));
    format!("relay {name} listens on port {}{}", relay.port, others.collect::<String>())
}
