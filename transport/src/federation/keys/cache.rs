//! The keys of other servers that are kept in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard},
};

use ruma::{OwnedServerName, ServerName, signatures::PublicKeyMap};

use super::{document::KnownKeys, fetches::Fetches};
use crate::Lock;

/// Servers whose keys are kept in memory; the one unused longest makes room (its keys stay in the
/// database).
const MAX_CACHED_SERVERS: usize = 4096;

#[derive(Default)]
pub(super) struct Cache {
    servers: BTreeMap<OwnedServerName, Entry>,
    /// Counts look-ups, to find the server unused longest.
    lookups: u64,
}

struct Entry {
    server: Arc<RemoteServer>,
    last_lookup: u64,
}

/// What is known of one other server.
#[derive(Default)]
pub(super) struct RemoteServer {
    known: Lock<Known>,
    /// Held while its keys are read from the database or fetched, so that many requests of one
    /// server make one fetch.
    pub(super) fetching: tokio::sync::Mutex<Fetches>,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) keys: KnownKeys,
    /// All of `keys`, as the verifier takes them.
    all: Arc<PublicKeyMap>,
    /// The last moment at which all of them are valid.
    all_valid_until_ms: u64,
}

impl Cache {
    /// Returns what is known of `server`, which is in memory from now on.
    pub(super) fn server(&mut self, server: &ServerName) -> Arc<RemoteServer> {
        self.lookups += 1;
        if let Some(entry) = self.servers.get_mut(server) {
            entry.last_lookup = self.lookups;
            return Arc::clone(&entry.server);
        }
        if self.servers.len() >= MAX_CACHED_SERVERS {
            self.forget_oldest();
        }
        let remote = Arc::<RemoteServer>::default();
        let entry = Entry { server: Arc::clone(&remote), last_lookup: self.lookups };
        self.servers.insert(server.to_owned(), entry);
        remote
    }

    fn forget_oldest(&mut self) {
        let oldest = self.servers.iter().min_by_key(|(_, entry)| entry.last_lookup);
        if let Some(server) = oldest.map(|(server, _)| server.clone()) {
            self.servers.remove(&server);
        }
    }
}

impl RemoteServer {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    pub(super) fn learn(&self, server: &ServerName, keys: KnownKeys) {
        *self.known() = Known::new(server, keys);
    }

    /// Returns the keys valid at `at_ms`, if `key_id` is one of them (if any is, without a
    /// `key_id`).
    pub(super) fn valid(
        &self,
        server: &ServerName,
        key_id: Option<&str>,
        at_ms: u64,
    ) -> Option<Arc<PublicKeyMap>> {
        let known = self.known();
        let found = match key_id {
            Some(key_id) => known.keys.get(key_id).is_some_and(|key| at_ms <= key.valid_until_ms),
            None => known.keys.values().any(|key| at_ms <= key.valid_until_ms),
        };
        found.then(|| known.valid_at(server, at_ms))
    }
}

impl Known {
    fn new(server: &ServerName, keys: KnownKeys) -> Self {
        let all_valid_until_ms = keys.values().map(|key| key.valid_until_ms).min().unwrap_or(0);
        let all = Arc::new(public_keys(server, &keys, 0));
        Self { keys, all, all_valid_until_ms }
    }

    pub(super) fn valid_at(&self, server: &ServerName, at_ms: u64) -> Arc<PublicKeyMap> {
        if at_ms <= self.all_valid_until_ms {
            return Arc::clone(&self.all);
        }
        Arc::new(public_keys(server, &self.keys, at_ms))
    }
}

fn public_keys(server: &ServerName, keys: &KnownKeys, at_ms: u64) -> PublicKeyMap {
    let valid = keys
        .iter()
        .filter(|(_, key)| at_ms <= key.valid_until_ms)
        .map(|(key_id, key)| (key_id.clone(), key.public_key.clone()))
        .collect();
    PublicKeyMap::from([(server.to_string(), valid)])
}
