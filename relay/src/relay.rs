//! Starts a relay: opens its database, loads its identity, binds its port.

use std::{sync::Arc, time::Duration};

use defects::{Defect, planted};
use ruma::ServerName;
use transport::{
    DatabaseError, Host,
    federation::{Authenticated, Federation, Identity, KeyRing},
    host::Disk,
    http::{Client, ClientLimits, Drain, ServerLimits, serve_until},
};

use crate::{
    Config, admin::Admin, api, delivery::Delivery, forwarder::Forwarder, policy::Policy,
    retriever::Retriever, store::Store, sweep, switch::Switch,
};

/// The name of the relay's database on its machine's disk.
const DATABASE: &str = "relay";

/// A running relay. It runs in the host's background tasks; dropping this does not stop it.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    drain: Drain,
}

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the relay: {0}")]
pub struct StartError(pub String);

impl Relay {
    /// Starts a relay on `host`: opens its database, binds its port, serves.
    ///
    /// # Errors
    /// The configuration makes no sense, the disk refuses, or a port is taken; a sentence for the
    /// operator.
    pub async fn start(host: Host, config: Config) -> Result<Self, StartError> {
        config.check().map_err(|error| StartError(error.to_string()))?;
        let disk =
            |error: DatabaseError| StartError(format!("failed to open the database: {error}"));
        let database = host.open(DATABASE).await.map_err(disk)?;
        let identity =
            Identity::open(&host, &database, config.server_name.clone()).await.map_err(disk)?;
        let http = Client::new(&host, ClientLimits::default());
        let keys =
            KeyRing::open(&host, &database, http.clone(), identity.clone()).await.map_err(disk)?;
        let store = Store::open(database, config.time_to_live).await.map_err(disk)?;
        let switch = Switch::open(store.clone()).await.map_err(disk)?;

        let federation = Federation::new(identity.clone(), http);
        let delivery = config.forward.then(|| {
            Delivery::start(&host, store.clone(), federation, &switch, config.request_timeout)
        });
        let policy = Policy::of(&config);
        let router = api::router(api::Services {
            authenticated: authenticated(identity, keys, delivery.clone()),
            forwarder: Forwarder::new(&host, &store, &switch, policy, delivery),
            retriever: Retriever::new(&host, &store, &switch),
            admin: config
                .admin_token
                .as_deref()
                .map(|token| (Admin::new(&host, &store, &switch), token.to_owned())),
        });
        sweep::start(&host, store);
        let max_body =
            if planted(Defect::RelayReadsAnyBody) { usize::MAX } else { config.max_body_bytes };
        let limits = ServerLimits { max_body, ..ServerLimits::default() };
        let drain = Drain::default();
        let served = serve_until(&host, config.port, router, limits, drain.clone()).await;
        let port = served.map_err(|error| {
            StartError(format!("failed to listen on port {}: {error}", config.port))
        })?;
        tracing::info!(server_name = %config.server_name, port, "the relay is listening");
        Ok(Self { port, drain })
    }

    /// Takes nothing new any more, and waits until what is under way is answered, for `within` at
    /// most. Returns how many requests were not.
    pub async fn drain(&self, within: Duration) -> usize {
        self.drain.drain(within).await
    }

    /// Returns the port that the relay serves; differs from the configured one when that was 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Makes on `disk` the tables that the first start of every relay makes, and nothing else: whoever
/// starts many can do so once and copy the files. [`Relay::start`] needs none of it.
///
/// # Errors
/// The disk refuses, or the database was written by a newer program.
pub async fn install(disk: &dyn Disk) -> Result<(), DatabaseError> {
    let database = disk.open(DATABASE).await?;
    transport::federation::install(&database).await?;
    Store::install(&database).await
}

/// Returns the check of signatures. A valid one also tells the delivery that its origin is back.
fn authenticated(identity: Identity, keys: KeyRing, delivery: Option<Delivery>) -> Authenticated {
    let heard_from = move |origin: &ServerName| {
        if let Some(delivery) = &delivery {
            delivery.heard_from(origin);
        }
    };
    Authenticated { identity, keys, heard_from: Arc::new(heard_from) }
}
