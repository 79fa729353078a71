//! Homeservers and relays to which nothing happens: all that they do is on their own timers.

use std::{sync::Arc, time::Duration};

use homeserver::Homeserver;
use relay::Relay;
use ruma::OwnedServerName;
use runs::homeservers::installation;
use sim::{Node, disk::DiskImage};
use transport::{BoxFuture, Host};

use crate::simulated::in_world;

/// Homeservers that share one relay.
const PER_RELAY: usize = 10;

/// Runs `homeservers` for `time`, each of which asks one of a tenth as many relays for its mail.
/// Returns the entries of the journal.
///
/// # Errors
/// A machine failed.
pub fn idle(homeservers: usize, time: Duration) -> Result<u64, String> {
    in_world(time + time, move |world| async move {
        let add = |name: &str, program: Arc<dyn Node>| {
            world.add_machine(name, program);
            world.boot(name);
        };
        for number in 0..homeservers.div_ceil(PER_RELAY) {
            let name = relay_name(number);
            add(&name, Arc::new(RelayNode(name.clone())));
        }
        for number in 0..homeservers {
            let relay = relay_name(number / PER_RELAY);
            let name = format!("hs{number}");
            add(&name, Arc::new(HomeserverNode { name: name.clone(), relay }));
        }
        tokio::time::sleep(time).await;
        world.journal_len()
    })
}

fn server_name(name: &str) -> Result<OwnedServerName, String> {
    OwnedServerName::try_from(name).map_err(|error| format!("{name}: {error}"))
}

fn relay_name(number: usize) -> String {
    format!("relay{number}")
}

struct HomeserverNode {
    name: String,
    relay: String,
}

impl Node for HomeserverNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let (name, relay) = (self.name.clone(), self.relay.clone());
        Box::pin(async move {
            let (name, relay) = (server_name(&name)?, server_name(&relay)?);
            let mut config = homeserver::Config::new(name.clone());
            config.relays.insert(name, vec![relay]);
            let started = Homeserver::start(host, config).await;
            started.map(drop).map_err(|error| error.to_string())
        })
    }

    fn installation(&self) -> DiskImage {
        installation::homeserver()
    }
}

struct RelayNode(String);

impl Node for RelayNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let name = self.0.clone();
        Box::pin(async move {
            let started = Relay::start(host, relay::Config::new(server_name(&name)?)).await;
            started.map(drop).map_err(|error| error.to_string())
        })
    }

    fn installation(&self) -> DiskImage {
        installation::relay()
    }
}
