//! This server's name and ed25519 signing key.

use std::{fmt::Write, sync::Arc};

use ruma::{OwnedServerName, signatures::Ed25519KeyPair};
use rusqlite::OptionalExtension;

use crate::{
    database::migrate,
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

const SCHEMA: &[&str] = &["CREATE TABLE own_key (
    server_name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    seed BLOB NOT NULL
) STRICT"];

/// A server name and the key that signs for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The server's name, as it appears after the colon of its users' ids.
    pub server_name: OwnedServerName,
    /// Signs events and requests; knows its key id (`ed25519:<version>`).
    pub key_pair: Arc<Ed25519KeyPair>,
}

impl Identity {
    /// Returns the identity kept in `database`; made from the host's entropy, and stored before
    /// this returns, the first time.
    ///
    /// # Errors
    /// The disk refuses, or the stored key is not a key.
    pub async fn open(
        host: &Host,
        database: &Database,
        server_name: OwnedServerName,
    ) -> Result<Self, DatabaseError> {
        install(database).await?;
        let fresh_seed = host.random_bytes();
        let name = server_name.to_string();
        let (version, seed) = database
            .transaction(move |transaction| {
                stored_or_new(transaction, &name, fresh_seed).map_err(DatabaseError::Sql)
            })
            .await?;
        Ok(Self::from_seed(server_name, &seed, version))
    }

    /// Returns the identity of `server_name` with the key made of `seed`, whose id is
    /// `ed25519:<version>`.
    pub fn from_seed(
        server_name: OwnedServerName,
        seed: &[u8; SEED_BYTES],
        version: String,
    ) -> Self {
        Self { server_name, key_pair: Arc::new(key_pair(seed, version)) }
    }

    /// Returns the key's id: `ed25519:<version>`.
    pub fn key_id(&self) -> String {
        format!("ed25519:{}", self.key_pair.version())
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
