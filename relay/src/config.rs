//! What an operator can set. `relay/relay.sample.toml` tells all of it.

mod file;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ruma::OwnedServerName;
use serde::{Deserialize, Deserializer};
use settings::RELAY;
use transport::settings::{Wrong, bytes, duration};

pub use self::file::{ConfigFile, Machine};
pub use settings::LEGAL_BODY_BYTES;

/// The configuration of one relay, wherever it runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The relay's own server name.
    pub server_name: OwnedServerName,
    /// The port that servers call.
    pub port: u16,
    /// The port of the admin API. The same number is one listener for both.
    pub admin_port: u16,
    /// The port on which `/metrics`, `/healthz` and `/readyz` are answered; unset is none.
    pub metrics_port: Option<u16>,
    /// The bearer token of the admin API, for the operator called `admin`. The API is off without any
    /// token.
    pub admin_token: Option<String>,
    /// More tokens, by the names of the operators whom the log tells apart by them.
    pub operators: BTreeMap<String, String>,
    /// The destinations served; empty serves every destination. What was set at run time wins.
    pub destinations: Vec<OwnedServerName>,
    /// Whether the relay also keeps trying to forward to the destination (sender-side relay).
    pub forward: bool,
    /// How long an entry is kept.
    #[serde(deserialize_with = "duration")]
    pub time_to_live: Duration,
    /// How often an entry is handed out and not acknowledged before it is set aside.
    pub max_handouts: u64,
    /// Deadline of every request that the relay makes.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// Entries kept for one destination; more are refused with a reason.
    pub max_entries_per_destination: u64,
    /// Bytes kept for one destination; more are refused with a reason. An entry counts as its
    /// transaction's bytes and [`crate::ENTRY_OVERHEAD`].
    #[serde(deserialize_with = "size")]
    pub max_bytes_per_destination: u64,
    /// Hundredths of a destination's quotas that the origins of one host may use up, so that one server
    /// cannot fill another's mailbox; 1 to 100. A mailbox of few entries or bytes is not divided.
    pub origin_share_percent: u64,
    /// Entries that the origins of one host may have in all mailboxes together.
    pub max_entries_per_origin: u64,
    /// Bytes that the origins of one host may have in all mailboxes together.
    #[serde(deserialize_with = "size")]
    pub max_bytes_per_origin: u64,
    /// Bytes kept for all destinations together, counted likewise; more are refused.
    #[serde(deserialize_with = "size")]
    pub max_bytes_in_all: u64,
    /// Transactions that the origins of one host may leave within a minute.
    pub max_deposits_per_minute: u32,
    /// Bytes of one request's body; more are refused.
    #[serde(deserialize_with = "bytes")]
    pub max_body_bytes: usize,
    /// Bytes of the disk that are set aside for those who empty a full one; 0 sets none aside.
    #[serde(deserialize_with = "size")]
    pub disk_reserve: u64,
    /// Connections served at once.
    pub max_connections: usize,
    /// Of these, connections of one address.
    pub connections_per_address: usize,
    /// Bytes that the bodies of all requests may take up together.
    #[serde(deserialize_with = "bytes")]
    pub max_buffered: usize,
    /// Proxies in front of this relay, which call for others: they may have all connections, and say
    /// for whom they call in `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    bytes(deserializer).map(|bytes| bytes as u64)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: OwnedServerName::try_from("localhost").expect("a valid server name"),
            port: 8448,
            admin_port: 8449,
            metrics_port: None,
            admin_token: None,
            operators: BTreeMap::new(),
            destinations: Vec::new(),
            forward: false,
            time_to_live: Duration::from_hours(28 * 24),
            max_handouts: 1000,
            request_timeout: Duration::from_secs(10),
            max_entries_per_destination: 10_000,
            max_bytes_per_destination: 256 << 20,
            origin_share_percent: 25,
            max_entries_per_origin: 50_000,
            max_bytes_per_origin: 512 << 20,
            max_bytes_in_all: 4 << 30,
            max_deposits_per_minute: 6000,
            max_body_bytes: 10 << 20,
            disk_reserve: 32 << 20,
            max_connections: 1024,
            connections_per_address: 512,
            max_buffered: 32 << 20,
            proxies: Vec::new(),
        }
    }
}

