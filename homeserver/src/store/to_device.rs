//! Messages to devices: kept until their device has them.

use ruma::{OwnedDeviceId, UserId};
use rusqlite::Connection;
use serde_json::{Value, json, value::RawValue};
use transport::{
    Transaction,
    bounds::{MAX_EVENT_DEPTH, is_within_depth},
};

use super::{StoreError, accounts::Device, side};

/// Messages that wait for one device; of any more the oldest is dropped. A device that stays away for
/// longer than that has lost its sessions anyway.
const MAX_WAITING: i64 = 10_000;

/// Bytes of one message, as of an event. Any server may send some.
const MAX_BYTES: usize = 64 << 10;

/// Bytes of the messages that are read at once, unless one alone is larger.
const MAX_BYTES_READ: usize = 1 << 20;

/// Takes note of a message by its sender and its id, and returns whether it is new. What is older than
/// `oldest_ms` is forgotten.
pub(crate) fn is_new(
    tx: &Transaction<'_>,
    [sender, message_id]: [&str; 2],
    now_ms: i64,
    oldest_ms: i64,
) -> Result<bool, StoreError> {
    tx.prepare_cached("DELETE FROM to_device_taken WHERE taken_ms < ?1")?.execute([oldest_ms])?;
    let added = tx
        .prepare_cached(
            "INSERT INTO to_device_taken (sender, message_id, taken_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
        )?
        .execute((sender, message_id, now_ms))?;
    Ok(added == 1)
}

/// Returns the devices of a local user.
pub(crate) fn devices(
    connection: &Connection,
    user: &UserId,
) -> Result<Vec<OwnedDeviceId>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT device_id FROM devices WHERE user_id = ?1 ORDER BY device_id")?;
    let rows = statement.query_map([user.as_str()], |row| row.get::<_, String>(0))?;
    let ids: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Returns a message as it is kept; `None` if it is too large or too deep for that, or for the
/// transaction that takes it to another server.
pub(crate) fn kept_form(kind: &str, sender: &UserId, content: &Value) -> Option<String> {
    let json = json!({ "type": kind, "sender": sender, "content": content }).to_string();
    let fits = json.len() <= MAX_BYTES && is_within_depth(json.as_bytes(), MAX_EVENT_DEPTH);
    fits.then_some(json)
}

/// Keeps a message for a device, in its [`kept_form`].
pub(crate) fn put(tx: &Transaction<'_>, device: &Device, json: &str) -> Result<(), StoreError> {
    let Device { user_id, device_id } = device;
    tx.prepare_cached(
        "INSERT INTO to_device (sequence, user_id, device_id, json) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((side::next(tx)?, user_id.as_str(), device_id.as_str(), json))?;
    tx.prepare_cached(
        "DELETE FROM to_device WHERE sequence = (
             SELECT sequence FROM to_device WHERE user_id = ?1 AND device_id = ?2
             ORDER BY sequence DESC LIMIT 1 OFFSET ?3
         )",
    )?
    .execute((user_id.as_str(), device_id.as_str(), MAX_WAITING))?;
    Ok(())
}

/// Returns the oldest messages of a device after `since`, `limit` at most and so many bytes, with the
/// number of the last one if there are more. One that is stored malformed is left out.
pub(crate) fn waiting(
    connection: &Connection,
    device: &Device,
    since: i64,
    limit: usize,
) -> Result<(Vec<Box<RawValue>>, Option<i64>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, json FROM to_device
         WHERE user_id = ?1 AND device_id = ?2 AND sequence > ?3 ORDER BY sequence",
    )?;
    let of = (device.user_id.as_str(), device.device_id.as_str(), since);
    let mut rows = statement.query(of)?;
    let (mut messages, mut last, mut bytes) = (Vec::new(), since, 0);
    while let Some(row) = rows.next()? {
        let json: String = row.get(1)?;
        let is_full = messages.len() == limit || bytes + json.len() > MAX_BYTES_READ;
        if is_full && !messages.is_empty() {
            return Ok((messages, Some(last)));
        }
        last = row.get(0)?;
        match RawValue::from_string(json) {
            Ok(message) => {
                bytes += message.get().len();
                messages.push(message);
            }
            Err(error) => tracing::error!(%error, "a message to a device is stored malformed"),
        }
    }
    Ok((messages, None))
}

/// Returns whether a device has messages up to `until`, which it says that it has.
pub(crate) fn any_until(
    connection: &Connection,
    device: &Device,
    until: i64,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM to_device WHERE user_id = ?1 AND device_id = ?2 AND sequence <= ?3",
        )?
        .exists((device.user_id.as_str(), device.device_id.as_str(), until))?)
}

/// Forgets the messages of a device up to `until`.
pub(crate) fn forget_until(
    tx: &Transaction<'_>,
    device: &Device,
    until: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM to_device WHERE user_id = ?1 AND device_id = ?2 AND sequence <= ?3",
    )?
    .execute((device.user_id.as_str(), device.device_id.as_str(), until))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_is_told_is_bounded_and_what_is_malformed_costs_itself_alone() {
        let mut connection = crate::store::in_memory();
        let tx = Transaction::begin(&mut connection).unwrap();
        let user_id = ruma::user_id!("@alice:a.test").to_owned();
        let device = Device { user_id, device_id: "phone".into() };
        let of = |bytes: usize| kept_form("m.x", &device.user_id, &"x".repeat(bytes).into());
        assert!(of(64 << 10).is_none(), "it is too large");
        for _ in 0..40 {
            put(&tx, &device, &of(60_000).unwrap()).unwrap();
        }
        tx.execute("UPDATE to_device SET json = '{' WHERE sequence = 2", []).unwrap();
        let (first, more) = waiting(&tx, &device, 0, 100).unwrap();
        assert!((10..20).contains(&first.len()), "{}", first.len());
        let (second, _) = waiting(&tx, &device, more.unwrap(), 100).unwrap();
        let (third, none) = waiting(&tx, &device, more.unwrap() + 17, 100).unwrap();
        assert!(second.len() == 17 && third.len() < 17 && none.is_none());
        assert_eq!(first.len() + second.len() + third.len(), 39);
        tx.execute("UPDATE to_device SET json = '{' WHERE sequence < 35", []).unwrap();
        let (behind, more) = waiting(&tx, &device, 0, 3).unwrap();
        assert!(behind.len() == 3 && more.is_some(), "malformed ones lose what is behind them");
    }
}
