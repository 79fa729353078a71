//! What an operator can set. `homeserver/homeserver.sample.toml` tells all of it.

mod file;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ruma::OwnedServerName;
use serde::Deserialize;
use settings::HOMESERVER;
use transport::settings::{Wrong, bytes, duration};

pub use self::file::{ConfigFile, Machine};

/// The configuration of one homeserver, wherever it runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The server's name, as it stands after the colon of its users' ids.
    pub server_name: OwnedServerName,
    /// The port of the server-server API.
    pub federation_port: u16,
    /// The port of the client-server API.
    pub client_port: u16,
    /// The port on which `/metrics` and `/health` are answered; unset is none.
    pub metrics_port: Option<u16>,
    /// The bearer token of the admin API; unset turns that API off.
    pub admin_token: Option<String>,
    /// Whether anybody may make an account. If not, the admin API makes them.
    pub open_registration: bool,
    /// Whoever has this token may make an account, open registration or not.
    pub registration_token: Option<String>,
    /// Relays per destination, this server's own under its own name; of other destinations, what they
    /// publish. What an admin call has changed at run time wins.
    pub relays: BTreeMap<OwnedServerName, Vec<OwnedServerName>>,
    /// Failed direct attempts after which a transaction goes to the destination's relays.
    pub attempts_before_relay: u32,
    /// How many relays of a destination must have taken a transaction before it counts as delivered; all
    /// of a destination with fewer.
    pub relay_copies: u32,
    /// Whether a destination's relays are asked one after another until there are so many copies, and not
    /// all of them at once.
    pub relays_in_turn: bool,
    /// Whether what is left at relays is sealed for destinations that publish a key for that.
    pub seal_mail: bool,
    /// How often this server asks its own relays.
    #[serde(deserialize_with = "duration")]
    pub relay_poll_interval: Duration,
    /// First wait after a failed attempt; doubles from there.
    #[serde(deserialize_with = "duration")]
    pub backoff_first: Duration,
    /// Longest wait between two attempts.
    #[serde(deserialize_with = "duration")]
    pub backoff_max: Duration,
    /// Deadline of every request to another server.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// How long the owner of an `m1` room waits for a vote.
    #[serde(deserialize_with = "duration")]
    pub vote_timeout: Duration,
    /// How long a prepared backend waits before it asks the owner for the decision.
    #[serde(deserialize_with = "duration")]
    pub doubt_after: Duration,
    /// How long a device's notifications are kept.
    #[serde(deserialize_with = "duration")]
    pub notification_time_to_live: Duration,
    /// How long the answer to a send is kept for retries, and what `m1` decided about it.
    #[serde(deserialize_with = "duration")]
    pub answer_time_to_live: Duration,
    /// Connections that each API serves at once.
    pub max_connections: usize,
    /// Of these, connections of one address.
    pub connections_per_address: usize,
    /// Bytes that the bodies of all requests to each API may take up together.
    #[serde(deserialize_with = "bytes")]
    pub max_buffered: usize,
    /// Requests that one other server may make at once, and in a second.
    pub requests_per_peer: u32,
    /// The same of one user.
    pub requests_per_user: u32,
    /// Proxies in front of this server, which call for others: they may have all connections, and say
    /// for whom they call in `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
    /// Wrong passwords that may be tried for one user at once; four times as many from one address.
    pub wrong_passwords: u32,
    /// After that, the time between two attempts.
    #[serde(deserialize_with = "duration")]
    pub wrong_password_pause: Duration,
    /// Accounts that one address may make in an hour.
    pub registrations_per_address: u32,
    /// Memory that hashing a password takes, in KiB; guessing one takes as much.
    pub password_memory_kib: u32,
    /// Passes over that memory.
    pub password_passes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: OwnedServerName::try_from("localhost").expect("a valid server name"),
            federation_port: 8448,
            client_port: 8008,
            metrics_port: None,
            admin_token: None,
            open_registration: false,
            registration_token: None,
            relays: BTreeMap::new(),
            attempts_before_relay: 3,
            relay_copies: 1,
            relays_in_turn: false,
            seal_mail: true,
            relay_poll_interval: Duration::from_secs(30),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_hours(1),
            request_timeout: Duration::from_secs(10),
            vote_timeout: Duration::from_secs(5),
            doubt_after: Duration::from_secs(10),
            // 28 days, as Wire's charts have it.
            notification_time_to_live: Duration::from_hours(28 * 24),
            answer_time_to_live: Duration::from_hours(7 * 24),
            max_connections: 1024,
            connections_per_address: 512,
            max_buffered: 32 << 20,
            requests_per_peer: 1000,
            requests_per_user: 1000,
            proxies: Vec::new(),
            wrong_passwords: 10,
            wrong_password_pause: Duration::from_secs(30),
            registrations_per_address: 50,
            // As the OWASP cheat sheet on password storage has it for Argon2id.
            password_memory_kib: 19 << 10,
            password_passes: 2,
        }
    }
}

