//! Encryption keys: of this server's devices and users, handed out to whoever may ask; and when the
//! devices of any user changed.

mod cross_signing;
mod one_time;

use std::collections::BTreeMap;

use ruma::{OwnedUserId, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use transport::Transaction;

pub(crate) use self::{
    cross_signing::{Usage, cross_signing_key, put_cross_signing_key, put_signature, signatures},
    one_time::{OneTimeKey, claim, counts, put_fallback, put_one_time, unused_fallback_algorithms},
};
use super::{StoreError, accounts::Device, side};

/// Keeps the identity keys of a device, and returns whether they changed.
pub(crate) fn put(tx: &Transaction<'_>, device: &Device, keys: &Value) -> Result<bool, StoreError> {
    let json = keys.to_string();
    if found(tx, device)?.as_ref() == Some(&json) {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO device_keys (user_id, device_id, json) VALUES (?1, ?2, ?3)",
    )?
    .execute((device.user_id.as_str(), device.device_id.as_str(), json))?;
    Ok(true)
}

fn found(connection: &Connection, device: &Device) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT json FROM device_keys WHERE user_id = ?1 AND device_id = ?2")?
        .query_row((device.user_id.as_str(), device.device_id.as_str()), |row| row.get(0))
        .optional()?)
}

/// Returns whether a device has identity keys.
pub(crate) fn exist(connection: &Connection, device: &Device) -> Result<bool, StoreError> {
    Ok(found(connection, device)?.is_some())
}

/// Returns the identity keys of a user's devices by the devices' ids, each with its name.
pub(crate) fn of_user(
    connection: &Connection,
    user: &UserId,
) -> Result<BTreeMap<String, Value>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT device_id, json, display_name FROM device_keys JOIN devices USING (user_id, device_id)
         WHERE user_id = ?1 ORDER BY device_id",
    )?;
    let mut rows = statement.query([user.as_str()])?;
    let mut keys = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (device, text): (String, String) = (row.get(0)?, row.get(1)?);
        let mut json: Value = serde_json::from_str(&text).map_err(StoreError::corrupt)?;
        if let Some(name) = row.get::<_, Option<String>>(2)? {
            json["unsigned"] = json!({ "device_display_name": name });
        }
        keys.insert(device, json);
    }
    Ok(keys)
}

/// Takes note that the devices of a user changed; returns the number of the change.
pub(crate) fn changed(tx: &Transaction<'_>, user: &UserId) -> Result<i64, StoreError> {
    let sequence = side::next(tx)?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO device_list_changes (user_id, sequence) VALUES (?1, ?2)",
    )?
    .execute((user.as_str(), sequence))?;
    Ok(sequence)
}

/// Returns the number of the last change of a user's devices; 0 if there was none.
pub(crate) fn last_change(connection: &Connection, user: &UserId) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT sequence FROM device_list_changes WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// Returns the users whose devices changed after `since` and not after `until`.
pub(crate) fn changed_between(
    connection: &Connection,
    since: i64,
    until: i64,
) -> Result<Vec<OwnedUserId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id FROM device_list_changes WHERE sequence > ?1 AND sequence <= ?2
         ORDER BY user_id",
    )?;
    let mut rows = statement.query((since, until))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(users)
}
