//! Connects to a server, by what it knows its clients by. No secret gets into a message.

use std::{fmt::Display, time::Duration};

use async_nats::{ConnectOptions, ServerAddr, jetstream};
use tokio::runtime::{Builder, Runtime};

use crate::{queue::Trouble, server::Server};

/// How long a request may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is tried after a connection was lost.
const PAUSE: Duration = Duration::from_millis(200);

/// Connects to a server. The connection is made anew whenever it is lost.
pub(super) fn connect(server: &Server) -> Result<(Runtime, jetstream::Context), Trouble> {
    let shown = server.shown();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(format!("cannot begin a thread: {error}")))?;
    let client = runtime.block_on(async {
        let addresses = addresses(&server.url)?;
        let options = options(server).await?;
        options.connect(addresses).await.map_err(|error| {
            let message = format!(
                "cannot reach NATS at {shown}: {error}\nstart one with `nats-server --jetstream`, or \
                 check --nats and the credentials"
            );
            Trouble::new(message)
        })
    })?;
    // What acknowledges is a task of this runtime.
    let entered = runtime.enter();
    let mut jetstream = jetstream::new(client);
    jetstream.set_timeout(ANSWER);
    drop(entered);
    Ok((runtime, jetstream))
}

fn addresses(url: &str) -> Result<Vec<ServerAddr>, Trouble> {
    let address = |text: &str| {
        let refused = |_| Trouble::new("--nats is no address: write nats://host:4222");
        text.trim().parse().map_err(refused)
    };
    url.split(',').map(address).collect()
}

async fn options(server: &Server) -> Result<ConnectOptions, Trouble> {
    let mut options = ConnectOptions::new()
        .name("fedsim")
        .request_timeout(Some(ANSWER))
        .max_reconnects(None)
        .reconnect_delay_callback(|_| PAUSE);
    if let Some(user) = &server.user {
        let password = server.password.clone().unwrap_or_default();
        options = options.user_and_password(user.clone(), password);
    }
    if let Some(token) = &server.token {
        options = options.token(token.clone());
    }
    if let Some(seed) = &server.nkey {
        options = options.nkey(seed.clone());
    }
    if let Some(path) = &server.credentials {
        let read = options.credentials_file(path).await;
        options = read.map_err(|error| {
            Trouble::new(format!("cannot use the credentials in {}: {error}", path.display()))
        })?;
    }
    if let Some(path) = &server.authority {
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &server.certificate {
        options =
            options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    Ok(options)
}

/// Says that a server does not do what a campaign needs.
pub(super) fn refused(shown: &str, error: &dyn Display) -> Trouble {
    let message = format!(
        "{shown} cannot carry a campaign: {error}\nit needs JetStream: `nats-server --jetstream`"
    );
    Trouble::new(message)
}
