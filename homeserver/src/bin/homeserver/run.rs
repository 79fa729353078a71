//! The server itself, until it is told to end.

use std::time::Duration;

use homeserver::{DATABASES, Homeserver};
use tokio::signal::unix::{SignalKind, signal};
use transport::real::{check_database, host, lock, logs};

use crate::{Trouble, settings::Settings};

/// How long a server that ends waits for the requests that it is answering.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn until_ended(settings: Settings) -> Result<(), Trouble> {
    logs::begin(settings.log().into(), settings.log_format());
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
    for name in DATABASES {
        check_database(&data, name, settings.read_through_up_to())
            .map_err(|error| other("check", &error))?;
    }
    let host = host(&data, &real).map_err(|error| other("open", &error))?;
    let signalled = |kind| signal(kind).map_err(|error| Trouble::Other(error.to_string()));
    let mut terminated = signalled(SignalKind::terminate())?;
    let mut interrupted = signalled(SignalKind::interrupt())?;
    let name = settings.config.server_name.clone();
    let running = Homeserver::start(host, settings.config)
        .await
        .map_err(|error| Trouble::Other(error.to_string()))?;
    tracing::info!(
        %name, federation_port = running.federation_port, client_port = running.client_port,
        metrics_port = running.metrics_port, "the homeserver is running"
    );
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("the homeserver is shutting down");
    let broken_off = running.drain.drain(DRAIN).await;
    if broken_off > 0 {
        tracing::warn!(broken_off, "requests are left without an answer");
    }
    Ok(())
}
