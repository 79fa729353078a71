//! The notification stream of each device: one row per event for all who are in its room, and one per
//! device for what concerns its user alone. The events themselves are stored once.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use serde_json::value::RawValue;
use transport::Transaction;
use uuid::Uuid;

use super::{StoreError, accounts::Device, events, sends, state};
use crate::event::Pdu;

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

/// How much a page may hold. One that would be larger ends early and has more.
#[derive(Clone, Copy, Debug)]
pub struct PageSize {
    /// Notifications.
    pub count: usize,
    /// Bytes of their events together, unless one alone is larger.
    pub bytes: usize,
}

/// Writes a notification of `event` for every device whose user is in its room.
///
/// # Errors
/// The store refuses.
pub fn put(
    tx: &Transaction<'_>,
    event: &Pdu,
    position: i64,
    id: Uuid,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO room_notifications (room_id, id, event_id, position, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        event.room_id.as_str(),
        id.as_bytes().as_slice(),
        event.event_id.as_str(),
        position,
        now_ms,
    ))?;
    Ok(())
}

/// Writes a notification of `event` for every device of the user whose membership it is, unless that
/// user is in the room and gets it with everybody.
///
/// # Errors
/// The store refuses.
pub fn put_for_target(
    tx: &Transaction<'_>,
    event: &Pdu,
    id: Uuid,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(target) = event.state_key.as_deref().filter(|_| event.is_member_event()) else {
        return Ok(());
    };
    tx.prepare_cached(
        "INSERT INTO notifications (user_id, device_id, id, event, event_id, created_ms)
         SELECT user_id, device_id, ?3, '', ?4, ?5 FROM devices
         WHERE user_id = ?1 AND NOT EXISTS (
             SELECT 1 FROM room_memberships
             WHERE user_id = ?1 AND room_id = ?2 AND membership = 'join'
         )",
    )?
    .execute((
        target,
        event.room_id.as_str(),
        id.as_bytes().as_slice(),
        event.event_id.as_str(),
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
    let (user, device_id) = (device.user_id.as_str(), device.device_id.as_str());
    let id = id.as_bytes().as_slice();
    let own = connection
        .prepare_cached(
            "SELECT 1 FROM notifications
             WHERE user_id = ?1 AND device_id = ?2 AND id = ?3 AND created_ms > ?4",
        )?
        .exists((user, device_id, id, oldest_ms))?;
    if own {
        return Ok(true);
    }
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM devices d JOIN stays s USING (user_id)
             CROSS JOIN room_notifications n ON n.room_id = s.room_id AND n.id = ?3
             WHERE d.user_id = ?1 AND d.device_id = ?2 AND n.created_ms > ?4
                 AND n.position > max(s.from_position, d.first_position)
                 AND n.position <= coalesce(s.until_position, n.position)",
        )?
        .exists((user, device_id, id, oldest_ms))?)
}

/// Returns the first notifications of a stretch, oldest first, and whether there are more.
///
/// # Errors
/// The store refuses.
pub fn page(
    connection: &Connection,
    stretch: &Stretch,
    size: PageSize,
) -> Result<(Vec<Notification>, bool), StoreError> {
    let limit = i64::try_from(size.count).unwrap_or(i64::MAX).saturating_add(1);
    let (mut stretch, mut page, mut bytes) = (stretch.clone(), Vec::new(), 0);
    loop {
        let found = found(connection, &stretch, Order::OldestFirst, limit)?;
        // If some cannot be read, there may be more behind them.
        let is_last = i64::try_from(found.len()).is_ok_and(|count| count < limit);
        for one in found {
            stretch.after = one.id;
            let Some(next) = one.load(connection, &stretch.device)? else { continue };
            bytes += next.event.get().len();
            if page.len() == size.count || (bytes > size.bytes && !page.is_empty()) {
                return Ok((page, true));
            }
            page.push(next);
        }
        if is_last {
            return Ok((page, false));
        }
    }
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
    let stretch = Stretch { device: device.clone(), after: Uuid::nil(), oldest_ms };
    let newest = found(connection, &stretch, Order::NewestFirst, 1)?.into_iter().next();
    Ok(newest.map(|one| one.load(connection, device)).transpose()?.flatten())
}

/// A notification whose event was not read yet.
struct Unread {
    id: Uuid,
    event_id: Option<String>,
    /// The event in the client format, as older programs kept it.
    kept: String,
}

