//! Events, their edges, and the timeline.

use std::{collections::BTreeSet, ops::Range};

use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::{Connection, OptionalExtension, Row};
use transport::Transaction;

use super::{
    StoreError,
    state::{GroupId, event_id},
};
use crate::event::Pdu;

/// The states around an event of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States {
    /// That before it.
    pub before: GroupId,
    /// That after it.
    pub after: GroupId,
}

/// What is stored about an event beside the event.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The event.
    pub pdu: Pdu,
    /// The states around it; `None` for an outlier.
    pub states: Option<States>,
    /// Why the authorization rules refused it.
    pub rejected: Option<String>,
    /// Whether the current state refused it when it came.
    pub soft_failed: bool,
}

impl StoredEvent {
    /// Returns whether the event is part of the room's graph and was never refused.
    pub fn is_accepted(&self) -> bool {
        self.states.is_some() && self.rejected.is_none() && !self.soft_failed
    }
}

const COLUMNS: &str = "event_id, room_id, json, state_before, state_after, rejected, soft_failed";

/// Returns the event with that id. One that is stored malformed costs itself alone: it counts as not
/// known.
///
/// # Errors
/// The store refuses.
pub fn find(connection: &Connection, id: &EventId) -> Result<Option<StoredEvent>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE event_id = ?1"))?;
    let mut rows = statement.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    unless_malformed(record(row))
}

/// Returns what was read; `None`, and a line in the log, for what is stored malformed.
fn unless_malformed<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ StoreError::Corrupt(_)) => {
            tracing::error!(%error, "passed over an event that is stored malformed");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns those of the events that are stored and well-formed.
///
/// # Errors
/// The store refuses.
pub fn find_all<'a>(
    connection: &Connection,
    ids: impl IntoIterator<Item = &'a OwnedEventId>,
) -> Result<Vec<Pdu>, StoreError> {
    let found = ids.into_iter().map(|id| Ok(find(connection, id)?.map(|found| found.pdu)));
    found.filter_map(Result::transpose).collect()
}

/// Returns the event with that id, which is known to be stored.
///
/// # Errors
/// The store refuses, or does not hold it.
pub fn get(connection: &Connection, id: &EventId) -> Result<StoredEvent, StoreError> {
    find(connection, id)?.ok_or_else(|| StoreError::corrupt(format!("event {id} is gone")))
}

fn record(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    let (before, after): (Option<_>, Option<_>) = (row.get(3)?, row.get(4)?);
    Ok(StoredEvent {
        pdu: pdu(row)?,
        states: before.zip(after).map(|(before, after)| States { before, after }),
        rejected: row.get(5)?,
        soft_failed: row.get(6)?,
    })
}

/// Reads an event from a row that begins with its id, room and JSON.
fn pdu(row: &Row<'_>) -> Result<Pdu, StoreError> {
    let text = |index| row.get_ref(index)?.as_str().map_err(StoreError::corrupt);
    Pdu::from_store(text(0)?, text(1)?, text(2)?).map_err(StoreError::corrupt)
}

/// Where a known event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its room.
    pub room_id: String,
    /// The state after it; `None` for an outlier.
    pub state_after: Option<GroupId>,
    /// Whether it was rejected.
    pub rejected: bool,
    /// Whether it is part of what the room shows.
    pub accepted: bool,
}

/// Returns where the event with that id stands, without reading the event; `None` when it is not
/// known.
///
/// # Errors
/// The store refuses.
pub fn place(connection: &Connection, id: &EventId) -> Result<Option<Place>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT state_after, rejected IS NOT NULL, rejected IS NULL AND NOT soft_failed, room_id
             FROM events WHERE event_id = ?1",
        )?
        .query_row([id.as_str()], |row| {
            Ok(Place {
                state_after: row.get(0)?,
                rejected: row.get(1)?,
                accepted: row.get(2)?,
                room_id: row.get(3)?,
            })
        })
        .optional()?)
}

/// Returns the depth of a stored event.
///
/// # Errors
/// The store refuses, or does not hold the event.
pub fn depth(connection: &Connection, id: &EventId) -> Result<u64, StoreError> {
    let depth: i64 = connection
        .prepare_cached("SELECT depth FROM events WHERE event_id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))?;
    Ok(u64::try_from(depth).unwrap_or(0))
}

/// Stores an event; one that is known as an outlier becomes part of the graph when `record` has
/// states.
///
/// # Errors
/// The store refuses.
pub fn put(tx: &Transaction<'_>, record: &StoredEvent) -> Result<(), StoreError> {
    let pdu = &record.pdu;
    let (before, after) = record.states.map(|states| (states.before, states.after)).unzip();
    // Two statements, not an upsert: SQLite keeps a journal of its own for each upsert.
    let is_new =
        tx.prepare_cached(
            "INSERT INTO events
                 (event_id, room_id, json, state_before, state_after, rejected, soft_failed, depth)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (event_id) DO NOTHING",
        )?
        .execute((
            pdu.event_id.as_str(),
            pdu.room_id.as_str(),
            pdu.raw.get(),
            before,
            after,
            &record.rejected,
            record.soft_failed,
            i64::try_from(pdu.depth).unwrap_or(i64::MAX),
        ))? == 1;
    if record.states.is_none() {
        return Ok(());
    }
    if !is_new {
        tx.prepare_cached(
            "UPDATE events SET state_before = ?2, state_after = ?3, rejected = ?4, soft_failed = ?5
             WHERE event_id = ?1 AND state_before IS NULL",
        )?
        .execute((
            pdu.event_id.as_str(),
            before,
            after,
            &record.rejected,
            record.soft_failed,
        ))?;
    }
    let mut edges =
        tx.prepare_cached("INSERT OR IGNORE INTO event_edges (event_id, prev_id) VALUES (?1, ?2)")?;
    for prev in &pdu.prev_events {
        edges.execute((pdu.event_id.as_str(), prev.as_str()))?;
    }
    Ok(())
}

/// Takes back that an event of the graph was refused when it came, and returns whether it had been.
///
/// # Errors
/// The store refuses.
pub fn reinstate(tx: &Transaction<'_>, id: &EventId) -> Result<bool, StoreError> {
    let changed = tx
        .prepare_cached(
            "UPDATE events SET soft_failed = 0, rejected = NULL
             WHERE event_id = ?1 AND state_before IS NOT NULL
                 AND (soft_failed OR rejected IS NOT NULL)",
        )?
        .execute([id.as_str()])?;
    Ok(changed > 0)
}

/// Returns whether an event that the room shows builds directly on the event with that id.
///
/// # Errors
/// The store refuses.
pub fn has_accepted_child(connection: &Connection, id: &EventId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM event_edges JOIN events USING (event_id)
                 WHERE prev_id = ?1 AND rejected IS NULL AND NOT soft_failed
             )",
        )?
        .query_row([id.as_str()], |row| row.get(0))?)
}

