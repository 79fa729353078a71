//! The notification stream of each device: one row per device and event, written in the very
//! transaction that makes the event visible, read by `/notifications` and pushed by `/await`.
//!
//! Ids go up in the order of commits, because one database has one writer; so a device that has
//! read up to an id has read everything before it.

mod id;

use std::{collections::BTreeSet, time::Duration};

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::value::RawValue;
use transport::{Database, DatabaseError, Host, Transaction};
use uuid::Uuid;

use self::id::{last_id, take_id};
use super::{
    accounts::Device,
    bell::{Bell, Listener},
    moment::{ms_ago, now_ms},
};
use crate::{event::Pdu, pdu::EventHandler, store::StoreError};

/// Fewest notifications that a page may be limited to.
pub(crate) const MIN_PAGE: usize = 100;

/// Most notifications of a page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// Notifications of a page when the client does not say.
pub(crate) const DEFAULT_PAGE: usize = 1000;

/// Bytes of events in a page; a page that would be larger ends early and has more.
const MAX_PAGE_BYTES: usize = 5 << 20;

/// One stored delivery.
#[derive(Debug, Serialize)]
pub(crate) struct Notification {
    /// A `UUIDv7`; a later one is larger.
    pub(crate) id: Uuid,
    /// The events, in the client format; one today.
    pub(crate) payload: [Box<RawValue>; 1],
}

/// A page of notifications, oldest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) notifications: Vec<Notification>,
    /// Whether there are newer ones than the last of this page.
    pub(crate) has_more: bool,
    /// Whether the id asked for is that of a notification of this device, not yet expired.
    pub(crate) since_known: bool,
}

/// The notification streams of this server's devices. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifications {
    host: Host,
    database: Database,
    time_to_live: Duration,
    commits: Bell,
}

impl Notifications {
    /// The streams in `database`; a notification is gone `time_to_live` after it was made.
    pub(crate) fn new(host: Host, database: Database, time_to_live: Duration) -> Self {
        Self { host, database, time_to_live, commits: Bell::default() }
    }

    /// Rings whenever something new may be visible. Listen first, then read.
    pub(crate) fn listen(&self) -> Listener {
        self.commits.listen()
    }

    /// The newest id given out to any device; what is committed from now on is larger.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn newest_id(&self) -> Result<Uuid, DatabaseError> {
        let newest: Option<Uuid> = self
            .database
            .call(|connection| last_id(connection).map_err(DatabaseError::from))
            .await?;
        Ok(newest.unwrap_or(Uuid::nil()))
    }

    /// At most `size` notifications of `device` after `since`, or from its first on.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn page(
        &self,
        device: &Device,
        since: Option<Uuid>,
        size: usize,
    ) -> Result<Page, DatabaseError> {
        let (device, oldest_ms) = (device.clone(), ms_ago(&self.host, self.time_to_live));
        self.database
            .call(move |connection| {
                let since_known = match since {
                    Some(since) => is_known(connection, &device, since, oldest_ms)?,
                    None => true,
                };
                // An id of another making has no place in the order of ours.
                let after = since.filter(|id| id.get_version_num() == 7).unwrap_or(Uuid::nil());
                let (notifications, has_more) =
                    read_page(connection, &device, (after, oldest_ms), size)?;
                Ok(Page { notifications, has_more, since_known })
            })
            .await
    }

    /// The newest notification of `device`.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn last(
        &self,
        device: &Device,
    ) -> Result<Option<Notification>, DatabaseError> {
        let (device, oldest_ms) = (device.clone(), ms_ago(&self.host, self.time_to_live));
        self.database
            .call(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT id, event FROM notifications
                         WHERE user_id = ?1 AND device_id = ?2 AND created_ms > ?3
                         ORDER BY id DESC LIMIT 1",
                    )?
                    .query_row(
                        (device.user_id.as_str(), device.device_id.as_str(), oldest_ms),
                        notification,
                    )
                    .optional()
                    .map_err(DatabaseError::from)
            })
            .await
    }

    /// Deletes what has expired.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn prune(&self) -> Result<(), DatabaseError> {
        let oldest_ms = ms_ago(&self.host, self.time_to_live);
        self.database
            .transaction(move |tx| {
                tx.execute("DELETE FROM notifications WHERE created_ms <= ?1", [oldest_ms])?;
                Ok(())
            })
            .await
    }

    /// Writes a notification of `event` for every device here that it concerns: those of the
    /// room's members, and those of the user whose membership it is.
    fn notify(&self, tx: &Transaction<'_>, event: &Pdu) -> rusqlite::Result<()> {
        let devices = devices_concerned(tx, event)?;
        if devices.is_empty() {
            return Ok(());
        }
        let text = event.client_format().get();
        let now = now_ms(&self.host);
        let mut insert = tx.prepare_cached(
            "INSERT INTO notifications (user_id, device_id, id, event, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for (user_id, device_id) in devices {
            let id = take_id(tx, &self.host)?;
            insert.execute((user_id, device_id, id.as_bytes().as_slice(), text, now))?;
        }
        Ok(())
    }
}

/// Users and devices of this server that an event concerns.
fn devices_concerned(
    connection: &Connection,
    event: &Pdu,
) -> rusqlite::Result<BTreeSet<(String, String)>> {
    // In two queries, and sorted here: for one with an OR and an order, SQLite makes a table and a
    // sorter each time.
    let mut of_members = connection.prepare_cached(
        "SELECT user_id, device_id FROM room_memberships JOIN devices USING (user_id)
         WHERE room_id = ?1 AND membership = 'join'",
    )?;
    let device = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
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

impl EventHandler for Notifications {
    fn persisted(
        &self,
        tx: &Transaction<'_>,
        event: &Pdu,
        _position: i64,
    ) -> Result<(), StoreError> {
        self.notify(tx, event).map_err(StoreError::from)
    }

    fn committed(&self) {
        self.commits.ring();
    }
}

fn is_known(
    connection: &Connection,
    device: &Device,
    id: Uuid,
    oldest_ms: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM notifications
             WHERE user_id = ?1 AND device_id = ?2 AND id = ?3 AND created_ms > ?4",
        )?
        .exists((
            device.user_id.as_str(),
            device.device_id.as_str(),
            id.as_bytes().as_slice(),
            oldest_ms,
        ))
}

/// At most `size` notifications after an id and younger than a time, and whether there are more.
fn read_page(
    connection: &Connection,
    device: &Device,
    (after, oldest_ms): (Uuid, i64),
    size: usize,
) -> rusqlite::Result<(Vec<Notification>, bool)> {
    let mut statement = connection.prepare_cached(
        "SELECT id, event FROM notifications
         WHERE user_id = ?1 AND device_id = ?2 AND id > ?3 AND created_ms > ?4 ORDER BY id",
    )?;
    let mut rows = statement.query((
        device.user_id.as_str(),
        device.device_id.as_str(),
        after.as_bytes().as_slice(),
        oldest_ms,
    ))?;
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let next = notification(row)?;
        bytes += next.payload[0].get().len();
        if page.len() == size || (bytes > MAX_PAGE_BYTES && !page.is_empty()) {
            return Ok((page, true));
        }
        page.push(next);
    }
    Ok((page, false))
}

fn notification(row: &rusqlite::Row<'_>) -> rusqlite::Result<Notification> {
    let event: String = row.get(1)?;
    let event = RawValue::from_string(event).expect("what is stored was JSON when it was stored");
    Ok(Notification { id: Uuid::from_bytes(row.get(0)?), payload: [event] })
}
