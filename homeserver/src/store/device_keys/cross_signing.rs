//! Cross-signing keys of this server's users, and signatures that came later.

use ruma::UserId;
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use transport::Transaction;

use super::StoreError;

/// What a cross-signing key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The other two.
    Master,
    /// The user's own devices.
    SelfSigning,
    /// Other users' master keys.
    UserSigning,
}

impl Usage {
    pub(crate) const ALL: [Self; 3] = [Self::Master, Self::SelfSigning, Self::UserSigning];

    /// As it stands in the key.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }
}

/// Keeps a cross-signing key.
pub(crate) fn put_cross_signing_key(
    tx: &Transaction<'_>,
    user: &UserId,
    usage: Usage,
    key: &Value,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO cross_signing_keys (user_id, usage, json) VALUES (?1, ?2, ?3)",
    )?
    .execute((user.as_str(), usage.as_str(), key.to_string()))?;
    Ok(())
}

/// Returns a cross-signing key of a user.
pub(crate) fn cross_signing_key(
    connection: &Connection,
    user: &UserId,
    usage: Usage,
) -> Result<Option<Value>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT json FROM cross_signing_keys WHERE user_id = ?1 AND usage = ?2")?
        .query_row((user.as_str(), usage.as_str()), |row| row.get(0))
        .optional()?;
    found.map(|json| serde_json::from_str(&json).map_err(StoreError::corrupt)).transpose()
}

/// Keeps the signature that the key `key_id` of `signer` made under the device or master key
/// `target` of `user`.
pub(crate) fn put_signature(
    tx: &Transaction<'_>,
    [signer, user, target, key_id, signature]: [&str; 5],
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO key_signatures (signer, user_id, target, key_id, signature)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((signer, user, target, key_id, signature))?;
    Ok(())
}

/// Returns the signatures under the device or master key `target` of `user` that `reader` may see:
/// the user's own, and the reader's. Each is a signer, a key and the signature.
pub(crate) fn signatures(
    connection: &Connection,
    user: &UserId,
    target: &str,
    reader: Option<&UserId>,
) -> Result<Vec<[String; 3]>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT signer, key_id, signature FROM key_signatures
         WHERE user_id = ?1 AND target = ?2 AND signer IN (?1, ?3) ORDER BY signer, key_id",
    )?;
    let reader = reader.map_or("", UserId::as_str);
    let rows = statement.query_map((user.as_str(), target, reader), |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?])
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
