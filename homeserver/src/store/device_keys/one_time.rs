//! One-time keys, each of which is handed out once, and what is handed out when there are none.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use transport::Transaction;

use super::{Device, StoreError};

/// One-time keys of one device; of any more the newest are refused.
const MAX_OF_DEVICE: i64 = 1000;

/// A key of a device, as it was uploaded.
#[derive(Clone, Debug)]
pub(crate) struct OneTimeKey {
    /// As `signed_curve25519`.
    pub(crate) algorithm: String,
    /// What comes after the colon.
    pub(crate) key_id: String,
    pub(crate) key: Value,
}

/// Keeps a one-time key. False if the device has another one of that name, or too many.
pub(crate) fn put_one_time(
    tx: &Transaction<'_>,
    device: &Device,
    key: &OneTimeKey,
) -> Result<bool, StoreError> {
    let Device { user_id, device_id } = device;
    let json = key.key.to_string();
    let same: Option<String> = tx
        .prepare_cached(
            "SELECT json FROM one_time_keys
             WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3 AND key_id = ?4",
        )?
        .query_row((user_id.as_str(), device_id.as_str(), &key.algorithm, &key.key_id), |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(same) = same {
        return Ok(same == json);
    }
    let count: i64 = tx
        .prepare_cached("SELECT count(*) FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2")?
        .query_row((user_id.as_str(), device_id.as_str()), |row| row.get(0))?;
    if count >= MAX_OF_DEVICE {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, json)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((user_id.as_str(), device_id.as_str(), &key.algorithm, &key.key_id, json))?;
    Ok(true)
}

/// Keeps what is handed out when there are no one-time keys of that algorithm left.
pub(crate) fn put_fallback(
    tx: &Transaction<'_>,
    device: &Device,
    key: &OneTimeKey,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO fallback_keys (user_id, device_id, algorithm, key_id, json, used)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)",
    )?
    .execute((
        device.user_id.as_str(),
        device.device_id.as_str(),
        &key.algorithm,
        &key.key_id,
        key.key.to_string(),
    ))?;
    Ok(())
}

/// Returns how many one-time keys a device has left, by algorithm.
pub(crate) fn counts(
    connection: &Connection,
    device: &Device,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT algorithm, count(*) FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2
         GROUP BY algorithm",
    )?;
    let rows = statement
        .query_map((device.user_id.as_str(), device.device_id.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the algorithms of which a device has a fallback key that was not handed out.
pub(crate) fn unused_fallback_algorithms(
    connection: &Connection,
    device: &Device,
) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT algorithm FROM fallback_keys WHERE user_id = ?1 AND device_id = ?2 AND NOT used
         ORDER BY algorithm",
    )?;
    let rows = statement
        .query_map((device.user_id.as_str(), device.device_id.as_str()), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes a key of a device for good, with its name: the oldest one-time key, or else the fallback.
pub(crate) fn claim(
    tx: &Transaction<'_>,
    device: &Device,
    algorithm: &str,
) -> Result<Option<(String, Value)>, StoreError> {
    let of = (device.user_id.as_str(), device.device_id.as_str(), algorithm);
    let oldest: Option<(i64, String, String)> = tx
        .prepare_cached(
            "SELECT id, key_id, json FROM one_time_keys
             WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3 ORDER BY id LIMIT 1",
        )?
        .query_row(of, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let found = if let Some((id, key_id, json)) = oldest {
        tx.prepare_cached("DELETE FROM one_time_keys WHERE id = ?1")?.execute([id])?;
        Some((key_id, json))
    } else {
        tx.prepare_cached(
            "UPDATE fallback_keys SET used = 1
             WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3 RETURNING key_id, json",
        )?
        .query_row(of, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
    };
    let Some((key_id, json)) = found else { return Ok(None) };
    let key = serde_json::from_str(&json).map_err(StoreError::corrupt)?;
    Ok(Some((format!("{algorithm}:{key_id}"), key)))
}
