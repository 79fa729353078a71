//! Copies of room keys, encrypted by their users' clients.

use std::collections::BTreeMap;

use ruma::UserId;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;
use transport::Transaction;

use super::StoreError;

/// Keys of one version.
const MAX_SESSIONS: i64 = 500_000;

/// A version of a user's backup.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) version: i64,
    pub(crate) algorithm: String,
    pub(crate) auth_data: Value,
    /// Another one after every change.
    pub(crate) etag: i64,
}

/// Keys by room and session.
pub(crate) type Sessions = BTreeMap<String, BTreeMap<String, Value>>;

/// Which keys: all, those of a room, or one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which {
    pub(crate) room: Option<String>,
    pub(crate) session: Option<String>,
}

/// Begins a new version, and returns its number.
pub(crate) fn create(
    tx: &Transaction<'_>,
    user: &UserId,
    algorithm: &str,
    auth_data: &Value,
) -> Result<i64, StoreError> {
    let version: i64 = tx
        .prepare_cached("SELECT coalesce(max(version), 0) + 1 FROM key_backups WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))?;
    tx.prepare_cached(
        "INSERT INTO key_backups (user_id, version, algorithm, auth_data, etag, deleted)
         VALUES (?1, ?2, ?3, ?4, 0, 0)",
    )?
    .execute((user.as_str(), version, algorithm, auth_data.to_string()))?;
    Ok(version)
}

fn backup(row: &Row<'_>) -> Result<Backup, StoreError> {
    Ok(Backup {
        version: row.get(0)?,
        algorithm: row.get(1)?,
        auth_data: serde_json::from_str(&row.get::<_, String>(2)?).map_err(StoreError::corrupt)?,
        etag: row.get(3)?,
    })
}

/// Returns a version, or the newest one.
pub(crate) fn find(
    connection: &Connection,
    user: &UserId,
    version: Option<i64>,
) -> Result<Option<Backup>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, algorithm, auth_data, etag FROM key_backups
         WHERE user_id = ?1 AND NOT deleted AND version = coalesce(?2, version)
         ORDER BY version DESC LIMIT 1",
    )?;
    let mut rows = statement.query((user.as_str(), version))?;
    rows.next()?.map(backup).transpose()
}

/// Changes what a version says of its key.
pub(crate) fn update(
    tx: &Transaction<'_>,
    user: &UserId,
    version: i64,
    auth_data: &Value,
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE key_backups SET auth_data = ?3 WHERE user_id = ?1 AND version = ?2")?
        .execute((user.as_str(), version, auth_data.to_string()))?;
    Ok(())
}

/// Deletes a version with its keys; its number is never used again.
pub(crate) fn delete(tx: &Transaction<'_>, user: &UserId, version: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE key_backups SET deleted = 1 WHERE user_id = ?1 AND version = ?2")?
        .execute((user.as_str(), version))?;
    tx.prepare_cached("DELETE FROM key_backup_sessions WHERE user_id = ?1 AND version = ?2")?
        .execute((user.as_str(), version))?;
    Ok(())
}

/// Returns how many keys a version has.
pub(crate) fn count(
    connection: &Connection,
    user: &UserId,
    version: i64,
) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM key_backup_sessions WHERE user_id = ?1 AND version = ?2",
        )?
        .query_row((user.as_str(), version), |row| row.get(0))?)
}

/// Keeps keys; where there is one already, the better one. False if there are too many.
pub(crate) fn put_sessions(
    tx: &Transaction<'_>,
    user: &UserId,
    version: i64,
    sessions: &Sessions,
) -> Result<bool, StoreError> {
    let mut changed = false;
    for (room, keys) in sessions {
        for (session, key) in keys {
            let known = one(tx, user, version, [room, session])?;
            if known.is_none_or(|known| is_better(key, &known)) {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO key_backup_sessions
                         (user_id, version, room_id, session_id, json)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((
                    user.as_str(),
                    version,
                    room,
                    session,
                    key.to_string(),
                ))?;
                changed = true;
            }
        }
    }
    if changed {
        touch(tx, user, version)?;
    }
    Ok(count(tx, user, version)? <= MAX_SESSIONS)
}

fn one(
    connection: &Connection,
    user: &UserId,
    version: i64,
    [room, session]: [&String; 2],
) -> Result<Option<Value>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT json FROM key_backup_sessions
             WHERE user_id = ?1 AND version = ?2 AND room_id = ?3 AND session_id = ?4",
        )?
        .query_row((user.as_str(), version, room, session), |row| row.get(0))
        .optional()?;
    found.map(|json| serde_json::from_str(&json).map_err(StoreError::corrupt)).transpose()
}

/// Returns whether a key is to replace the one that is kept (client-server API, "Backup"): verified
/// beats not verified, then the lower first message, then the lower count of forwardings.
fn is_better(new: &Value, old: &Value) -> bool {
    let rank = |key: &Value| {
        (
            !key["is_verified"].as_bool().unwrap_or(false),
            key["first_message_index"].as_u64().unwrap_or(u64::MAX),
            key["forwarded_count"].as_u64().unwrap_or(u64::MAX),
        )
    };
    rank(new) < rank(old)
}

fn touch(tx: &Transaction<'_>, user: &UserId, version: i64) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE key_backups SET etag = etag + 1 WHERE user_id = ?1 AND version = ?2",
    )?
    .execute((user.as_str(), version))?;
    Ok(())
}

/// Returns keys of a version.
pub(crate) fn sessions(
    connection: &Connection,
    user: &UserId,
    version: i64,
    which: &Which,
) -> Result<Sessions, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id, session_id, json FROM key_backup_sessions
         WHERE user_id = ?1 AND version = ?2
             AND room_id = coalesce(?3, room_id) AND session_id = coalesce(?4, session_id)",
    )?;
    let mut rows = statement.query((user.as_str(), version, &which.room, &which.session))?;
    let mut found = Sessions::new();
    while let Some(row) = rows.next()? {
        let [room, session, json]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let key = serde_json::from_str(&json).map_err(StoreError::corrupt)?;
        found.entry(room).or_default().insert(session, key);
    }
    Ok(found)
}

/// Deletes keys of a version.
pub(crate) fn delete_sessions(
    tx: &Transaction<'_>,
    user: &UserId,
    version: i64,
    which: &Which,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM key_backup_sessions WHERE user_id = ?1 AND version = ?2
             AND room_id = coalesce(?3, room_id) AND session_id = coalesce(?4, session_id)",
    )?
    .execute((user.as_str(), version, &which.room, &which.session))?;
    touch(tx, user, version)
}
