//! Kinds of servers: how a program is configured and started, when it is ready, and what it lacks.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

/// A kind of server, as a TOML file says it. In every text, `${name}` and the other placeholders
/// (`PLACEHOLDERS`) stand for what differs from machine to machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerKind {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What is run to its end before each start on an empty data folder.
    #[serde(default)]
    pub prepare: Vec<Vec<String>>,
    /// Variables of its environment, besides `PATH`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files that are written into its folder, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The path that it answers with 200, on `ready-port`, once it is ready.
    pub ready: String,
    /// The port on which it is asked whether it is ready; that of the client API if unset.
    #[serde(default = "client_port")]
    pub ready_port: u16,
    /// The seconds within which it must be ready.
    #[serde(default = "ready_within")]
    pub ready_within: u64,
    /// Whether its server-server API speaks TLS.
    #[serde(default)]
    pub tls: bool,
    /// Whether it asks `https://NAME/.well-known/matrix/server`, port 443, for the port of another
    /// server.
    #[serde(default)]
    pub well_known: bool,
    /// What it does not have.
    #[serde(default)]
    pub lacks: Vec<Feature>,
}

/// What a server may lack; a scenario that needs it cannot be played on that server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The delivery policies `m1` and `m1-2021`.
    M1,
    /// `/notifications` and `/await`.
    Notifications,
    /// Leaving mail at relays, and asking them for it.
    Relays,
}

/// The port of every server's client API.
pub(crate) const CLIENT_PORT: u16 = runs::homeservers::CLIENT_PORT;

/// The port of every server's server-server API.
pub(crate) const FEDERATION_PORT: u16 = runs::homeservers::FEDERATION_PORT;

/// What placeholders can stand for.
pub(crate) const PLACEHOLDERS: [&str; 14] = [
    "name",
    "address",
    "federation-port",
    "client-port",
    "folder",
    "data",
    "certificate",
    "private-key",
    "authorities",
    "admin-token",
    "programs",
    "home",
    "relays",
    "settings",
];

fn client_port() -> u16 {
    CLIENT_PORT
}

fn ready_within() -> u64 {
    60
}

const HOMESERVER: &str = include_str!("../kinds/homeserver.toml");
const RELAY: &str = include_str!("../kinds/relay.toml");
const SYNAPSE: &str = include_str!("../kinds/synapse.toml");

impl ServerKind {
    /// Reads a kind from its TOML.
    ///
    /// # Errors
    /// It is not one; the error is for people, and may have several lines.
    pub fn parse(text: &str) -> Result<Self, String> {
        let kind: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        kind.check()?;
        Ok(kind)
    }

    /// Says whether its texts can be filled in.
    ///
    /// # Errors
    /// There is no command, or a placeholder that nothing stands for.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.command.is_empty() {
            return Err("`command` is empty: name the program".to_owned());
        }
        let known: BTreeMap<&str, String> =
            PLACEHOLDERS.iter().map(|name| (*name, String::new())).collect();
        let texts = self.command.iter().chain(self.prepare.iter().flatten());
        let mut texts = texts.chain(self.env.values()).chain(self.files.values());
        texts.try_for_each(|text| filled(text, &known).map(drop))
    }

    /// Returns fedsim's own homeserver.
    pub fn homeserver() -> Self {
        built_in(HOMESERVER)
    }

    /// Returns fedsim's own relay.
    pub fn relay() -> Self {
        built_in(RELAY)
    }

    /// Returns Synapse, as Python's package index has it.
    pub fn synapse() -> Self {
        built_in(SYNAPSE)
    }

    /// Returns how long it may take until it is ready.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.ready_within)
    }

    /// Returns whether its files have a place for what a scenario sets of it.
    pub(crate) fn takes_settings(&self) -> bool {
        self.files.values().any(|text| text.contains("${settings}"))
    }

    /// Returns whether it has something.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        !self.lacks.contains(&feature)
    }
}

fn built_in(text: &str) -> ServerKind {
    ServerKind::parse(text).expect("a kind that is built in has no mistake")
}

/// Returns `text` with what its placeholders stand for.
///
/// # Errors
/// Nothing stands for one of them.
pub(crate) fn filled(text: &str, values: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or("`${` without `}`")?;
        let value = values.get(name).ok_or_else(|| {
            let known: Vec<&str> = values.keys().copied().collect();
            format!("nothing is called `${{{name}}}`; there are {}", known.join(", "))
        })?;
        whole.push_str(value);
        whole.push_str(rest);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::ServerKind;

    #[test]
    fn the_kinds_that_are_built_in_have_no_mistake() {
        assert!(!ServerKind::homeserver().tls || !ServerKind::relay().command.is_empty());
        assert!(ServerKind::synapse().well_known);
    }

    #[test]
    fn a_placeholder_that_nothing_stands_for_is_named() {
        let mistake = ServerKind::parse("command = ['x', '${nmae}']\nready = '/'").unwrap_err();
        assert!(mistake.contains("`${nmae}`") && mistake.contains("name"), "{mistake}");
    }
}
