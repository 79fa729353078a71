//! Starting a homeserver: the layers are put together, the ports bound, the queues resumed.

use std::{net::IpAddr, sync::Arc};

use axum::Router;
use ruma::ServerName;
use tokio::sync::Notify;
use transport::{
    DatabaseError, Host,
    federation::{Authenticated, Federation, Identity, KeyRing, Opening},
    host::Disk,
    http::{Client, ClientLimits, Drain, ServerLimits, Traffic, Watch, serve_watched},
    rates::{Rate, Rates},
};

use crate::{
    Config,
    client_api::{self, cors::for_browsers},
    core::{Core, CoreFields, moment::AgeClock},
    delivery::Policies,
    federation_api,
    messaging::{Messaging, Parts, edus::Edus, notifications::Notifications, rooms::Rooms},
    metrics::{self, Apis},
    pdu::Graph,
    store::{self, StoreError, pushers::PusherRow},
    transaction::{Incoming, Outgoing, RelaySync, own_relays},
};

/// A running homeserver. It runs in the host's background tasks; dropping this does not stop it.
#[derive(Clone)]
pub struct Homeserver {
    rooms: Rooms,
    /// The port that serves the server-server API.
    pub federation_port: u16,
    /// The port that serves the client-server API and the admin API.
    pub client_port: u16,
    /// The port of `/metrics` and `/health`, if there is one.
    pub metrics_port: Option<u16>,
    /// Ends the service on all ports without breaking answers that are under way.
    pub drain: Drain,
}

/// Why a homeserver did not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the homeserver: {0}")]
pub struct StartError(pub String);

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// The layers, put together; nothing runs yet.
struct Layers {
    messaging: Messaging,
    policies: Policies,
    outgoing: Outgoing,
    incoming: Incoming,
    relay_sync: RelaySync,
}

impl Homeserver {
    /// Starts a homeserver on `host`: opens its database, binds its ports, resumes its queues, and
    /// asks its relays.
    ///
    /// # Errors
    /// The configuration is wrong, the disk refuses, or a port is taken; a sentence for the operator.
    pub async fn start(host: Host, config: Config) -> Result<Self, StartError> {
        config.check().map_err(|error| StartError::because("the configuration", error))?;
        let (core, pushers) = open(host, config).await?;
        let layers = put_together(&core, pushers);
        let drain = Drain::default();
        let Ports { federation: federation_port, client: client_port, metrics: metrics_port } =
            bind(&core, &layers, &drain).await?;
        let store = |error: &dyn std::fmt::Display| StartError::because("the store", error);
        layers.outgoing.start().await.map_err(|error| store(&error))?;
        layers
            .policies
            .resume(layers.messaging.notifications.clone())
            .await
            .map_err(|error| store(&error))?;
        layers.messaging.rooms.resume().await.map_err(|error| store(&error))?;
        core.host.spawn(layers.relay_sync.run());
        let rooms = layers.messaging.rooms;
        Ok(Self { rooms, federation_port, client_port, metrics_port, drain })
    }

    /// Returns the rooms of this server, for a program that embeds it.
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }
}

impl std::fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Homeserver")
            .field("server_name", &self.rooms.core().server_name())
            .field("federation_port", &self.federation_port)
            .field("client_port", &self.client_port)
            .finish_non_exhaustive()
    }
}

/// Makes on `disk` the tables that the first start of every homeserver makes, and nothing else:
/// whoever starts many can do so once and copy the files. [`Homeserver::start`] needs none of it.
///
/// # Errors
/// The disk refuses, or the database was written by a newer program.
pub async fn install(disk: &dyn Disk) -> Result<(), DatabaseError> {
    let database = disk.open(store::DATABASE).await?;
    store::migrate(&database).await?;
    transport::federation::install(&database).await
}

/// Opens the database; returns what the layers share, and the pushers that are stored.
async fn open(host: Host, config: Config) -> Result<(Core, Vec<PusherRow>), StartError> {
    let database = host
        .open(store::DATABASE)
        .await
        .map_err(|error| StartError::because("opening the database", error))?;
    store::migrate(&database)
        .await
        .map_err(|error| StartError::because("bringing the database up to date", error))?;
    let name = config.server_name.clone();
    let configured = config.relays.get(&name).cloned().unwrap_or_default();
    let (record, relays) = own_relays::record(name.clone(), configured);
    let opening = Opening { last_signed: store::signed::last_signed, record };
    let identity = Identity::open_with(&host, &database, name, opening)
        .await
        .map_err(|error| StartError::because("opening the signing key", error))?;
    let http = Client::new(&host, ClientLimits::default());
    let keys = KeyRing::open(&host, &database, http.clone(), identity.clone())
        .await
        .map_err(|error| StartError::because("opening the key ring", error))?;
    // Before anybody can ask for the keys, who would forget the relays that were published before.
    keys.publish(own_relays::contact(&identity, &relays.lock()));
    let federation = Federation::new(identity.clone(), http);
    let (last, pushers) = database
        .call(|db| Ok::<_, StoreError>((store::age_clock::read(db)?, store::pushers::all(db)?)))
        .await
        .map_err(|error| StartError::because("reading the clock of ages", error))?;
    let ages = AgeClock::going_on(last, &host);
    let core = Core::new(CoreFields { host, config, database, identity, keys, federation, ages });
    Ok((core, pushers))
}

