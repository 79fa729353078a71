//! Messages to devices: kept until their device has them.

use ruma::{OwnedDeviceId, UserId};
use rusqlite::Connection;
use serde_json::{Value, value::RawValue};
use transport::Transaction;

use super::{StoreError, accounts::Device, side};

/// Messages that wait for one device; of any more the oldest is dropped. A device that stays away for
/// longer than that has lost its sessions anyway.
const MAX_WAITING: i64 = 10_000;

/// Bytes of one message, as of an event; a larger one is dropped. Any server may send some.
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

/// Keeps a message for a device, if it is not too large.
pub(crate) fn put(
    tx: &Transaction<'_>,
    device: &Device,
    message: &Value,
) -> Result<(), StoreError> {
    let Device { user_id, device_id } = device;
    let json = message.to_string();
    if json.len() > MAX_BYTES {
        tracing::info!(%user_id, bytes = json.len(), "a message to a device is too large");
        return Ok(());
    }
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
         WHERE user_id = ?1 AND device_id = ?2 AND sequence > ?3 ORDER BY sequence LIMIT ?4",
    )?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let of = (device.user_id.as_str(), device.device_id.as_str(), since, most);
    let mut rows = statement.query(of)?;
    let (mut messages, mut last, mut bytes) = (Vec::new(), since, 0);
    while let Some(row) = rows.next()? {
        let json: String = row.get(1)?;
        bytes += json.len();
        if messages.len() == limit || (bytes > MAX_BYTES_READ && !messages.is_empty()) {
            return Ok((messages, Some(last)));
        }
        last = row.get(0)?;
        match RawValue::from_string(json) {
            Ok(message) => messages.push(message),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_device_is_told_is_bounded_and_what_is_malformed_costs_itself_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in crate::store::STEPS {
            connection.execute_batch(step).unwrap();
        }
        let tx = Transaction::begin(&mut connection).unwrap();
        let user_id = ruma::user_id!("@alice:a.test").to_owned();
        let device = Device { user_id, device_id: "phone".into() };
        let message = |bytes: usize| json!({ "content": "x".repeat(bytes) });
        put(&tx, &device, &message(64 << 10)).unwrap();
        assert!(waiting(&tx, &device, 0, 100).unwrap().0.is_empty(), "it is too large");
        for _ in 0..40 {
            put(&tx, &device, &message(60_000)).unwrap();
        }
        tx.execute("UPDATE to_device SET json = '{' WHERE sequence = 2", []).unwrap();
        let (first, more) = waiting(&tx, &device, 0, 100).unwrap();
        assert!((10..20).contains(&first.len()), "{}", first.len());
        let (second, _) = waiting(&tx, &device, more.unwrap(), 100).unwrap();
        let (third, none) = waiting(&tx, &device, more.unwrap() + 17, 100).unwrap();
        assert!(second.len() == 17 && third.len() < 17 && none.is_none());
        assert_eq!(first.len() + second.len() + third.len(), 39);
    }
}
