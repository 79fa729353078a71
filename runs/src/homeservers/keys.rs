//! Signing keys that operators give to servers while these are down.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use journal::random::stream;
use rand::Rng;
use transport::{
    BoxFuture, Database, DatabaseError, Host,
    host::{Disk, Secret},
};

/// How many new keys each server was given so far.
pub(crate) struct Keys {
    seed: u64,
    given: Mutex<BTreeMap<String, u64>>,
}

impl Keys {
    /// Returns no keys yet; `seed` decides what they will be.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, given: Mutex::default() }
    }

    /// Gives `server` a new key, which it takes when it starts next.
    pub(crate) fn rotate(&self, server: &str) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        *given.entry(server.to_owned()).or_default() += 1;
    }

    /// Returns the keys of one server.
    pub(super) fn of(self: &Arc<Self>, server: &str) -> KeysOf {
        KeysOf { keys: Arc::clone(self), server: server.to_owned() }
    }

    /// Returns the key that `server` was given last; none while it has the one that it made.
    fn last_of(&self, server: &str) -> Option<Secret> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let number = given.get(server)?;
        let mut key = Secret::default();
        stream(self.seed, &format!("key {number} of {server}")).fill_bytes(&mut key);
        Some(key)
    }
}

/// The keys that one server is given.
pub(super) struct KeysOf {
    keys: Arc<Keys>,
    server: String,
}

impl KeysOf {
    /// Returns `host` with the key that was given last beside its databases, where servers look for it.
    pub(super) fn beside(&self, mut host: Host) -> Host {
        if let Some(key) = self.keys.last_of(&self.server) {
            host.disk = Arc::new(WithKey { disk: host.disk, key });
        }
        host
    }
}

/// What servers call their signing key beside their databases.
const SIGNING: &str = "signing";

/// A disk with a key on it.
struct WithKey {
    disk: Arc<dyn Disk>,
    key: Secret,
}

impl Disk for WithKey {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        self.disk.open(name)
    }

    fn secret(&self, name: &str) -> BoxFuture<'_, io::Result<Option<Secret>>> {
        if name != SIGNING {
            return self.disk.secret(name);
        }
        Box::pin(async { Ok(Some(self.key)) })
    }

    fn keep_reserve(&self, bytes: u64) -> BoxFuture<'_, io::Result<()>> {
        self.disk.keep_reserve(bytes)
    }

    fn release_reserve(&self) -> BoxFuture<'_, io::Result<bool>> {
        self.disk.release_reserve()
    }
}