fn put_together(core: &Core, pushers: Vec<PusherRow>) -> Layers {
    let reconnected = Arc::new(Notify::new());
    let notifications = Notifications::new(core);
    let outgoing = Outgoing::new(core.clone(), Arc::clone(&reconnected));
    let graph = Graph::new(core.clone(), Arc::new(notifications.clone()), outgoing.clone());
    let edus = Edus::new(core, outgoing.clone(), notifications.news.clone());
    let incoming = Incoming::new(core.clone(), Arc::new(graph.clone()), Arc::new(edus.clone()));
    let relay_sync = RelaySync::new(incoming.clone(), outgoing.clone(), reconnected);
    let rooms = Rooms::new(graph, outgoing.clone());
    let policies = Policies::new(rooms.clone());
    let messaging = Messaging::new(rooms, Parts { notifications, edus, pushers });
    Layers { messaging, policies, outgoing, incoming, relay_sync }
}

/// The ports that were bound.
struct Ports {
    federation: u16,
    client: u16,
    metrics: Option<u16>,
}

/// Binds the ports. One number for both APIs is one listener that serves everything.
async fn bind(core: &Core, layers: &Layers, drain: &Drain) -> Result<Ports, StartError> {
    let (outgoing, policies) = (layers.outgoing.clone(), layers.policies.clone());
    let authenticated = Authenticated {
        identity: core.identity.clone(),
        keys: core.keys.clone(),
        heard_from: Arc::new(move |server: &ServerName| {
            outgoing.heard_from(server);
            policies.heard_from(server);
        }),
        rates: Some(Arc::new(Rates::new(Rate::a_second(core.config.requests_per_peer)))),
    };
    let federation = federation_api::router(federation_api::FederationApiFields {
        authenticated,
        messaging: layers.messaging.clone(),
        policies: layers.policies.clone(),
        incoming: layers.incoming.clone(),
    });
    let client = client_api::router(core.config.admin_token.is_some());
    let shared =
        client_api::shared(core.clone(), layers.messaging.clone(), layers.policies.clone());
    let (federation_port, client_port) = (core.config.federation_port, core.config.client_port);
    let proxies: Arc<[IpAddr]> = core.config.proxies.clone().into();
    let watched = || {
        let (drain, proxies) = (drain.clone(), Arc::clone(&proxies));
        Watch { drain, traffic: Traffic::default(), proxies }
    };
    let (of_federation, of_clients) = (watched(), watched());
    let traffic =
        Apis { federation: of_federation.traffic.clone(), client: of_clients.traffic.clone() };
    let (federation_port, client_port) = if federation_port == client_port {
        let both = for_browsers(federation.merge(client), Some(shared));
        let limits = limits(&core.config);
        let port = listen(core, federation_port, both, limits, of_federation).await?;
        (port, port)
    } else {
        let of_federation_api = limits(&core.config);
        let of_client_api = ServerLimits { max_body: client_api::MAX_MEDIUM, ..of_federation_api };
        let (federation, client) =
            (for_browsers(federation, None), for_browsers(client, Some(shared)));
        (
            listen(core, federation_port, federation, of_federation_api, of_federation).await?,
            listen(core, client_port, client, of_client_api, of_clients).await?,
        )
    };
    let metrics_port = match core.config.metrics_port {
        None => None,
        Some(port) => {
            let metrics = for_browsers(metrics::router(core.clone(), traffic), None);
            Some(listen(core, port, metrics, metrics::limits(), watched()).await?)
        }
    };
    Ok(Ports { federation: federation_port, client: client_port, metrics: metrics_port })
}

fn limits(config: &Config) -> ServerLimits {
    ServerLimits {
        max_connections: config.max_connections,
        max_of_one_address: config.connections_per_address,
        max_buffered: config.max_buffered,
        ..ServerLimits::default()
    }
}

async fn listen(
    core: &Core,
    port: u16,
    router: Router,
    limits: ServerLimits,
    watch: Watch,
) -> Result<u16, StartError> {
    serve_watched(&core.host, port, router, limits, watch)
        .await
        .map_err(|error| StartError::because(&format!("binding port {port}"), error))
}