impl Unread {
    /// Returns it with its event; none if that is stored malformed, which costs itself alone.
    fn load(
        self,
        connection: &Connection,
        device: &Device,
    ) -> Result<Option<Notification>, StoreError> {
        let event = match self.event_id {
            Some(event_id) => {
                let found = events::find(connection, &state::event_id(&event_id)?)?;
                let Some(found) = found else { return Ok(None) };
                sends::for_device(connection, device, &found.pdu)?
            }
            None => match RawValue::from_string(self.kept) {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(%error, "a notification is stored malformed");
                    return Ok(None);
                }
            },
        };
        Ok(Some(Notification { id: self.id, event }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// Returns at most `limit` notifications of a stretch, first those for the device alone, then those
/// of its rooms, in their order.
fn found(
    connection: &Connection,
    stretch: &Stretch,
    order: Order,
    limit: i64,
) -> Result<Vec<Unread>, StoreError> {
    let (own, of_rooms) = match order {
        Order::OldestFirst => (OWN_OLDEST_FIRST, OF_ROOMS_OLDEST_FIRST),
        Order::NewestFirst => (OWN_NEWEST_FIRST, OF_ROOMS_NEWEST_FIRST),
    };
    let mut all = BTreeMap::new();
    for sql in [of_rooms, own] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((
            stretch.device.user_id.as_str(),
            stretch.device.device_id.as_str(),
            stretch.after.as_bytes().as_slice(),
            stretch.oldest_ms,
            limit,
        ))?;
        while let Some(row) = rows.next()? {
            let id = Uuid::from_bytes(row.get(0)?);
            all.insert(id, Unread { id, event_id: row.get(1)?, kept: row.get(2)? });
        }
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(match order {
        Order::OldestFirst => all.into_values().take(limit).collect(),
        Order::NewestFirst => all.into_values().rev().take(limit).collect(),
    })
}

const OWN_OLDEST_FIRST: &str = "
    SELECT id, event_id, event FROM notifications
    WHERE user_id = ?1 AND device_id = ?2 AND id > ?3 AND created_ms > ?4
    ORDER BY id LIMIT ?5";

const OWN_NEWEST_FIRST: &str = "
    SELECT id, event_id, event FROM notifications
    WHERE user_id = ?1 AND device_id = ?2 AND id > ?3 AND created_ms > ?4
    ORDER BY id DESC LIMIT ?5";

const OF_ROOMS_OLDEST_FIRST: &str = "
    SELECT n.id, n.event_id, '' FROM devices d JOIN stays s USING (user_id)
    CROSS JOIN room_notifications n ON n.room_id = s.room_id AND n.id > ?3
    WHERE d.user_id = ?1 AND d.device_id = ?2 AND n.created_ms > ?4
        AND n.position > max(s.from_position, d.first_position)
        AND n.position <= coalesce(s.until_position, n.position)
    ORDER BY n.id LIMIT ?5";

const OF_ROOMS_NEWEST_FIRST: &str = "
    SELECT n.id, n.event_id, '' FROM devices d JOIN stays s USING (user_id)
    CROSS JOIN room_notifications n ON n.room_id = s.room_id AND n.id > ?3
    WHERE d.user_id = ?1 AND d.device_id = ?2 AND n.created_ms > ?4
        AND n.position > max(s.from_position, d.first_position)
        AND n.position <= coalesce(s.until_position, n.position)
    ORDER BY n.id DESC LIMIT ?5";

/// Forgets notifications made at or before `oldest_ms`.
///
/// # Errors
/// The store refuses.
pub fn prune(tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM notifications WHERE created_ms <= ?1")?.execute([oldest_ms])?;
    tx.prepare_cached(
        "DELETE FROM stays WHERE until_position <= (
             SELECT max(position) FROM room_notifications WHERE created_ms <= ?1
         )",
    )?
    .execute([oldest_ms])?;
    tx.prepare_cached("DELETE FROM room_notifications WHERE created_ms <= ?1")?
        .execute([oldest_ms])?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_notifications_lose_nothing_that_is_behind_them() {
        let mut connection = crate::store::in_memory();
        let tx = Transaction::begin(&mut connection).unwrap();
        let insert = "INSERT INTO notifications (user_id, device_id, id, event, created_ms)
                      VALUES ('@alice:a.test', 'phone', ?1, ?2, 1)";
        for number in 1..=20 {
            let event = if number < 10 { "{" } else { "{}" };
            tx.execute(insert, (Uuid::from_u128(number).as_bytes().as_slice(), event)).unwrap();
        }
        let user_id = ruma::user_id!("@alice:a.test").to_owned();
        let device = Device { user_id, device_id: "phone".into() };
        let stretch = Stretch { device, after: Uuid::nil(), oldest_ms: 0 };
        let (found, more) = page(&tx, &stretch, PageSize { count: 4, bytes: 1000 }).unwrap();
        assert!(found.len() == 4 && found[0].id == Uuid::from_u128(10) && more);
    }
}
