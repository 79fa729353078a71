//! Own and remote server keys, and what servers publish with them.

mod cache;
mod document;
mod fetches;
pub(super) mod store;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
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
    ServerName,
    signatures::{PublicKeyMap, PublicKeySet},
};
use tokio::sync::Semaphore;

pub use self::document::MAX_VALIDITY_MS;
use self::{
    cache::{Cache, RemoteServer},
    document::Published,
    fetches::{Question, UnderWay},
};
use crate::{
    Lock,
    federation::{Contact, Identity, address_of, json_answer},
    host::{Database, DatabaseError, Host},
    http::{Client, Peer},
};

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
    own_contact: Lock<Contact>,
    cache: Lock<Cache>,
    /// Documents that were stored since this process began.
    saves: AtomicU64,
    fetches: Semaphore,
    under_way: UnderWay,
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
                own_contact: Lock::default(),
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
        // Whatever its server says now.
        if key_id.is_some_and(|key_id| self.not_believed_yet(server, key_id, at_ms).is_some()) {
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
        let fetched = self.fetch_and_learn(server, &remote).await;
        fetches.asked(question, fetched.clone().err());
        match fetched {
            Ok(()) => Ok(remote.known().valid_at(server, at_ms)),
            Err(reason) => unavailable(reason),
        }
    }

    /// Returns all known keys of `server` if `key_id` is one of them, and `at_ms` (milliseconds since the
    /// epoch) is so far ahead of this machine's clock that no key is believed to be valid then.
    pub fn not_believed_yet(
        &self,
        server: &ServerName,
        key_id: &str,
        at_ms: u64,
    ) -> Option<PublicKeyMap> {
        if !document::is_beyond_belief(at_ms, self.now_ms()) {
            return None;
        }
        let remote = self.remote(server);
        let known = remote.known();
        let all = known.keys.contains_key(key_id).then(|| known.valid_at(server, 0));
        all.map(Arc::unwrap_or_clone)
    }

    /// Asks `server` what it publishes now, whatever is known of it: its keys may be valid for days yet,
    /// and its contact another one.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn refresh(&self, server: &ServerName) -> Result<(), KeyError> {
        let remote = self.remote(server);
        let _alone = remote.fetching.lock().await;
        let unavailable = |reason| KeyError::Unavailable { server: server.to_string(), reason };
        self.fetch_and_learn(server, &remote).await.map_err(unavailable)
    }

    /// Returns what `server` published of how mail reaches it when its keys were fetched last.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn contact_of(&self, server: &ServerName) -> Result<Contact, DatabaseError> {
        let name = server.to_string();
        self.fields.database.call(move |db| Ok(store::read_contact(db, &name)?)).await
    }

    /// Returns how long ago `server` was asked what it publishes, on this machine's wall clock; `None` if it
    /// was not.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn contact_age_of(
        &self,
        server: &ServerName,
    ) -> Result<Option<Duration>, DatabaseError> {
        let (name, now) = (server.to_string(), self.now_ms());
        let learned = self
            .fields
            .database
            .call(move |db| store::contact_learned(db, &name).map_err(DatabaseError::from));
        let learned = learned.await?;
        Ok(learned.map(|learned| Duration::from_millis(now.saturating_sub(learned))))
    }

    /// Publishes how mail reaches this server, from now on.
    pub fn publish(&self, contact: Contact) {
        *self.fields.own_contact.lock() = contact;
    }

    /// Fetches what `server` publishes, and keeps it. Call this while no other fetch of it is under way.
    async fn fetch_and_learn(
        &self,
        server: &ServerName,
        remote: &RemoteServer,
    ) -> Result<(), String> {
        let published = self.fetch(server).await?;
        let saves = self.fields.saves.fetch_add(1, Ordering::Relaxed) + 1;
        let trims = saves.is_multiple_of(SAVES_BETWEEN_TRIMS);
        let (database, name) = (&self.fields.database, server.to_string());
        let saved = store::save(database, name, published.clone(), self.now_ms(), trims);
        let keys = saved.await.unwrap_or_else(|error| {
            // Whoever may empty a full disk must be known by the key that they sign with.
            tracing::warn!(%server, %error, "keys of a server are kept in memory alone");
            let mut keys = remote.known().keys.clone();
            keys.extend(published.keys);
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

    async fn fetch(&self, server: &ServerName) -> Result<Published, String> {
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
        self.fields.cache.lock().server(server)
    }

    /// Returns milliseconds since the epoch on this machine's wall clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.fields.host.unix_ms()
    }

    /// Returns the body of `GET /_matrix/key/v2/server`: this server's keys, signed by them.
    pub fn own_keys(&self) -> serde_json::Value {
        let contact = self.fields.own_contact.lock().clone();
        document::own(&self.fields.identity, &contact, self.fields.host.unix_ms())
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

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("of", &self.fields.identity.server_name)
            .finish_non_exhaustive()
    }
}
