//! What an operator can set.

use std::{collections::BTreeMap, time::Duration};

use ruma::OwnedServerName;
use serde::{Deserialize, Deserializer};

/// The configuration of one homeserver. In the configuration file durations are milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The server's name, as it stands after the colon of its users' ids.
    pub server_name: OwnedServerName,
    /// The port of the server-server API.
    pub federation_port: u16,
    /// The port of the client-server API.
    pub client_port: u16,
    /// The bearer token of the admin API; unset turns that API off.
    pub admin_token: Option<String>,
    /// Relays per destination, this server's own under its own name. What an admin call has changed
    /// at run time wins.
    pub relays: BTreeMap<OwnedServerName, Vec<OwnedServerName>>,
    /// Failed direct attempts after which a transaction goes to the destination's relays.
    pub attempts_before_relay: u32,
    /// How often this server asks its own relays.
    #[serde(deserialize_with = "ms")]
    pub relay_poll_interval: Duration,
    /// First wait after a failed attempt; doubles from there.
    #[serde(deserialize_with = "ms")]
    pub backoff_first: Duration,
    /// Longest wait between two attempts.
    #[serde(deserialize_with = "ms")]
    pub backoff_max: Duration,
    /// Deadline of every request to another server.
    #[serde(deserialize_with = "ms")]
    pub request_timeout: Duration,
    /// How long the owner of an `m1` room waits for a vote.
    #[serde(deserialize_with = "ms")]
    pub vote_timeout: Duration,
    /// How long a prepared backend waits before it asks the owner for the decision.
    #[serde(deserialize_with = "ms")]
    pub doubt_after: Duration,
    /// How long a device's notifications are kept.
    #[serde(deserialize_with = "ms")]
    pub notification_time_to_live: Duration,
    /// How long the answer to a send is kept for retries, and what `m1` decided about it.
    #[serde(deserialize_with = "ms")]
    pub answer_time_to_live: Duration,
    /// Memory that hashing a password takes, in KiB; guessing one takes as much.
    pub password_memory_kib: u32,
    /// Passes over that memory.
    pub password_passes: u32,
}

/// Range of [`Config::password_memory_kib`]: from what Argon2 needs (RFC 9106, section 3.1) to what
/// every request may take.
const PASSWORD_MEMORY_KIB: std::ops::RangeInclusive<u32> = 8..=1 << 20;

/// Range of [`Config::password_passes`].
const PASSWORD_PASSES: std::ops::RangeInclusive<u32> = 1..=100;

fn ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: OwnedServerName::try_from("localhost").expect("a valid server name"),
            federation_port: 8448,
            client_port: 8008,
            admin_token: None,
            relays: BTreeMap::new(),
            attempts_before_relay: 3,
            relay_poll_interval: Duration::from_secs(30),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_hours(1),
            request_timeout: Duration::from_secs(10),
            vote_timeout: Duration::from_secs(5),
            doubt_after: Duration::from_secs(10),
            // 28 days, as Wire's charts have it.
            notification_time_to_live: Duration::from_hours(28 * 24),
            answer_time_to_live: Duration::from_hours(7 * 24),
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

    /// Reads a configuration file.
    ///
    /// # Errors
    /// What is wrong, at which line and key, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types of the fields do not.
    ///
    /// # Errors
    /// The key, what is wrong with it, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("relay_poll_interval", self.relay_poll_interval),
            ("backoff_first", self.backoff_first),
            ("request_timeout", self.request_timeout),
            ("vote_timeout", self.vote_timeout),
            ("doubt_after", self.doubt_after),
            ("notification_time_to_live", self.notification_time_to_live),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, duration)| duration.is_zero()) {
            return Err(format!("{key} is 0; give it at least 1 (milliseconds)"));
        }
        if self.backoff_max < self.backoff_first {
            return Err("backoff_max is less than backoff_first; raise it".to_owned());
        }
        if self.attempts_before_relay == 0 {
            return Err("attempts_before_relay is 0; give it at least 1".to_owned());
        }
        let costs = [
            ("password_memory_kib", self.password_memory_kib, PASSWORD_MEMORY_KIB),
            ("password_passes", self.password_passes, PASSWORD_PASSES),
        ];
        for (key, cost, range) in costs {
            if !range.contains(&cost) {
                let (least, most) = range.into_inner();
                return Err(format!("{key} is {cost}; give it between {least} and {most}"));
            }
        }
        if self.admin_token.as_ref().is_some_and(String::is_empty) {
            return Err("admin_token is empty; remove it to turn the admin API off".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn mistake_in_the_file_names_line_and_key() {
        let mistake = Config::parse("client_port = 1\nbackof_first = 5\n").unwrap_err();
        assert!(mistake.contains("line 2") && mistake.contains("backof_first"), "{mistake}");
        assert!(mistake.contains("backoff_first"), "{mistake}");
    }

    #[test]
    fn a_password_cost_that_argon2_cannot_have_is_refused() {
        let mistake = Config::parse("password_memory_kib = 7\n").unwrap_err();
        assert_eq!(mistake, "password_memory_kib is 7; give it between 8 and 1048576");
        assert!(Config::parse("password_passes = 0\n").is_err());
        assert!(Config::parse("password_memory_kib = 8\npassword_passes = 1\n").is_ok());
    }

    #[test]
    fn back_off_that_shrinks_is_refused() {
        let mistake = Config::parse("backoff_first = 500\nbackoff_max = 100\n").unwrap_err();
        assert!(mistake.contains("backoff_max"), "{mistake}");
    }
}
