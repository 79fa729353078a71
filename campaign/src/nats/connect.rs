//! Connects to a server, by what it knows its clients by. No secret gets into a message.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{ConnectOptions, Event, ServerAddr, jetstream};
use tokio::runtime::{Builder, Runtime};

use super::refusal;
use crate::{queue::Trouble, server::Server};

/// How long a request may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is tried after a connection was lost.
const PAUSE: Duration = Duration::from_millis(200);
/// The most characters that are kept of what a server said.
const LONGEST_SAYING: usize = 300;

/// What went wrong with the connection last, if it has not come back since.
#[derive(Clone, Debug, Default)]
pub(super) struct Sayings(Arc<Mutex<Option<String>>>);

impl Sayings {
    /// Returns it.
    pub(super) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, event: &Event) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Connected => *last = None,
            Event::ServerError(_) | Event::ClientError(_) => {
                *last = Some(event.to_string().chars().take(LONGEST_SAYING).collect());
            }
            _ => {}
        }
    }
}

/// A connection, and what it runs on.
pub(super) struct Connected {
    pub(super) runtime: Runtime,
    pub(super) jetstream: jetstream::Context,
    pub(super) sayings: Sayings,
}

/// Connects to a server. The connection is made anew whenever it is lost.
pub(super) fn connect(server: &Server) -> Result<Connected, Trouble> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(format!("cannot begin a thread: {error}")))?;
    let sayings = Sayings::default();
    let client = runtime.block_on(async {
        let addresses = addresses(&server.url)?;
        let options = options(server, sayings.clone()).await?;
        options.connect(addresses).await.map_err(|error| refusal::of(server, &error))
    })?;
    // What acknowledges is a task of this runtime.
    let entered = runtime.enter();
    let mut jetstream = jetstream::new(client);
    jetstream.set_timeout(ANSWER);
    drop(entered);
    Ok(Connected { runtime, jetstream, sayings })
}

fn addresses(url: &str) -> Result<Vec<ServerAddr>, Trouble> {
    let address = |text: &str| {
        let refused = |_| Trouble::new("--nats is no address: write nats://host:4222");
        let address: ServerAddr = text.trim().parse().map_err(refused)?;
        // The client would leave them out, and everybody on this machine sees an argument.
        if address.has_user_pass() {
            let message = "--nats has a secret in it, which is not used\nname the user with \
                           --nats-user, and put the secret into a file or a variable";
            return Err(Trouble::new(message));
        }
        Ok(address)
    };
    url.split(',').map(address).collect()
}

async fn options(server: &Server, sayings: Sayings) -> Result<ConnectOptions, Trouble> {
    let mut options = ConnectOptions::new()
        .name("fedsim")
        .request_timeout(Some(ANSWER))
        .max_reconnects(None)
        .reconnect_delay_callback(|_| PAUSE)
        .event_callback(move |event| {
            sayings.take(&event);
            std::future::ready(())
        });
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
            let message = format!(
                "cannot use the credentials in {}: {error}\n--nats-creds takes a file as `nsc \
                 generate creds` writes it, with a JWT and a seed",
                path.display()
            );
            Trouble::new(message)
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
