//! This server's name, its ed25519 signing key, and the key that mail for it is sealed to.

mod old_keys;

use std::{
    fmt::Write,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ruma::{OwnedServerName, ServerName, serde::Base64, signatures::Ed25519KeyPair};
use rusqlite::OptionalExtension;

pub use self::old_keys::{MAX_KEYS, OldKeys};
use crate::{
    database::migrate,
    federation::SealingKey,
    host::{Database, DatabaseError, Host, Transaction},
};

/// Bytes of an ed25519 seed (RFC 8032, section 5.1.5).
pub const SEED_BYTES: usize = 32;

/// What precedes the seed in a PKCS#8 document of an ed25519 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Bytes of the public key that its version is made of. Two keys of one server then have two
/// versions, even if the first was lost with its database.
const VERSION_BYTES: usize = 4;

/// What the key is called on a machine's disk, beside the database.
const SECRET: &str = "signing";

/// What the seed of the sealing key is called there. Only a server whose signing key was replaced has it:
/// until then it is derived from that key's, should the database be lost.
const SEALING_SECRET: &str = "sealing";

/// What a sealing key's seed is derived from a signing key's for.
const SEALING: &str = "org.fedsim sealing key";

const SCHEMA: &[&str] = &[
    "CREATE TABLE own_key (
    server_name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    seed BLOB NOT NULL
) STRICT",
    // Keys that signed for this server once. What they signed until then counts.
    "CREATE TABLE own_old_keys (
    version TEXT PRIMARY KEY,
    public_key BLOB NOT NULL,
    expired_ms INTEGER NOT NULL
) STRICT",
    // What the sealing key is made of, whatever becomes of the signing key.
    "CREATE TABLE own_sealing_key (
    seed BLOB NOT NULL
) STRICT",
];

