//! Starts a relay: opens its database, loads its identity, binds its port.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use axum::Router;
use defects::{Defect, planted};
use ruma::ServerName;
use transport::{
    Database, DatabaseError, Host,
    federation::{Authenticated, Federation, Identity, KeyRing},
    host::Disk,
    http::{Client, ClientLimits, Drain, ServerLimits, Traffic, Watch, serve_watched},
};

use crate::{
    Config,
    admin::Admin,
    api,
    delivery::{Attempt, Delivery},
    events::Events,
    forwarder::Forwarder,
    metrics::{self, Metrics},
    reserve::Reserve,
    retriever::Retriever,
    rules::Rules,
    store::Store,
    sweep,
    switch::Switch,
};

/// The name of the relay's database on its machine's disk.
pub const DATABASE: &str = "relay";

/// The operator whose token is [`Config::admin_token`].
const FIRST_OPERATOR: &str = "admin";

/// Time for the first request on a connection to arrive, up to the end of its headers.
const FIRST_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a refused body that are taken from its sender, so that the refusal is read.
const MAX_DISCARDED: usize = 64 << 20;

/// Time for a request's body to arrive and its answer to be made.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// A running relay. It runs in the host's background tasks; dropping this does not stop it.
#[derive(Debug)]
pub struct Relay {
    /// The port that serves other servers; differs from the configured one when that was 0.
    pub port: u16,
    /// The port that serves operators.
    pub admin_port: Option<u16>,
    /// The port of `/metrics`, `/healthz` and `/readyz`, if there is one.
    pub metrics_port: Option<u16>,
    drain: Drain,
}

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the relay: {0}")]
pub struct StartError(pub String);

/// What a relay is made of; nothing runs yet.
struct Parts {
    store: Store,
    switch: Switch,
    rules: Rules,
    events: Events,
    authenticated: Authenticated,
    delivery: Option<Delivery>,
}

impl Relay {
    /// Starts a relay on `host`: opens its database, binds its ports, serves.
    ///
    /// # Errors
    /// The configuration makes no sense, the disk refuses, or a port is taken; a sentence for the
    /// operator.
    pub async fn start(host: Host, config: Config) -> Result<Self, StartError> {
        config.check().map_err(|wrong| StartError(wrong.to_string()))?;
        let disk =
            |error: DatabaseError| StartError(format!("failed to open the database: {error}"));
        let parts = Parts::open(&host, &config).await.map_err(disk)?;
        sweep::start(&host, parts.store.clone(), parts.events.clone());
        let relay = bind(&host, &config, parts).await?;
        tracing::info!(server_name = %config.server_name, port = relay.port, "the relay is listening");
        Ok(relay)
    }

    /// Takes nothing new any more, and waits until what is under way is answered, for `within` at
    /// most. Returns how many requests were not.
    pub async fn drain(&self, within: Duration) -> usize {
        self.drain.drain(within).await
    }
}

impl Parts {
    async fn open(host: &Host, config: &Config) -> Result<Self, DatabaseError> {
        let database = open(host).await?;
        let reserve = Reserve::open(host, config.disk_reserve).await;
        let identity = Identity::open(host, &database, config.server_name.clone()).await?;
        let http = Client::new(host, ClientLimits::default());
        let keys = KeyRing::open(host, &database, http.clone(), identity.clone()).await?;
        let store = Store::open(database, reserve, config).await?;
        let switch = Switch::open(store.clone()).await?;
        let rules = Rules::open(store.clone(), config).await?;
        let events = Events::default();
        let federation = Federation::new(identity.clone(), http);
        let delivery = config.forward.then(|| {
            let (host, store, events) = (host.clone(), store.clone(), events.clone());
            let deadline = config.request_timeout;
            Delivery::start(Attempt { host, store, events, federation, deadline }, &switch)
        });
        let authenticated = authenticated(identity, keys, delivery.clone());
        Ok(Self { store, switch, rules, events, authenticated, delivery })
    }
}

