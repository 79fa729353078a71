//! What an operator can set.

use std::time::Duration;

use ruma::OwnedServerName;
use serde::{Deserialize, Deserializer};

/// The configuration of one relay. In the configuration file durations are seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The relay's own server name.
    pub server_name: OwnedServerName,
    /// The port it serves; default 8448.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Entries kept for one destination; more are refused with a reason.
    #[serde(default = "default_max_entries")]
    pub max_entries_per_destination: u64,
    /// Bytes kept for one destination; more are refused with a reason. An entry counts as its
    /// transaction's bytes and [`crate::ENTRY_OVERHEAD`].
    #[serde(default = "default_max_bytes")]
    pub max_bytes_per_destination: u64,
    /// Hundredths of a destination's quotas that one origin may use up, so that one server cannot
    /// fill another's mailbox; 1 to 100. A mailbox of few entries or bytes is not divided.
    #[serde(default = "default_origin_share_percent")]
    pub origin_share_percent: u64,
    /// Bytes kept for all destinations together, counted likewise; more are refused.
    #[serde(default = "default_max_bytes_in_all")]
    pub max_bytes_in_all: u64,
    /// Bytes of one request's body; more are refused.
    #[serde(default = "default_max_body")]
    pub max_body_bytes: usize,
    /// How long an entry is kept.
    #[serde(default = "default_time_to_live", deserialize_with = "seconds")]
    pub time_to_live: Duration,
    /// The destinations served; empty serves every destination.
    #[serde(default)]
    pub destinations: Vec<OwnedServerName>,
    /// Whether the relay also keeps trying to forward to the destination (sender-side relay).
    #[serde(default)]
    pub forward: bool,
    /// Deadline of every request that the relay makes.
    #[serde(default = "default_request_timeout", deserialize_with = "seconds")]
    pub request_timeout: Duration,
    /// The bearer token of the admin API; unset turns that API off.
    #[serde(default)]
    pub admin_token: Option<String>,
}

fn default_port() -> u16 {
    8448
}
fn default_max_entries() -> u64 {
    10_000
}
fn default_max_bytes() -> u64 {
    256 << 20
}
fn default_origin_share_percent() -> u64 {
    25
}
fn default_max_bytes_in_all() -> u64 {
    4 << 30
}
/// 50 PDUs and 100 EDUs of 64 KiB each, and room for what is around them.
fn default_max_body() -> usize {
    10 << 20
}
fn default_time_to_live() -> Duration {
    Duration::from_hours(28 * 24)
}
fn default_request_timeout() -> Duration {
    Duration::from_secs(10)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

/// A key whose value no relay can work with.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key} {problem}; {remedy}")]
pub struct ConfigError {
    /// The key in the configuration file.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Config {
    /// Returns the defaults, for `server_name`.
    pub fn new(server_name: OwnedServerName) -> Self {
        Self {
            server_name,
            port: default_port(),
            max_entries_per_destination: default_max_entries(),
            max_bytes_per_destination: default_max_bytes(),
            origin_share_percent: default_origin_share_percent(),
            max_bytes_in_all: default_max_bytes_in_all(),
            max_body_bytes: default_max_body(),
            time_to_live: default_time_to_live(),
            destinations: Vec::new(),
            forward: false,
            request_timeout: default_request_timeout(),
            admin_token: None,
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let whole = [
            ("max_entries_per_destination", self.max_entries_per_destination),
            ("max_bytes_per_destination", self.max_bytes_per_destination),
            ("origin_share_percent", self.origin_share_percent),
            ("max_bytes_in_all", self.max_bytes_in_all),
            ("max_body_bytes", u64::try_from(self.max_body_bytes).unwrap_or(u64::MAX)),
            ("time_to_live", u64::try_from(self.time_to_live.as_millis()).unwrap_or(u64::MAX)),
            (
                "request_timeout",
                u64::try_from(self.request_timeout.as_millis()).unwrap_or(u64::MAX),
            ),
        ];
        for (key, value) in whole {
            if value == 0 {
                let remedy = "leave the key out for the default, or set at least 1";
                return Err(ConfigError { key, problem: "is 0".to_owned(), remedy });
            }
            if i64::try_from(value).is_err() {
                let problem = format!("is {value}, which is more than the database can count");
                return Err(ConfigError { key, problem, remedy: "set a smaller number" });
            }
        }
        if self.origin_share_percent > 100 {
            return Err(ConfigError {
                key: "origin_share_percent",
                problem: format!("is {}, which is more than the whole", self.origin_share_percent),
                remedy: "set a number from 1 to 100",
            });
        }
        if self.admin_token.as_ref().is_some_and(|token| token.trim().is_empty()) {
            return Err(ConfigError {
                key: "admin_token",
                problem: "is empty, so that anybody could guess it".to_owned(),
                remedy: "set a long random text, or leave the key out to turn the admin API off",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_is_enough() {
        let config: Config = toml::from_str("server_name = 'r.test'").unwrap();
        assert_eq!(config.port, 8448);
        config.check().unwrap();
    }

    #[test]
    fn durations_are_seconds() {
        let config: Config = toml::from_str("server_name = 'r'\ntime_to_live = 90").unwrap();
        assert_eq!(config.time_to_live, Duration::from_secs(90));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Config>("server_name = 'r'\nprot = 1").unwrap_err();
        assert!(error.to_string().contains("unknown field `prot`"), "{error}");
    }

    #[test]
    fn a_quota_of_nothing_is_refused_by_its_key() {
        let mut config = Config::new("r".try_into().unwrap());
        config.max_entries_per_destination = 0;
        assert_eq!(config.check().unwrap_err().key, "max_entries_per_destination");
    }

    #[test]
    fn a_share_of_more_than_everything_is_refused() {
        let mut config = Config::new("r".try_into().unwrap());
        config.origin_share_percent = 101;
        assert_eq!(config.check().unwrap_err().key, "origin_share_percent");
    }

    #[test]
    fn an_empty_admin_token_is_refused() {
        let mut config = Config::new("r".try_into().unwrap());
        config.admin_token = Some(String::new());
        assert_eq!(config.check().unwrap_err().key, "admin_token");
    }
}