/// What a server does in the transaction in which its identity is opened.
pub struct Opening {
    /// Returns the latest moment, in milliseconds since the epoch, that this server has signed something
    /// for, as its database tells: what its clock said then may be later than what it says now.
    pub last_signed: fn(&Transaction<'_>, &ServerName) -> Result<u64, DatabaseError>,
    /// Records what is to be known as of this start: the first time, that costs no further commit.
    pub record: Record,
}

/// What records something.
pub type Record = Box<dyn FnOnce(&Transaction<'_>) -> Result<(), DatabaseError> + Send>;

impl Default for Opening {
    fn default() -> Self {
        Self { last_signed: |_, _| Ok(0), record: Box::new(|_| Ok(())) }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

/// A server name and the key that signs for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The server's name, as it appears after the colon of its users' ids.
    pub server_name: OwnedServerName,
    /// Signs events and requests; knows its key id (`ed25519:<version>`).
    pub key_pair: Arc<Ed25519KeyPair>,
    /// The keys that signed for it before.
    pub old_keys: Arc<OldKeys>,
    /// Opens the mail that is sealed to it.
    pub sealing_key: Arc<SealingKey>,
    /// Milliseconds since the epoch; see [`Identity::signed_until`].
    signed_until: Arc<AtomicU64>,
}

impl Identity {
    /// Returns the identity kept in `database`, and beside it on the disk; made from the host's
    /// entropy, and stored before this returns, the first time. Where the two differ, what is beside the
    /// database holds: that is an older copy, or was another server's, and its key is an old one then. Of
    /// old keys, both have all.
    ///
    /// # Errors
    /// The disk refuses, or the database is that of a server with another name.
    pub async fn open(
        host: &Host,
        database: &Database,
        server_name: OwnedServerName,
    ) -> Result<Self, DatabaseError> {
        Self::open_with(host, database, server_name, Opening::default()).await
    }

    /// As [`Identity::open`], for a server whose signatures count as of the moment that they name, or that has
    /// more to record. A key that is replaced ends no earlier than what it has signed, nor does the one in
    /// its place.
    ///
    /// # Errors
    /// See [`Identity::open`].
    pub async fn open_with(
        host: &Host,
        database: &Database,
        server_name: OwnedServerName,
        opening: Opening,
    ) -> Result<Self, DatabaseError> {
        install(database).await?;
        let fresh_seed = host.random_bytes();
        let kept = host.disk.secret(SECRET).await.map_err(|error| kept_badly(&error))?;
        let noted = old_keys::noted(host).await.map_err(|error| noted_badly(&error))?;
        let (name, now_ms, known) = (server_name.clone(), host.unix_ms(), noted.clone());
        let sealing = host.disk.secret(SEALING_SECRET).await.map_err(|error| kept_badly(&error))?;
        let Opening { last_signed, record } = opening;
        let (version, seed, old_keys, sealing_seed, signed_until) = database
            .transaction(move |transaction| {
                must_be_of(transaction, name.as_str())?;
                record(transaction)?;
                let (version, seed) =
                    stored_or_new(transaction, name.as_str(), kept.unwrap_or(fresh_seed))?;
                let sealing = sealing_seed(transaction, sealing, &seed)?;
                let signed_until = last_signed(transaction, &name)?;
                let stored = old_keys::stored(transaction)?;
                // The note has the very moment at which a key was replaced.
                let mut old: OldKeys = stored.clone().into_iter().chain(known).collect();
                let (version, seed) = match kept {
                    Some(kept) if kept != seed => {
                        retire(&mut old, &version, &seed, now_ms);
                        if let Some((_, end_ms)) = old.get_mut(&old_keys::id_of(&version)) {
                            *end_ms = signed_until.max(*end_ms);
                        }
                        replace(transaction, name.as_str(), kept)?
                    }
                    _ => (version, seed),
                };
                // One that signs again is no old one.
                old.remove(&old_keys::id_of(&version));
                let forgotten = old_keys::forget_beyond_the_limit(&mut old);
                if forgotten > 0 {
                    tracing::warn!(forgotten, "the oldest keys are published no longer");
                }
                old_keys::store(transaction, &stored, &old)?;
                Ok::<_, DatabaseError>((version, seed, old, sealing, signed_until))
            })
            .await?;
        if old_keys != noted {
            old_keys::note(host, &old_keys).await.map_err(|error| noted_badly(&error))?;
        }
        if kept.is_none() {
            host.disk.keep_secret(SECRET, seed).await.map_err(|error| kept_badly(&error))?;
        }
        if sealing.is_none() && sealing_seed != blake3::derive_key(SEALING, &seed) {
            let keep = host.disk.keep_secret(SEALING_SECRET, sealing_seed).await;
            keep.map_err(|error| kept_badly(&error))?;
        }
        let mut identity = Self::from_seeds(server_name, &seed, version, sealing_seed);
        identity.old_keys = Arc::new(old_keys);
        identity.has_signed_for(signed_until);
        Ok(identity)
    }

    /// Returns the identity of `server_name` with the keys made of `seed`; the id of the one that signs is
    /// `ed25519:<version>`.
    pub fn from_seed(
        server_name: OwnedServerName,
        seed: &[u8; SEED_BYTES],
        version: String,
    ) -> Self {
        Self::from_seeds(server_name, seed, version, blake3::derive_key(SEALING, seed))
    }

    fn from_seeds(
        server_name: OwnedServerName,
        seed: &[u8; SEED_BYTES],
        version: String,
        sealing_seed: [u8; 32],
    ) -> Self {
        let key_pair = Arc::new(key_pair(seed, version));
        let sealing_key = Arc::new(SealingKey::from_seed(sealing_seed));
        let old_keys = Arc::default();
        Self { server_name, key_pair, old_keys, sealing_key, signed_until: Arc::default() }
    }

    /// Returns the identity whose key is kept beside the database of `host`; made from the host's entropy
    /// the first time, for a server that has not started yet. It takes the key for its own when it does.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn beside_the_database(
        host: &Host,
        server_name: OwnedServerName,
    ) -> io::Result<Self> {
        if let Some(kept) = host.disk.secret(SECRET).await? {
            return Ok(Self::from_seed(server_name, &kept, version_of(&kept)));
        }
        let seed = host.random_bytes();
        host.disk.keep_secret(SECRET, seed).await?;
        Ok(Self::from_seed(server_name, &seed, version_of(&seed)))
    }

    /// Puts a new signing key, made of the host's entropy, in the place of the one beside the database. The
    /// server takes it for its own when it starts next, and publishes the one before as an old key from
    /// then on. The sealing key stays, for mail that is sealed to it may wait at relays. Call this for a
    /// server that is not running.
    ///
    /// # Errors
    /// The disk refuses; or the server has as many old keys as others read ([`MAX_KEYS`] with the current
    /// one), and must not `forget_oldest`.
    pub async fn rotate(
        host: &Host,
        server_name: OwnedServerName,
        forget_oldest: bool,
    ) -> io::Result<Self> {
        let noted = old_keys::noted(host).await?;
        let mut old = noted.clone();
        if let Some(kept) = host.disk.secret(SECRET).await? {
            retire(&mut old, &version_of(&kept), &kept, host.unix_ms());
            if host.disk.secret(SEALING_SECRET).await?.is_none() {
                let sealing = blake3::derive_key(SEALING, &kept);
                host.disk.keep_secret(SEALING_SECRET, sealing).await?;
            }
        }
        if old_keys::forget_beyond_the_limit(&mut old) > 0 && !forget_oldest {
            return Err(io::Error::other(format!(
                "one more key would be more than the {MAX_KEYS} that other servers read; with \
                 --forget-oldest, the oldest is published no longer, and newcomers to a room cannot \
                 verify what it has signed"
            )));
        }
        if old != noted {
            old_keys::note(host, &old).await?;
        }
        let seed = host.random_bytes();
        host.disk.keep_secret(SECRET, seed).await?;
        Ok(Self::from_seed(server_name, &seed, version_of(&seed)))
    }

    /// Remembers that something was signed that says it was made at `at_ms` (milliseconds since the epoch).
    pub fn has_signed_for(&self, at_ms: u64) {
        self.signed_until.fetch_max(at_ms, Ordering::Relaxed);
    }

    /// Returns the latest moment that something signed here names, in milliseconds since the epoch. The key
    /// is valid until then at least: what the clock said may be later than what it says now.
    pub fn signed_until(&self) -> u64 {
        self.signed_until.load(Ordering::Relaxed)
    }

    /// Returns the public half of the key, in base64.
    pub fn public_key(&self) -> Base64 {
        Base64::new(self.key_pair.public_key().to_vec())
    }

    /// Returns the key's id: `ed25519:<version>`.
    pub fn key_id(&self) -> String {
        old_keys::id_of(self.key_pair.version())
    }
}

/// Brings the tables of identities up to date.
pub(super) async fn install(database: &Database) -> Result<(), DatabaseError> {
    migrate(database, "identity", SCHEMA).await
}

fn stored_or_new(
    transaction: &Transaction<'_>,
    server_name: &str,
    fresh_seed: [u8; SEED_BYTES],
) -> rusqlite::Result<(String, [u8; SEED_BYTES])> {
    let stored = transaction
        .prepare_cached("SELECT version, seed FROM own_key WHERE server_name = ?1")?
        .query_row([server_name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some(stored) = stored {
        return Ok(stored);
    }
    let version = version_of(&fresh_seed);
    transaction
        .prepare_cached("INSERT INTO own_key (server_name, version, seed) VALUES (?1, ?2, ?3)")?
        .execute((server_name, &version, fresh_seed))?;
    Ok((version, fresh_seed))
}

/// Returns the seed of the sealing key: the one `kept` beside the database, or the one in it, or else one
/// that is made of the signing key that was in it until now, and stays.
fn sealing_seed(
    transaction: &Transaction<'_>,
    kept: Option<[u8; SEED_BYTES]>,
    signing_seed: &[u8; SEED_BYTES],
) -> rusqlite::Result<[u8; SEED_BYTES]> {
    let stored = transaction
        .query_row("SELECT seed FROM own_sealing_key", [], |row| row.get(0))
        .optional()?;
    let seed = kept.or(stored).unwrap_or_else(|| blake3::derive_key(SEALING, signing_seed));
    if stored != Some(seed) {
        transaction.execute("DELETE FROM own_sealing_key", [])?;
        transaction.execute("INSERT INTO own_sealing_key (seed) VALUES (?1)", [seed])?;
    }
    Ok(seed)
}

/// Refuses a database in which a server of another name has its key: every event in it would be
/// somebody else's.
fn must_be_of(transaction: &Transaction<'_>, server_name: &str) -> Result<(), DatabaseError> {
    let other: Option<String> = transaction
        .query_row(
            "SELECT server_name FROM own_key WHERE server_name <> ?1",
            [server_name],
            |row| row.get(0),
        )
        .optional()?;
    match other {
        Some(other) => Err(DatabaseError::Foreign(format!(
            "the database is that of {other}, and cannot serve as {server_name}"
        ))),
        None => Ok(()),
    }
}

fn replace(
    transaction: &Transaction<'_>,
    server_name: &str,
    seed: [u8; SEED_BYTES],
) -> rusqlite::Result<(String, [u8; SEED_BYTES])> {
    transaction.execute("DELETE FROM own_key WHERE server_name = ?1", [server_name])?;
    stored_or_new(transaction, server_name, seed)
}

/// Adds a key that signs no more from now on, unless it is known to have been replaced before.
fn retire(old: &mut OldKeys, version: &str, seed: &[u8; SEED_BYTES], now_ms: u64) {
    let public_key = key_pair(seed, version.to_owned()).public_key().to_vec();
    old.entry(old_keys::id_of(version)).or_insert((Base64::new(public_key), now_ms));
}

fn kept_badly(error: &io::Error) -> DatabaseError {
    DatabaseError::Foreign(format!("the signing key beside the database: {error}"))
}

fn noted_badly(error: &io::Error) -> DatabaseError {
    DatabaseError::Foreign(format!("the old keys beside the database: {error}"))
}

/// Returns the first bytes of the public key in hexadecimal digits.
fn version_of(seed: &[u8; SEED_BYTES]) -> String {
    let public_key = key_pair(seed, String::new()).public_key();
    public_key[..VERSION_BYTES].iter().fold(String::new(), |mut version, byte| {
        write!(version, "{byte:02x}").expect("a string takes every write");
        version
    })
}

fn key_pair(seed: &[u8; SEED_BYTES], version: String) -> Ed25519KeyPair {
    let mut document = PKCS8_PREFIX.to_vec();
    document.extend_from_slice(seed);
    Ed25519KeyPair::from_der(&document, version).expect("every 32 bytes are an ed25519 seed")
}