/// Opens the database, if need be with the disk's reserve: even to open one, a disk must not be full.
async fn open(host: &Host) -> Result<Database, DatabaseError> {
    match host.open(DATABASE).await {
        Err(error) if error.is_disk_trouble() => match host.disk.release_reserve().await {
            Ok(true) => {
                tracing::warn!("the disk is full: the reserve is used to start");
                host.open(DATABASE).await
            }
            _ => Err(error),
        },
        opened => opened,
    }
}

/// Binds the ports. One number for two of them is one listener that serves both.
async fn bind(host: &Host, config: &Config, parts: Parts) -> Result<Relay, StartError> {
    let Parts { store, switch, rules, events, authenticated, delivery } = parts;
    let proxies: Arc<[IpAddr]> = config.proxies.clone().into();
    let drain = Drain::default();
    let watched = || {
        let (drain, proxies) = (drain.clone(), Arc::clone(&proxies));
        Watch { drain, traffic: Traffic::default(), proxies }
    };
    let (of_servers, of_operators) = (watched(), watched());
    let traffic =
        [("federation", of_servers.traffic.clone()), ("admin", of_operators.traffic.clone())];
    let metrics = Metrics::new(host, &store, &switch, events.clone(), traffic);
    let admin = Admin::new(host, &store, &switch, rules.clone(), events.clone());
    let admin = operators(config).map(|operators| api::admin::router(admin, operators));
    let mut servers = api::router(api::Services {
        authenticated,
        forwarder: Forwarder {
            host: host.clone(),
            store: store.clone(),
            switch: switch.clone(),
            rules,
            events: events.clone(),
            delivery,
        },
        retriever: Retriever::new(host, &store, &switch, events.clone()),
        events,
    });
    let shares = config.admin_port == config.port;
    let mut admin = admin;
    if let Some(admin) = admin.take_if(|_| shares) {
        servers = servers.merge(admin);
    }
    let limits = limits(config);
    let port = listen(host, config.port, servers, limits, of_servers).await?;
    let admin_port = match admin {
        None => Some(port).filter(|_| shares),
        Some(admin) => {
            // Whoever floods the other port takes no place on this one.
            let limits = ServerLimits { max_connections: 64, max_body: 1 << 20, ..limits };
            Some(listen(host, config.admin_port, admin, limits, of_operators).await?)
        }
    };
    let metrics_port = match config.metrics_port {
        None => None,
        Some(port) => {
            Some(listen(host, port, metrics.router(), metrics::limits(), watched()).await?)
        }
    };
    Ok(Relay { port, admin_port, metrics_port, drain })
}

fn limits(config: &Config) -> ServerLimits {
    let max_body =
        if planted(Defect::RelayReadsAnyBody) { usize::MAX } else { config.max_body_bytes };
    ServerLimits {
        max_connections: config.max_connections,
        max_of_one_address: config.connections_per_address,
        max_buffered: config.max_buffered,
        max_body,
        max_discarded: MAX_DISCARDED,
        first_header_timeout: FIRST_HEADER_TIMEOUT,
        request_timeout: REQUEST_TIMEOUT,
        dates: true,
        ..ServerLimits::default()
    }
}

/// Returns who may use the admin API, by their tokens; `None` if nobody may.
fn operators(config: &Config) -> Option<api::admin::Operators> {
    let first = config.admin_token.iter().map(|token| (FIRST_OPERATOR, token));
    let others = config.operators.iter().map(|(name, token)| (name.as_str(), token));
    let hashed = |(name, token): (&str, &String)| {
        (*blake3::hash(token.as_bytes()).as_bytes(), name.to_owned())
    };
    let operators: BTreeMap<_, _> = first.chain(others).map(hashed).collect();
    (!operators.is_empty()).then(|| Arc::new(operators))
}

async fn listen(
    host: &Host,
    port: u16,
    router: Router,
    limits: ServerLimits,
    watch: Watch,
) -> Result<u16, StartError> {
    serve_watched(host, port, router, limits, watch)
        .await
        .map_err(|error| StartError(format!("failed to listen on port {port}: {error}")))
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
    // What matters here, deposits, has rates of its own (`rules`).
    Authenticated { identity, keys, heard_from: Arc::new(heard_from), rates: None }
}
