//! Which kind of server each backend and relay of a scenario is: the file behind `--servers`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use scenarios::Scenario;
use serde::Deserialize;

use crate::ServerKind;

/// The name of fedsim's own servers among the kinds.
const OWN: &str = "fedsim";

/// The kinds of the servers of a scenario, whatever it is. Without a file, all are fedsim's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Servers {
    /// The kind of every backend that is not named; fedsim's own if unset.
    #[serde(default)]
    default: Option<String>,
    /// Kinds of backends by name.
    #[serde(default)]
    backends: BTreeMap<String, String>,
    /// Kinds of relays by name; fedsim's own for every other one.
    #[serde(default)]
    relays: BTreeMap<String, String>,
    /// Kinds that are defined here, by name.
    #[serde(default)]
    kinds: BTreeMap<String, ServerKind>,
}

impl Servers {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or has a mistake; the error is for people, and may have several lines.
    pub fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        Self::parse(&text).map_err(|mistake| format!("{shown}: {mistake}"))
    }

    /// Reads what is in such a file.
    ///
    /// # Errors
    /// It has a mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        let servers: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, kind) in &servers.kinds {
            kind.check().map_err(|mistake| format!("the kind `{name}`: {mistake}"))?;
        }
        let named = servers.backends.values().chain(servers.relays.values());
        for name in named.chain(&servers.default) {
            if servers.kind(name, ServerKind::homeserver).is_none() {
                let mut known: BTreeSet<&str> = servers.kinds.keys().map(String::as_str).collect();
                known.extend([OWN, "synapse"]);
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(format!("no kind is called `{name}`; there are {known}"));
            }
        }
        Ok(servers)
    }

    /// Returns the kind of a backend.
    pub fn backend(&self, name: &str) -> ServerKind {
        let kind = self.backends.get(name).or(self.default.as_ref());
        self.known(kind, ServerKind::homeserver)
    }

    /// Returns the kind of a relay.
    pub fn relay(&self, name: &str) -> ServerKind {
        self.known(self.relays.get(name), ServerKind::relay)
    }

    /// Returns the kind of every server of a scenario, by machine.
    pub(crate) fn of(&self, scenario: &Scenario) -> BTreeMap<String, ServerKind> {
        let backends = scenario.backends.keys().map(|name| (name.clone(), self.backend(name)));
        let relays = scenario.relays.keys().map(|name| (name.clone(), self.relay(name)));
        backends.chain(relays).collect()
    }

    fn known(&self, name: Option<&String>, own: fn() -> ServerKind) -> ServerKind {
        let kind = name.and_then(|name| self.kind(name, own));
        kind.unwrap_or_else(own)
    }

    fn kind(&self, name: &str, own: fn() -> ServerKind) -> Option<ServerKind> {
        match name {
            OWN => Some(own()),
            "synapse" => Some(ServerKind::synapse()),
            name => self.kinds.get(name).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Servers;
    use crate::ServerKind;

    #[test]
    fn a_backend_is_what_it_is_named_or_else_the_default() {
        let servers = Servers::parse("default = 'synapse'\n[backends]\nb = 'fedsim'").unwrap();
        assert_eq!(servers.backend("a"), ServerKind::synapse());
        assert_eq!(servers.backend("b"), ServerKind::homeserver());
        assert_eq!(servers.relay("r1"), ServerKind::relay());
    }

    #[test]
    fn a_kind_that_nobody_defines_is_refused_and_those_there_are_are_named() {
        let mistake = Servers::parse("default = 'dendrite'").unwrap_err();
        assert_eq!(mistake, "no kind is called `dendrite`; there are fedsim, synapse");
    }
}
