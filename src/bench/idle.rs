//! What a world costs in which nothing happens but timers.

use std::{sync::Arc, time::Duration};

use homeserver::Homeserver;
use relay::Relay;
use ruma::OwnedServerName;
use scenarios::installation;
use sim::{Ended, Node, WorldConfig, disk::DiskImage};
use transport::{BoxFuture, Host};

use super::{
    clock::cpu,
    loaded,
    plain::Plain,
    row::{Length, Measured},
};

const MACHINES: usize = 1000;
/// Homeservers that share one relay.
const PER_RELAY: usize = 10;
const HOUR: Duration = Duration::from_hours(1);

/// A thousand plain machines.
pub(super) fn machines(length: Length) -> Result<Measured, String> {
    let time = length.pick(HOUR, Duration::from_mins(6));
    let cpu = loaded::run_programs(vec![Plain::idle(); MACHINES], time)?;
    Ok(times_real_time(time, cpu))
}

/// A thousand homeservers, each of which asks one of a hundred relays for its mail.
pub(super) fn homeservers(length: Length) -> Result<Measured, String> {
    let time = length.pick(HOUR, Duration::from_mins(6));
    let config = WorldConfig { seed: 1, limit: time + time, ..WorldConfig::default() };
    let (outcome, cpu) = cpu(|| {
        sim::run(config, move |world| async move {
            let add = |name: &str, program: Arc<dyn Node>| {
                world.add_machine(name, program);
                world.boot(name);
            };
            for number in 0..MACHINES / PER_RELAY {
                let name = relay_name(number);
                add(&name, Arc::new(RelayNode(name.clone())));
            }
            for number in 0..MACHINES {
                let relay = relay_name(number / PER_RELAY);
                let name = format!("hs{number}");
                add(&name, Arc::new(HomeserverNode { name: name.clone(), relay }));
            }
            tokio::time::sleep(time).await;
            world.journal_len()
        })
    });
    match (outcome.ended, outcome.value) {
        (Ended::Finished, Some(entries)) => {
            let Measured { figure, detail } = times_real_time(time, cpu);
            let detail = format!("{detail}, boot included, {entries} journal entries");
            Ok(Measured { figure, detail })
        }
        (other, _) => Err(format!("the world ended otherwise than it should: {other:?}")),
    }
}

/// Simulated time by CPU time.
pub(super) fn times_real_time(time: Duration, cpu: Duration) -> Measured {
    Measured {
        figure: time.as_secs_f64() / cpu.as_secs_f64(),
        detail: format!("{:.3} s of CPU for {} simulated s", cpu.as_secs_f64(), time.as_secs()),
    }
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
