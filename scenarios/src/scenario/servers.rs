//! The homeservers and the relays of a scenario, and what is set of each.

use std::time::Duration;

use settings::{Choices, HOMESERVER, RELAY, Setting, Settings};

/// One homeserver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Its own relays: where others leave its mail, and where it asks for it.
    pub relays: Vec<String>,
    /// Whether the other homeservers learn them from what it publishes with its keys, and are not told of
    /// them.
    pub relays_learned: bool,
    /// What is set of it, by the keys of its configuration.
    pub settings: Choices,
}

/// One relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// What is set of it, by the keys of its configuration.
    pub settings: Choices,
}

impl Backend {
    /// Sets an amount: a number, milliseconds, bytes, or 1 for true. Panics if a homeserver has no
    /// such setting.
    #[must_use]
    pub fn with(mut self, key: &str, amount: u64) -> Self {
        self.settings.set(known(&HOMESERVER, key), amount);
        self
    }

    /// Returns an amount, whether it was set or not. Panics if a homeserver has no such setting.
    pub fn amount(&self, key: &str) -> u64 {
        amount(&HOMESERVER, &self.settings, key)
    }

    /// Returns whether what it leaves at relays can be sealed: nobody else knows what is in it then.
    pub fn seals_mail(&self) -> bool {
        self.amount("seal_mail") != 0
    }

    /// Returns a duration, whether it was set or not. Panics if a homeserver has no such setting.
    pub fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(self.amount(key))
    }
}

impl Relay {
    /// Sets an amount: a number, milliseconds, bytes, or 1 for true. Panics if a relay has no such
    /// setting.
    #[must_use]
    pub fn with(mut self, key: &str, amount: u64) -> Self {
        self.settings.set(known(&RELAY, key), amount);
        self
    }

    /// Returns an amount, whether it was set or not. Panics if a relay has no such setting.
    pub fn amount(&self, key: &str) -> u64 {
        amount(&RELAY, &self.settings, key)
    }

    /// Returns a duration, whether it was set or not. Panics if a relay has no such setting.
    pub fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(self.amount(key))
    }

    /// Returns whether it also keeps trying to forward what it has to the destination (a sender-side
    /// relay).
    pub fn forwards(&self) -> bool {
        self.amount("forward") != 0
    }
}

fn known(settings: &Settings, key: &str) -> &'static Setting {
    settings.find(key).unwrap_or_else(|| panic!("there is no setting `{key}`"))
}

fn amount(settings: &Settings, chosen: &Choices, key: &str) -> u64 {
    let default = || known(settings, key).simulated_amount();
    chosen.amount(key).unwrap_or_else(default)
}