impl Config {
    /// Returns the defaults, for `server_name`.
    pub fn new(server_name: OwnedServerName) -> Self {
        Self { server_name, ..Self::default() }
    }

    /// Checks what the types of the fields do not.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    pub fn check(&self) -> Result<(), Wrong> {
        let amounts = self.amounts();
        HOMESERVER.check(|key| {
            amounts.iter().find(|(known, _)| *known == key).map(|(_, amount)| *amount)
        })?;
        self.check_secrets()?;
        let ports = [self.federation_port, self.client_port];
        if self.metrics_port.is_some_and(|port| port != 0 && ports.contains(&port)) {
            let problem = "is the port of another API";
            return Err(wrong("metrics_port", problem, "give it a port of its own"));
        }
        Ok(())
    }

    /// Returns the amounts by the keys of [`HOMESERVER`].
    fn amounts(&self) -> [(&'static str, u64); 22] {
        [
            ("attempts_before_relay", self.attempts_before_relay.into()),
            ("relay_copies", self.relay_copies.into()),
            ("relays_in_turn", self.relays_in_turn.into()),
            ("seal_mail", self.seal_mail.into()),
            ("relay_poll_interval", milliseconds(self.relay_poll_interval)),
            ("backoff_first", milliseconds(self.backoff_first)),
            ("backoff_max", milliseconds(self.backoff_max)),
            ("request_timeout", milliseconds(self.request_timeout)),
            ("vote_timeout", milliseconds(self.vote_timeout)),
            ("doubt_after", milliseconds(self.doubt_after)),
            ("notification_time_to_live", milliseconds(self.notification_time_to_live)),
            ("answer_time_to_live", milliseconds(self.answer_time_to_live)),
            ("max_connections", self.max_connections as u64),
            ("connections_per_address", self.connections_per_address as u64),
            ("max_buffered", self.max_buffered as u64),
            ("requests_per_peer", self.requests_per_peer.into()),
            ("requests_per_user", self.requests_per_user.into()),
            ("wrong_passwords", self.wrong_passwords.into()),
            ("wrong_password_pause", milliseconds(self.wrong_password_pause)),
            ("registrations_per_address", self.registrations_per_address.into()),
            ("password_memory_kib", self.password_memory_kib.into()),
            ("password_passes", self.password_passes.into()),
        ]
    }

    fn check_secrets(&self) -> Result<(), Wrong> {
        let secrets =
            [("admin_token", &self.admin_token), ("registration_token", &self.registration_token)];
        for (key, secret) in secrets {
            if secret.as_ref().is_some_and(|secret| secret.trim().is_empty()) {
                let remedy = "give it a long random text, or leave the key out";
                return Err(wrong(key, "is empty", remedy));
            }
        }
        Ok(())
    }
}

/// Returns a duration in milliseconds; what is shorter counts as one.
fn milliseconds(duration: Duration) -> u64 {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    milliseconds.max(u64::from(!duration.is_zero()))
}

fn wrong(key: &'static str, problem: &str, remedy: &str) -> Wrong {
    Wrong { key, problem: problem.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use settings::{HOMESERVER, Setting};

    use super::Config;

    /// Returns the keys of a configuration file, as the mistake of an unknown one lists them.
    fn keys() -> BTreeSet<String> {
        let unknown = serde_json::from_str::<Config>("{\"?\": 1}").unwrap_err().to_string();
        let quoted = unknown.split('`').skip(1).step_by(2).filter(|key| *key != "?");
        quoted.map(str::to_owned).collect()
    }

    #[test]
    fn the_table_that_scenarios_are_read_with_has_every_key_with_its_default() {
        let own = HOMESERVER.settings.iter().map(|setting| setting.key);
        let elsewhere = HOMESERVER.elsewhere.iter().map(|(key, _)| *key);
        // What a scenario says of relays is a table of its own there, as is what a machine is given.
        let told = own.chain(elsewhere).chain(["relays"]).filter(|key| *key != "machine");
        assert_eq!(keys(), told.map(str::to_owned).collect());
        let defaults = HOMESERVER.settings.iter().map(|it| (it.key, it.default_amount()));
        let amounts = BTreeSet::from(Config::default().amounts());
        assert_eq!(amounts, defaults.collect());
        assert!(HOMESERVER.check(|key| HOMESERVER.find(key).map(Setting::default_amount)).is_ok());
    }

    #[test]
    fn a_password_cost_that_argon2_cannot_have_is_refused() {
        let config = Config { password_memory_kib: 7, ..Config::default() };
        let wrong = config.check().unwrap_err();
        let said = "`password_memory_kib` is 7; give it between 8 and 1048576";
        assert_eq!(wrong.to_string(), said);
        let config = Config { password_memory_kib: 8, password_passes: 1, ..Config::default() };
        assert!(config.check().is_ok());
    }

    #[test]
    fn nobody_may_make_an_account_unless_the_operator_says_so() {
        let config = Config::default();
        assert!(!config.open_registration && config.registration_token.is_none());
    }
}
