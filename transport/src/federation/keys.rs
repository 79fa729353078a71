//! Own and remote server keys.

mod document;
mod fetches;
pub(super) mod store;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{FromRef, Path, State},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use ruma::{
    OwnedServerName, ServerName,
    signatures::{PublicKeyMap, PublicKeySet},
};
use tokio::sync::Semaphore;

pub use self::document::MAX_VALIDITY_MS;
use self::{
    document::KnownKeys,
    fetches::{Fetches, Question, UnderWay},
};
use crate::{
    Lock,
    federation::{Identity, address_of, json_answer},
    host::{Database, DatabaseError, Host},
    http::{Client, Peer},
};

/// Servers whose keys are kept in memory; the one unused longest makes room (its keys stay in the
/// database).
const MAX_CACHED_SERVERS: usize = 4096;

/// Stored documents after which it is looked whether too many keys are stored.
const SAVES_BETWEEN_TRIMS: u64 = 1000;

/// Time for a server to answer with its keys.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);

/// Fetches under way at once, whoever's claims ask for them; any more wait.
const MAX_FETCHES: usize = 256;

const KEY_PATH: &str = "/_matrix/key/v2/server";

/// The same, as it was asked for one key by its id.
const ONE_KEY_PATH: &str = "/_matrix/key/v2/server/{key_id}";

/// What other servers ask of one that vouches for keys.
const QUERY_PATH: &str = "/_matrix/key/v2/query";
const QUERY_ONE_PATH: &str = "/_matrix/key/v2/query/{server_name}";

/// What a server is asked to vouch for: keys by server.
#[derive(serde::Deserialize)]
struct NotaryQuery {
    server_keys: BTreeMap<String, serde_json::Value>,
}

/// Why a server's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The server did not answer, or answered with something that is not its signed keys, or was
    /// asked too recently to be asked again. Try again later.
    #[error("failed to fetch the keys of {server}: {reason}")]
    Unavailable {
        /// Whose keys.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Public keys of servers, cached in memory and in the node's database. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    fields: Arc<KeyRingFields>,
}

struct KeyRingFields {
    host: Host,
    database: Database,
    http: Client,
    identity: Identity,
    own: Arc<PublicKeyMap>,
    cache: Lock<Cache>,
    /// Documents that were stored since this process began.
    saves: AtomicU64,
    fetches: Semaphore,
    under_way: UnderWay,
}

#[derive(Default)]
struct Cache {
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
struct RemoteServer {
    known: Lock<Known>,
    /// Held while its keys are read from the database or fetched, so that many requests of one
    /// server make one fetch.
    fetching: tokio::sync::Mutex<Fetches>,
}

#[derive(Default)]
struct Known {
    keys: KnownKeys,
    /// All of `keys`, as the verifier takes them.
    all: Arc<PublicKeyMap>,
    /// The last moment at which all of them are valid.
    all_valid_until_ms: u64,
}

/// For whom another server's keys are asked for.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// For this server's own affairs.
    Own,
    /// For a claim that an address makes. So many at once are looked into.
    Claim(&'a Peer),
    /// For an event that a server has brought, which is known by its own keys.
    Bringer(&'a Peer),
}

impl KeyRing {
    /// Returns the ring kept in `database` (its tables are made here), fetching through `http`.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn open(
        host: &Host,
        database: &Database,
        http: Client,
        identity: Identity,
    ) -> Result<Self, DatabaseError> {
        store::install(database).await?;
        let own_key = identity.public_key();
        let old = identity.old_keys.iter().map(|(id, (key, _))| (id.clone(), key.clone()));
        let mut keys: PublicKeySet = old.collect();
        keys.insert(identity.key_id(), own_key);
        let own = PublicKeyMap::from([(identity.server_name.to_string(), keys)]);
        Ok(Self {
            fields: Arc::new(KeyRingFields {
                host: host.clone(),
                database: database.clone(),
                http,
                identity,
                own: Arc::new(own),
                cache: Lock::default(),
                saves: AtomicU64::new(0),
                fetches: Semaphore::new(MAX_FETCHES),
                under_way: UnderWay::default(),
            }),
        })
    }

    /// Returns the keys of `server` that were valid at `at_ms` (milliseconds since the epoch), for
    /// verifying events made then: cached ones if they are known to have been valid, freshly
    /// fetched ones otherwise. For a request, `at_ms` is now. Without the key `key_id`, if that is
    /// not among them even after a fetch.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn keys_of(
        &self,
        server: &ServerName,
        key_id: Option<&str>,
        at_ms: u64,
    ) -> Result<PublicKeyMap, KeyError> {
        self.shared_keys_of(server, key_id, at_ms, Asker::Own).await.map(Arc::unwrap_or_clone)
    }

