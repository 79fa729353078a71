//! The machines of a run: a homeserver per backend, relays, devices, and the observer's machine.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use checks::history::Note;
use homeserver::Homeserver;
use relay::Relay;
use ruma::OwnedServerName;
use scenarios::{Scenario, scenario::OpKind};
use serde::de::DeserializeOwned;
use settings::{Choice, Choices, HOMESERVER, Kind, RELAY, Settings};
use sim::{Node, disk::DiskImage};
use transport::{BoxFuture, Host};

use super::{
    client::Client, device::Device, installation, keys::KeysOf, prepared::Prepared,
    stranger::Stranger,
};
use crate::{
    byzantine::behind_its_tamperer,
    federation::{Rooms, Stage},
};

/// The machine of a server without any right.
pub const STRANGER: &str = "stranger";

/// The bearer token of every admin API.
pub const ADMIN_TOKEN: &str = "observer-of-this-run";

/// The deadline of the observer's requests.
pub(super) const OBSERVER_DEADLINE: Duration = Duration::from_secs(10);

/// The port of every homeserver's client and admin API.
pub const CLIENT_PORT: u16 = 8008;

/// The port of every server's server-server API, and of all of a relay's.
pub const FEDERATION_PORT: u16 = 8448;

/// All machines of a run.
pub(super) struct Cluster {
    /// The stage that they are on.
    stage: Arc<Stage>,
    /// The scenario.
    pub(super) scenario: Arc<Scenario>,
    /// Devices by name, as `alice/1`.
    pub(super) devices: BTreeMap<String, Arc<Device>>,
    /// Room ids by conversation, once they are made.
    rooms: OnceLock<Rooms>,
    /// The server without any right, where the scenario has one.
    pub(super) stranger: Option<Arc<Stranger>>,
    homeservers: BTreeMap<String, Client>,
    relays: BTreeMap<String, Client>,
}

impl Cluster {
    /// Adds every machine and boots what has a node: as it was `prepared`, or else newly installed.
    pub(super) fn boot(stage: &Arc<Stage>, prepared: Option<&Prepared>) -> Self {
        let (scenario, world) = (stage.scenario(), stage.world());
        let disk = |name: &String| prepared.and_then(|prepared| prepared.disks.get(name)).cloned();
        for (name, config) in homeserver_configs(scenario) {
            let disk = disk(&name).unwrap_or_else(installation::homeserver);
            let node = Arc::new(HomeserverNode { config, keys: stage.keys().of(&name), disk });
            let key = (server_name(&name), homeserver::store::DATABASE);
            stage.boot(&name, behind_its_tamperer(stage.tamperer(&name), node, Some(key)));
        }
        for (name, relay) in &scenario.relays {
            let config = relay_config(name, relay);
            let disk = disk(name).unwrap_or_else(installation::relay);
            let node = Arc::new(RelayNode { config, keys: stage.keys().of(name), disk });
            stage.boot(name, behind_its_tamperer(stage.tamperer(name), node, None));
        }
        let admin = |name: &String, port| {
            let client = Client::new(stage.observer(), name, port).with_token(ADMIN_TOKEN);
            (name.clone(), client)
        };
        let homeservers = scenario.backends.keys().map(|name| admin(name, CLIENT_PORT)).collect();
        let relays = scenario.relays.keys().map(|name| admin(name, FEDERATION_PORT)).collect();
        let trespasses = scenario.ops.iter().any(|op| matches!(op.kind, OpKind::Trespass { .. }));
        let stranger = trespasses.then(|| Arc::new(Stranger::new(world.add_seat(STRANGER))));
        Self {
            stage: Arc::clone(stage),
            scenario: Arc::clone(scenario),
            devices: devices(stage, scenario, prepared),
            rooms: OnceLock::new(),
            stranger,
            homeservers,
            relays,
        }
    }

    /// Takes the rooms of the conversations, now that they are made.
    pub(super) fn set_rooms(&self, rooms: Rooms) {
        // They are made only once.
        drop(self.rooms.set(rooms));
    }

    /// Returns the room ids by conversation; none before they are made.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (&String, &String)> {
        self.rooms.get().into_iter().flatten()
    }

    /// Returns the room of a conversation. Operations begin once all rooms are made.
    pub(super) fn room(&self, conversation: &str) -> String {
        let room = self.rooms.get().and_then(|rooms| rooms.get(conversation));
        room.expect("the set-up makes every conversation").clone()
    }

    /// Writes a note of the harness itself.
    pub(super) fn note(&self, note: &Note) -> u64 {
        self.stage.tell(note)
    }

    /// Returns the harness's own machine.
    pub(super) fn observer(&self) -> &Host {
        self.stage.observer()
    }

    /// Returns the admin clients of the homeservers.
    pub(super) fn homeservers(&self) -> &BTreeMap<String, Client> {
        &self.homeservers
    }

    /// Returns the admin clients of the relays.
    pub(super) fn relays(&self) -> &BTreeMap<String, Client> {
        &self.relays
    }

    /// Returns the first device of a user.
    pub(super) fn first_device(&self, user: &str) -> &Arc<Device> {
        self.devices.get(&format!("{user}/1")).expect("the language knows all users of a scenario")
    }

    /// Returns the devices of a user.
    pub(super) fn devices_of<'c>(&'c self, user: &'c str) -> impl Iterator<Item = &'c Arc<Device>> {
        self.devices.values().filter(move |device| device.user == user)
    }
}

