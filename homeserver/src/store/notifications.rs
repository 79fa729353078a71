//! The notification stream of each device: one row per device and event.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::value::RawValue;
use transport::Transaction;
use uuid::Uuid;

use super::{StoreError, accounts::Device};
use crate::event::Pdu;

/// Bytes of events in a page; a page that would be larger ends early and has more.
const MAX_PAGE_BYTES: usize = 5 << 20;

/// A stored notification.
#[derive(Debug)]
pub struct Notification {
    /// Its id; a later one is larger.
    pub id: Uuid,
    /// The event, in the client format.
    pub event: Box<RawValue>,
}

/// Which notifications of a device are read.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Whose.
    pub device: Device,
    /// The id after which they begin.
    pub after: Uuid,
    /// The time at or before which they have expired, milliseconds since the epoch.
    pub oldest_ms: i64,
}

/// A device of this server that is to be notified.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    user_id: String,
    device_id: String,
}

/// Returns the devices of this server that an event concerns: those of the room's members, and
/// those of the user whose membership it is.
///
/// # Errors
/// The store refuses.
pub fn devices_concerned(
    connection: &Connection,
    event: &Pdu,
) -> Result<BTreeSet<Recipient>, StoreError> {
    // In two queries, and sorted here: for one with an OR and an order, SQLite makes a table and a
    // sorter each time.
    let of_members = if planted(Defect::WhoLeftIsStillNotified) {
        "SELECT user_id, device_id FROM room_memberships JOIN devices USING (user_id)
         WHERE room_id = ?1 AND membership IN ('join', 'leave')"
    } else {
        "SELECT user_id, device_id FROM room_memberships JOIN devices USING (user_id)
         WHERE room_id = ?1 AND membership = 'join'"
    };
    let mut of_members = connection.prepare_cached(of_members)?;
    let device = |row: &Row<'_>| Ok(Recipient { user_id: row.get(0)?, device_id: row.get(1)? });
    let mut devices: BTreeSet<_> =
        of_members.query_map([event.room_id.as_str()], device)?.collect::<rusqlite::Result<_>>()?;
    if let Some(target) = event.state_key.as_deref().filter(|_| event.is_member_event()) {
        let mut of_target = connection
            .prepare_cached("SELECT user_id, device_id FROM devices WHERE user_id = ?1")?;
        for of_target in of_target.query_map([target], device)? {
            devices.insert(of_target?);
        }
    }
    Ok(devices)
}

/// Writes a notification of `event`, in the client format, for one device.
///
/// # Errors
/// The store refuses.
pub fn put(
    tx: &Transaction<'_>,
    recipient: &Recipient,
    id: Uuid,
    event: &RawValue,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO notifications (user_id, device_id, id, event, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        &recipient.user_id,
        &recipient.device_id,
        id.as_bytes().as_slice(),
        event.get(),
        now_ms,
    ))?;
    Ok(())
}

/// Returns whether the device has a notification with that id, not yet expired at `oldest_ms`.
///
/// # Errors
/// The store refuses.
pub fn is_known(
    connection: &Connection,
    device: &Device,
    id: Uuid,
    oldest_ms: i64,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM notifications
             WHERE user_id = ?1 AND device_id = ?2 AND id = ?3 AND created_ms > ?4",
        )?
        .exists((
            device.user_id.as_str(),
            device.device_id.as_str(),
            id.as_bytes().as_slice(),
            oldest_ms,
        ))?)
}

/// Returns at most `size` notifications of a stretch, oldest first, and whether there are more.
///
/// # Errors
/// The store refuses.
pub fn page(
    connection: &Connection,
    stretch: &Stretch,
    size: usize,
) -> Result<(Vec<Notification>, bool), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, event FROM notifications
         WHERE user_id = ?1 AND device_id = ?2 AND id > ?3 AND created_ms > ?4 ORDER BY id",
    )?;
    let mut rows = statement.query((
        stretch.device.user_id.as_str(),
        stretch.device.device_id.as_str(),
        stretch.after.as_bytes().as_slice(),
        stretch.oldest_ms,
    ))?;
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let next = notification(row)?;
        bytes += next.event.get().len();
        if page.len() == size || (bytes > MAX_PAGE_BYTES && !page.is_empty()) {
            return Ok((page, true));
        }
        page.push(next);
    }
    Ok((page, false))
}

/// Returns the newest notification of a device, unless it has expired at `oldest_ms`.
///
/// # Errors
/// The store refuses.
pub fn last(
    connection: &Connection,
    device: &Device,
    oldest_ms: i64,
) -> Result<Option<Notification>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, event FROM notifications
         WHERE user_id = ?1 AND device_id = ?2 AND created_ms > ?3
         ORDER BY id DESC LIMIT 1",
    )?;
    let mut rows =
        statement.query((device.user_id.as_str(), device.device_id.as_str(), oldest_ms))?;
    rows.next()?.map(notification).transpose()
}

/// Forgets notifications made at or before `oldest_ms`.
///
/// # Errors
/// The store refuses.
pub fn prune(tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM notifications WHERE created_ms <= ?1")?.execute([oldest_ms])?;
    Ok(())
}

/// Returns the last id given out to any device, if any was.
///
/// # Errors
/// The store refuses.
pub fn last_id(connection: &Connection) -> Result<Option<Uuid>, StoreError> {
    let bytes: Option<[u8; 16]> = connection
        .prepare_cached("SELECT last_id FROM notification_clock")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(bytes.map(Uuid::from_bytes))
}

/// Remembers that `id` is the last one given out.
///
/// # Errors
/// The store refuses.
pub fn put_last_id(tx: &Transaction<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO notification_clock (only_row, last_id) VALUES (1, ?1)
         ON CONFLICT (only_row) DO UPDATE SET last_id = excluded.last_id",
    )?
    .execute([id.as_bytes().as_slice()])?;
    Ok(())
}

fn notification(row: &Row<'_>) -> Result<Notification, StoreError> {
    let event = RawValue::from_string(row.get(1)?).map_err(StoreError::corrupt)?;
    Ok(Notification { id: Uuid::from_bytes(row.get(0)?), event })
}