    /// Like [`KeyRing::keys_of`], for an event that the server `bringer` has brought: keys that it makes up
    /// keep nobody from asking for those that others name.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn keys_brought(
        &self,
        server: &ServerName,
        key_id: Option<&str>,
        at_ms: u64,
        bringer: &ServerName,
    ) -> Result<PublicKeyMap, KeyError> {
        // No address is called so.
        let bringer = Peer::of(&format!("server {bringer}"));
        let keys = self.shared_keys_of(server, key_id, at_ms, Asker::Bringer(&bringer)).await;
        keys.map(Arc::unwrap_or_clone)
    }

    /// Like [`KeyRing::keys_of`], but without a copy when all keys of the server are valid, and for
    /// somebody.
    pub(super) async fn shared_keys_of(
        &self,
        server: &ServerName,
        key_id: Option<&str>,
        at_ms: u64,
        asker: Asker<'_>,
    ) -> Result<Arc<PublicKeyMap>, KeyError> {
        if server == self.fields.identity.server_name {
            return Ok(Arc::clone(&self.fields.own));
        }
        let remote = self.remote(server);
        if let Some(keys) = remote.valid(server, key_id, at_ms) {
            return Ok(keys);
        }
        let mut fetches = remote.fetching.lock().await;
        if !fetches.loaded {
            let keys = store::load(&self.fields.database, server.to_string()).await?;
            remote.learn(server, keys);
            fetches.loaded = true;
        }
        if let Some(keys) = remote.valid(server, key_id, at_ms) {
            return Ok(keys);
        }
        // No key is believed for that long, whatever its server says now.
        let knows = |key_id: &str| remote.known().keys.contains_key(key_id);
        if document::is_beyond_belief(at_ms, self.now_ms()) && key_id.is_some_and(knows) {
            return Ok(remote.known().valid_at(server, at_ms));
        }
        let unavailable =
            |reason| Err(KeyError::Unavailable { server: server.to_string(), reason });
        let peer = match asker {
            Asker::Own => None,
            Asker::Claim(peer) | Asker::Bringer(peer) => Some(peer.clone()),
        };
        let question = Question { key_id: key_id.map(str::to_owned), peer };
        if let Some(reason) = fetches.objection(&question) {
            return unavailable(reason);
        }
        // Whoever is refused here says nothing of the server.
        let claims = if let Asker::Claim(peer) = asker { Some(peer) } else { None };
        let Some(_fetching) = self.fields.under_way.begin(claims) else {
            return unavailable("too many servers are asked for this address".to_owned());
        };
        let fetched = match self.fetch(server).await {
            Ok(published) => {
                let saves = self.fields.saves.fetch_add(1, Ordering::Relaxed) + 1;
                let trims = saves.is_multiple_of(SAVES_BETWEEN_TRIMS);
                let (database, name) = (&self.fields.database, server.to_string());
                let saved = store::save(database, name, published.clone(), self.now_ms(), trims);
                let keys = saved.await.unwrap_or_else(|error| {
                    // Whoever may empty a full disk must be known by the key that they sign with.
                    tracing::warn!(%server, %error, "keys of a server are kept in memory alone");
                    let mut keys = remote.known().keys.clone();
                    keys.extend(published);
                    while keys.len() > crate::federation::MAX_KEYS
                        && let Some(soonest) = keys.iter().min_by_key(|(_, key)| key.valid_until_ms)
                    {
                        let soonest = soonest.0.clone();
                        keys.remove(&soonest);
                    }
                    keys
                });
                remote.learn(server, keys);
                Ok(())
            }
            Err(reason) => Err(reason),
        };
        fetches.asked(question, fetched.clone().err());
        match fetched {
            Ok(()) => Ok(remote.known().valid_at(server, at_ms)),
            Err(reason) => unavailable(reason),
        }
    }

    async fn fetch(&self, server: &ServerName) -> Result<KnownKeys, String> {
        let _permit = self.fields.fetches.acquire().await.map_err(|e| e.to_string())?;
        let request = Request::get(KEY_PATH).body(Bytes::new()).map_err(|e| e.to_string())?;
        let answer = self
            .fields
            .http
            .send_at_most(&address_of(server), request, FETCH_DEADLINE, document::MAX_DOCUMENT)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        document::read(server, answer.body(), self.fields.host.unix_ms())
    }

    fn remote(&self, server: &ServerName) -> Arc<RemoteServer> {
        let mut cache = self.fields.cache.lock();
        cache.lookups += 1;
        let last_lookup = cache.lookups;
        if let Some(entry) = cache.servers.get_mut(server) {
            entry.last_lookup = last_lookup;
            return Arc::clone(&entry.server);
        }
        if cache.servers.len() >= MAX_CACHED_SERVERS {
            cache.forget_oldest();
        }
        let remote = Arc::<RemoteServer>::default();
        let entry = Entry { server: Arc::clone(&remote), last_lookup };
        cache.servers.insert(server.to_owned(), entry);
        remote
    }

    /// Returns milliseconds since the epoch on this machine's wall clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.fields.host.unix_ms()
    }

    /// Returns the body of `GET /_matrix/key/v2/server`: this server's keys, signed by them.
    pub fn own_keys(&self) -> serde_json::Value {
        document::own(&self.fields.identity, self.fields.host.unix_ms())
    }

    /// Returns what this server vouches for of the keys of these servers: its own, and no others'.
    fn vouched<'a>(&self, servers: impl IntoIterator<Item = &'a str>) -> serde_json::Value {
        let own = self.fields.identity.server_name.as_str();
        let asked = servers.into_iter().any(|server| server == own);
        let keys: Vec<_> = asked.then(|| self.own_keys()).into_iter().collect();
        serde_json::json!({ "server_keys": keys })
    }

    /// Returns the routes of `/_matrix/key/v2/server` and `/_matrix/key/v2/query`, for a router whose
    /// state holds a key ring.
    pub fn routes<S>() -> Router<S>
    where
        Self: FromRef<S>,
        S: Clone + Send + Sync + 'static,
    {
        let answer = async |State(ring): State<Self>| json_answer(&ring.own_keys());
        let query = async |State(ring): State<Self>, Json(query): Json<NotaryQuery>| {
            json_answer(&ring.vouched(query.server_keys.keys().map(String::as_str)))
        };
        let query_one = async |State(ring): State<Self>, Path(server): Path<String>| {
            json_answer(&ring.vouched([server.as_str()]))
        };
        Router::new()
            .route(KEY_PATH, get(answer))
            .route(ONE_KEY_PATH, get(answer))
            .route(QUERY_PATH, post(query))
            .route(QUERY_ONE_PATH, get(query_one))
    }
}

impl Cache {
    fn forget_oldest(&mut self) {
        let oldest = self.servers.iter().min_by_key(|(_, entry)| entry.last_lookup);
        if let Some(server) = oldest.map(|(server, _)| server.clone()) {
            self.servers.remove(&server);
        }
    }
}

impl RemoteServer {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    fn learn(&self, server: &ServerName, keys: KnownKeys) {
        *self.known() = Known::new(server, keys);
    }

    /// Returns the keys valid at `at_ms`, if `key_id` is one of them (if any is, without a
    /// `key_id`).
    fn valid(
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

    fn valid_at(&self, server: &ServerName, at_ms: u64) -> Arc<PublicKeyMap> {
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

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("of", &self.fields.identity.server_name)
            .finish_non_exhaustive()
    }
}