/// Returns the events that build directly on the one with that id.
///
/// # Errors
/// The store refuses.
pub fn children(connection: &Connection, id: &EventId) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT event_id FROM event_edges WHERE prev_id = ?1")?;
    let mut rows = statement.query([id.as_str()])?;
    let mut children = Vec::new();
    while let Some(row) = rows.next()? {
        children.push(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
    }
    Ok(children)
}

/// Takes its position from an event.
///
/// # Errors
/// The store refuses.
pub fn take_off_timeline(tx: &Transaction<'_>, id: &EventId) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM timeline WHERE event_id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// Gives the event the next position, or its old one if it has one.
///
/// # Errors
/// The store refuses.
pub fn append(tx: &Transaction<'_>, pdu: &Pdu) -> Result<i64, StoreError> {
    let is_new = tx
        .prepare_cached(
            "INSERT INTO timeline (room_id, event_id) VALUES (?1, ?2)
             ON CONFLICT (event_id) DO NOTHING",
        )?
        .execute((pdu.room_id.as_str(), pdu.event_id.as_str()))?
        == 1;
    if is_new {
        return Ok(tx.last_insert_rowid());
    }
    Ok(tx
        .prepare_cached("SELECT position FROM timeline WHERE event_id = ?1")?
        .query_row([pdu.event_id.as_str()], |row| row.get(0))?)
}

/// Puts the event before everything else in the timeline, with a negative position.
///
/// # Errors
/// The store refuses.
pub fn prepend(tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO timeline (position, room_id, event_id)
         VALUES (min((SELECT coalesce(min(position), 0) FROM timeline), 0) - 1, ?1, ?2)",
    )?
    .execute((pdu.room_id.as_str(), pdu.event_id.as_str()))?;
    Ok(())
}

/// Returns the newest position given out to any event.
///
/// # Errors
/// The store refuses.
pub fn newest_position(connection: &Connection) -> Result<i64, StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'timeline'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or(0))
}

/// Returns the event's position, if it has one.
///
/// # Errors
/// The store refuses.
pub fn position(connection: &Connection, id: &EventId) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT position FROM timeline WHERE event_id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?)
}

/// Returns the rooms in which something happened after the point `since`, ordered by id.
///
/// # Errors
/// The store refuses.
pub fn rooms_since(
    connection: &Connection,
    since: i64,
) -> Result<BTreeSet<OwnedRoomId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT room_id FROM timeline WHERE position > ?1")?;
    let mut rows = statement.query([since])?;
    let mut rooms = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let room = row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?;
        rooms.insert(room.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(rooms)
}

/// Returns whether the event has a position, so that users see it.
///
/// # Errors
/// The store refuses.
pub fn is_visible(connection: &Connection, id: &EventId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM timeline WHERE event_id = ?1")?
        .exists([id.as_str()])?)
}

/// Returns at most `limit` events of the room's timeline with positions in `stretch`, newest first.
///
/// # Errors
/// The store refuses.
pub fn timeline_backwards(
    connection: &Connection,
    room: &RoomId,
    stretch: Range<i64>,
    limit: usize,
) -> Result<Vec<(i64, StoredEvent)>, StoreError> {
    timeline(
        connection,
        "SELECT event_id, e.room_id, json, state_before, state_after, rejected, soft_failed, position
         FROM timeline t JOIN events e USING (event_id)
         WHERE t.room_id = ?1 AND position >= ?2 AND position < ?3
         ORDER BY position DESC LIMIT ?4",
        room,
        stretch,
        limit,
    )
}

/// Returns at most `limit` events of the room's timeline with positions in `stretch`, oldest first.
///
/// # Errors
/// The store refuses.
pub fn timeline_forwards(
    connection: &Connection,
    room: &RoomId,
    stretch: Range<i64>,
    limit: usize,
) -> Result<Vec<(i64, StoredEvent)>, StoreError> {
    timeline(
        connection,
        "SELECT event_id, e.room_id, json, state_before, state_after, rejected, soft_failed, position
         FROM timeline t JOIN events e USING (event_id)
         WHERE t.room_id = ?1 AND position >= ?2 AND position < ?3 ORDER BY position LIMIT ?4",
        room,
        stretch,
        limit,
    )
}

fn timeline(
    connection: &Connection,
    sql: &str,
    room: &RoomId,
    stretch: Range<i64>,
    limit: usize,
) -> Result<Vec<(i64, StoredEvent)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((room.as_str(), stretch.start, stretch.end, limit))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let position = row.get(7)?;
        events.extend(unless_malformed(record(row))?.map(|record| (position, record)));
    }
    Ok(events)
}