fn devices(
    stage: &Stage,
    scenario: &Scenario,
    prepared: Option<&Prepared>,
) -> BTreeMap<String, Arc<Device>> {
    let mut devices = BTreeMap::new();
    for (user_name, user) in &scenario.users {
        for number in 1..=user.devices {
            let name = format!("{user_name}/{number}");
            let token = prepared.and_then(|prepared| prepared.tokens.get(&name)).cloned();
            let device = Device::boot(stage.world(), (user_name, user), &name, token);
            devices.insert(name, device);
        }
    }
    devices
}

struct HomeserverNode {
    config: homeserver::Config,
    keys: KeysOf,
    disk: DiskImage,
}

impl Node for HomeserverNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let (host, config) = (self.keys.beside(host), self.config.clone());
        Box::pin(async move {
            let started = Homeserver::start(host, config).await;
            started.map(drop).map_err(|error| error.to_string())
        })
    }

    fn installation(&self) -> DiskImage {
        self.disk.clone()
    }
}

struct RelayNode {
    config: relay::Config,
    keys: KeysOf,
    disk: DiskImage,
}

impl Node for RelayNode {
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        let (host, config) = (self.keys.beside(host), self.config.clone());
        Box::pin(async move {
            let started = Relay::start(host, config).await;
            started.map(drop).map_err(|error| error.to_string())
        })
    }

    fn installation(&self) -> DiskImage {
        self.disk.clone()
    }
}

fn homeserver_configs(scenario: &Scenario) -> impl Iterator<Item = (String, homeserver::Config)> {
    scenario.backends.iter().map(move |(name, backend)| {
        let mut config: homeserver::Config = configured(&HOMESERVER, &backend.settings);
        config.server_name = server_name(name);
        config.admin_token = Some(ADMIN_TOKEN.to_owned());
        config.open_registration = true;
        config.relays = relays_told(scenario, name);
        (name.clone(), config)
    })
}

/// Returns the relays that a homeserver is told of: its own, and those of others that it does not learn.
fn relays_told(scenario: &Scenario, to: &str) -> BTreeMap<OwnedServerName, Vec<OwnedServerName>> {
    let told = scenario.relays_told(to);
    told.map(|(name, relays)| {
        (server_name(name), relays.iter().map(|relay| server_name(relay)).collect())
    })
    .collect()
}

fn relay_config(name: &str, relay: &scenarios::scenario::Relay) -> relay::Config {
    let mut config: relay::Config = configured(&RELAY, &relay.settings);
    config.server_name = server_name(name);
    config.admin_token = Some(ADMIN_TOKEN.to_owned());
    config.admin_port = config.port;
    config
}

/// Returns the configuration of a server, read as from a file that says what was chosen, and otherwise
/// what holds in a simulation.
fn configured<T: DeserializeOwned>(known: &'static Settings, chosen: &Choices) -> T {
    let mut file = serde_json::Map::new();
    for setting in known.settings {
        let default = || setting.simulated.map(|_| Choice::Amount(setting.simulated_amount()));
        let value = match chosen.get(setting.key).cloned().or_else(default) {
            Some(Choice::Amount(amount)) if setting.kind == Kind::Flag => (amount != 0).into(),
            Some(Choice::Amount(amount)) => amount.into(),
            Some(Choice::Names(names)) => names.into(),
            None => continue,
        };
        file.insert(setting.key.to_owned(), value);
    }
    serde_json::from_value(file.into()).expect("the servers read what the language does")
}

/// Returns the server name of a machine.
pub(super) fn server_name(machine: &str) -> OwnedServerName {
    OwnedServerName::try_from(machine).expect("the language takes host names only")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::language::parse;
    use settings::{Choice, Choices, HOMESERVER, Kind, RELAY, Settings};

    use super::{homeserver_configs, relay_config};

    /// Returns a scenario file with a server in a section that has the example of each setting.
    fn with_all(section: &str, settings: &Settings) -> String {
        let keys = settings.settings.iter().map(|it| format!("{} = {}\n", it.key, it.example));
        format!("[{section}]\n{}", keys.collect::<String>())
    }

    #[test]
    fn every_setting_of_a_scenario_reaches_its_server() {
        let (of_backend, of_relay) =
            (with_all("backends.b", &HOMESERVER), with_all("relays.r1", &RELAY));
        let text = format!("name = \"x\"\n{of_backend}{of_relay}");
        let scenario = parse("x.toml", &text).expect("a scenario");
        let config = homeserver_configs(&scenario).next().expect("a backend").1;
        assert_has(&format!("{config:?}"), &HOMESERVER, &scenario.backends["b"].settings);
        let relay = &scenario.relays["r1"];
        assert_has(&format!("{:?}", relay_config("r1", relay)), &RELAY, &relay.settings);
    }

    /// Asserts that a configuration, as it prints itself, has what was chosen for each setting.
    fn assert_has(config: &str, settings: &Settings, chosen: &Choices) {
        for setting in settings.settings {
            let value = match chosen.get(setting.key).expect("it was chosen") {
                Choice::Amount(amount) if setting.kind == Kind::Duration => {
                    format!("{:?}", Duration::from_millis(*amount))
                }
                Choice::Amount(amount) if setting.kind == Kind::Flag => (*amount != 0).to_string(),
                Choice::Amount(amount) => amount.to_string(),
                Choice::Names(names) => format!("{names:?}"),
            };
            assert!(
                config.contains(&format!("{}: {value}", setting.key)),
                "{}: {config}",
                setting.key
            );
        }
    }
}
