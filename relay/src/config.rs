//! What an operator can set. `relay/relay.sample.toml` tells all of it.

mod file;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ruma::OwnedServerName;
use serde::{Deserialize, Deserializer};
use transport::settings::{Wrong, bytes, duration};

pub use self::file::{ConfigFile, Machine};

/// Bytes of a body that a sender may send: 50 PDUs of 64 KiB each (server-server API, "PDUs"), as many
/// for each of 100 EDUs, and 64 KiB for what is around them. A relay that took less would be sent the
/// same again and again.
pub const LEGAL_BODY_BYTES: usize = 151 * (64 << 10);

/// Bytes of the smallest reserve that is of use: twice what the database's log grows to. With the
/// largest transactions it takes more.
const LEAST_RESERVE: u64 = 4 << 20;

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
        self.check_counts()?;
        if self.origin_share_percent > 100 {
            let problem = format!("is {}, which is more than the whole", self.origin_share_percent);
            return Err(wrong("origin_share_percent", &problem, "set a number from 1 to 100"));
        }
        if self.max_body_bytes < LEGAL_BODY_BYTES {
            let problem = "is less than what a sender may send";
            let remedy = format!("set at least {LEGAL_BODY_BYTES}, or leave the key out");
            return Err(wrong("max_body_bytes", problem, &remedy));
        }
        if (1..LEAST_RESERVE).contains(&self.disk_reserve) {
            let problem = "is less than it takes to empty a full disk";
            let remedy = "give it at least \"4MiB\", or 0 for none";
            return Err(wrong("disk_reserve", problem, remedy));
        }
        self.check_tokens()?;
        let ports = [self.port, self.admin_port];
        if self.metrics_port.is_some_and(|port| port != 0 && ports.contains(&port)) {
            let problem = "is the port of another API";
            return Err(wrong("metrics_port", problem, "give it a port of its own"));
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Wrong> {
        let whole = [
            ("max_entries_per_destination", self.max_entries_per_destination),
            ("max_bytes_per_destination", self.max_bytes_per_destination),
            ("origin_share_percent", self.origin_share_percent),
            ("max_entries_per_origin", self.max_entries_per_origin),
            ("max_bytes_per_origin", self.max_bytes_per_origin),
            ("max_bytes_in_all", self.max_bytes_in_all),
            ("max_deposits_per_minute", self.max_deposits_per_minute.into()),
            ("max_handouts", self.max_handouts),
            ("max_connections", self.max_connections as u64),
            ("connections_per_address", self.connections_per_address as u64),
            ("time_to_live", milliseconds(self.time_to_live)),
            ("request_timeout", milliseconds(self.request_timeout)),
        ];
        for (key, value) in whole {
            if value == 0 {
                let remedy = "leave the key out for the default, or set at least 1";
                return Err(wrong(key, "is 0", remedy));
            }
            if i64::try_from(value).is_err() {
                let problem = format!("is {value}, which is more than the database can count");
                return Err(wrong(key, &problem, "set a smaller number"));
            }
        }
        Ok(())
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
    use super::*;

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