impl Config {
    /// Returns the defaults, for `server_name`.
    pub fn new(server_name: OwnedServerName) -> Self {
        Self { server_name, ..Self::default() }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    pub fn check(&self) -> Result<(), Wrong> {
        let amounts = self.amounts();
        RELAY.check(|key| {
            amounts.iter().find(|(known, _)| *known == key).map(|(_, amount)| *amount)
        })?;
        self.check_tokens()?;
        let ports = [self.port, self.admin_port];
        if self.metrics_port.is_some_and(|port| port != 0 && ports.contains(&port)) {
            let problem = "is the port of another API";
            return Err(wrong("metrics_port", problem, "give it a port of its own"));
        }
        Ok(())
    }

    /// Returns the amounts by the keys of [`RELAY`].
    fn amounts(&self) -> [(&'static str, u64); 16] {
        [
            ("forward", self.forward.into()),
            ("time_to_live", milliseconds(self.time_to_live)),
            ("max_handouts", self.max_handouts),
            ("request_timeout", milliseconds(self.request_timeout)),
            ("max_entries_per_destination", self.max_entries_per_destination),
            ("max_bytes_per_destination", self.max_bytes_per_destination),
            ("origin_share_percent", self.origin_share_percent),
            ("max_entries_per_origin", self.max_entries_per_origin),
            ("max_bytes_per_origin", self.max_bytes_per_origin),
            ("max_bytes_in_all", self.max_bytes_in_all),
            ("max_deposits_per_minute", self.max_deposits_per_minute.into()),
            ("max_body_bytes", self.max_body_bytes as u64),
            ("disk_reserve", self.disk_reserve),
            ("max_connections", self.max_connections as u64),
            ("connections_per_address", self.connections_per_address as u64),
            ("max_buffered", self.max_buffered as u64),
        ]
    }

    fn check_tokens(&self) -> Result<(), Wrong> {
        let is_empty = |token: &String| token.trim().is_empty();
        if self.admin_token.as_ref().is_some_and(is_empty) {
            let remedy = "give it a long random text, or leave the key out";
            return Err(wrong("admin_token", "is empty", remedy));
        }
        if self.operators.values().any(is_empty) {
            let problem = "has a token that is empty";
            return Err(wrong("operators", problem, "give each a long random text"));
        }
        Ok(())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wrong(key: &'static str, problem: &str, remedy: &str) -> Wrong {
    Wrong { key, problem: problem.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the keys of a configuration file, as the mistake of an unknown one lists them.
    fn keys() -> BTreeSet<String> {
        let unknown = serde_json::from_str::<Config>("{\"?\": 1}").unwrap_err().to_string();
        let quoted = unknown.split('`').skip(1).step_by(2).filter(|key| *key != "?");
        quoted.map(str::to_owned).collect()
    }

    #[test]
    fn the_table_that_scenarios_are_read_with_has_every_key_with_its_default() {
        let own = RELAY.settings.iter().map(|setting| setting.key);
        let elsewhere = RELAY.elsewhere.iter().map(|(key, _)| *key);
        // What a machine is given is a table of its own.
        let told = own.chain(elsewhere).filter(|key| *key != "machine");
        assert_eq!(keys(), told.map(str::to_owned).collect());
        let amounts = RELAY.settings.iter().filter(|it| it.key != "destinations");
        let amounts = amounts.map(|it| (it.key, it.default_amount()));
        assert_eq!(BTreeSet::from(Config::default().amounts()), amounts.collect());
    }

    /// The key at which the defaults, changed by `change`, are refused.
    fn refused(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        config.check().err().map(|wrong| wrong.key)
    }

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(refused(|_| {}), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        let entries = refused(|config| config.max_entries_per_destination = 0);
        assert_eq!(entries, Some("max_entries_per_destination"));
        let share = refused(|config| config.origin_share_percent = 101);
        assert_eq!(share, Some("origin_share_percent"));
        let token = refused(|config| config.admin_token = Some(String::new()));
        assert_eq!(token, Some("admin_token"));
        let metrics = refused(|config| config.metrics_port = Some(config.admin_port));
        assert_eq!(metrics, Some("metrics_port"));
        assert_eq!(refused(|config| config.disk_reserve = 1 << 20), Some("disk_reserve"));
        assert_eq!(refused(|config| config.disk_reserve = 0), None);
    }

    #[test]
    fn a_limit_below_a_legal_transaction_is_refused() {
        let refused = |bytes| refused(|config| config.max_body_bytes = bytes);
        assert_eq!(refused(LEGAL_BODY_BYTES - 1), Some("max_body_bytes"));
        assert_eq!(refused(LEGAL_BODY_BYTES), None);
    }
}
