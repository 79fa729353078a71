//! Fewer machines, users and rooms, and each of them as plain as it goes.

use scenarios::{
    Scenario,
    scenario::{Backend, Conversation, Latency, Reads, Relay},
};
use settings::Choices;

use super::Search;

/// The plainest latency.
const LATENCY: std::time::Duration = std::time::Duration::from_millis(5);

/// Leaves out what can go, one at a time. What a fault or an operation still names cannot: the
/// scenario would not be valid.
pub(super) fn fewer(search: &mut Search<'_>) {
    for name in keys(&search.best.conversations) {
        search.tries(|scenario| {
            scenario.ops.retain(|op| op.kind.conversation() != Some(&*name));
            scenario.conversations.remove(&name);
        });
    }
    for name in keys(&search.best.users) {
        search.tries(|scenario| without_user(scenario, &name));
        search.tries(|scenario| {
            if let Some(user) = scenario.users.get_mut(&name) {
                user.devices = 1;
            }
        });
        search.tries(|scenario| {
            if let Some(user) = scenario.users.get_mut(&name) {
                user.reads = Reads::Sync;
            }
        });
    }
    for name in keys(&search.best.relays) {
        search.tries(|scenario| without_relay(scenario, &name));
        search.tries(|scenario| {
            scenario.relays.insert(name.clone(), Relay::default());
        });
        for key in settings_of(search.best.relays.get(&name).map(|relay| &relay.settings)) {
            search.tries(|scenario| {
                if let Some(relay) = scenario.relays.get_mut(&name) {
                    relay.settings.forget(key);
                }
            });
        }
    }
    for name in keys(&search.best.backends) {
        search.tries(|scenario| without_backend(scenario, &name));
        search.tries(|scenario| {
            scenario.backends.insert(name.clone(), Backend::default());
        });
        for key in settings_of(search.best.backends.get(&name).map(|backend| &backend.settings)) {
            search.tries(|scenario| {
                if let Some(backend) = scenario.backends.get_mut(&name) {
                    backend.settings.forget(key);
                }
            });
        }
    }
    search.tries(|scenario| scenario.network.loss = 0.0);
    search.tries(|scenario| scenario.network.latency = Latency::Fixed(LATENCY));
    search.tries(|scenario| scenario.seed = 1);
}

/// Returns the keys of what is set of a server.
fn settings_of(chosen: Option<&Choices>) -> Vec<&'static str> {
    chosen.into_iter().flatten().map(|(key, _)| *key).collect()
}

fn keys<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<String> {
    map.keys().cloned().collect()
}

/// Takes a user out of every room, and with the last user of a backend the backend, too.
fn without_user(scenario: &mut Scenario, user: &str) {
    let home = scenario.users.remove(user).map(|user| user.backend);
    for Conversation { members, .. } in scenario.conversations.values_mut() {
        members.retain(|member| member != user);
    }
    scenario.ops.retain(|op| !op.kind.is_about(user));
    if let Some(home) = home
        && !scenario.users.values().any(|user| user.backend == home)
    {
        without_backend(scenario, &home);
    }
}

fn without_backend(scenario: &mut Scenario, backend: &str) {
    scenario.backends.remove(backend);
    scenario.expect.messages.clear();
}

fn without_relay(scenario: &mut Scenario, relay: &str) {
    scenario.relays.remove(relay);
    for backend in scenario.backends.values_mut() {
        backend.relays.retain(|known| known != relay);
    }
}
