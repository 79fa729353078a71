//! Events that say of themselves that they belong to another one, and events by their time.

use ruma::{OwnedEventId, RoomId};
use rusqlite::Connection;
use transport::Transaction;

use super::{StoreError, state::event_id};
use crate::event::Pdu;

/// Bytes of the name of a relation.
const MAX_NAME: usize = 255;

/// Takes note of what an event says that it belongs to.
pub(crate) fn put(tx: &Transaction<'_>, event: &Pdu, position: i64) -> Result<(), StoreError> {
    let relates = &event.content["m.relates_to"];
    let (Some(parent), Some(relation)) =
        (relates["event_id"].as_str(), relates["rel_type"].as_str())
    else {
        return Ok(());
    };
    if parent.len() > MAX_NAME || relation.len() > MAX_NAME {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT OR IGNORE INTO event_relations
             (parent_id, position, event_id, room_id, relation, kind, sender)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        parent,
        position,
        event.event_id.as_str(),
        event.room_id.as_str(),
        relation,
        &event.kind,
        event.sender.as_str(),
    ))?;
    Ok(())
}

/// Which children of an event are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) parent: OwnedEventId,
    pub(crate) relation: Option<String>,
    pub(crate) kind: Option<String>,
    /// Newest first, before this position; or oldest first, after it.
    pub(crate) forwards: bool,
    pub(crate) from: Option<i64>,
}

/// Returns at most `limit` children of an event, with their positions.
pub(crate) fn children(
    connection: &Connection,
    wanted: &Wanted,
    limit: usize,
) -> Result<Vec<(i64, OwnedEventId)>, StoreError> {
    let sql = if wanted.forwards {
        "SELECT position, event_id FROM event_relations
         WHERE parent_id = ?1 AND relation = coalesce(?2, relation) AND kind = coalesce(?3, kind)
             AND position > coalesce(?4, -9223372036854775808) ORDER BY position LIMIT ?5"
    } else {
        "SELECT position, event_id FROM event_relations
         WHERE parent_id = ?1 AND relation = coalesce(?2, relation) AND kind = coalesce(?3, kind)
             AND position < coalesce(?4, 9223372036854775807) ORDER BY position DESC LIMIT ?5"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let of = (wanted.parent.as_str(), &wanted.relation, &wanted.kind, wanted.from, limit);
    let mut rows = statement.query(of)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, event_id(&row.get::<_, String>(1)?)?));
    }
    Ok(found)
}

/// A thread, as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) root: OwnedEventId,
    pub(crate) latest: OwnedEventId,
    pub(crate) latest_position: i64,
    pub(crate) count: i64,
    /// Whether the user asked about has said something in it.
    pub(crate) participated: bool,
}

/// Returns at most `limit` threads of a room whose latest events are before `from`, latest first.
pub(crate) fn threads(
    connection: &Connection,
    room: &RoomId,
    user: &str,
    from: Option<i64>,
    limit: usize,
) -> Result<Vec<Thread>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT parent_id, max(position), event_id, count(*), max(sender = ?2)
         FROM event_relations WHERE room_id = ?1 AND relation = 'm.thread'
         GROUP BY parent_id HAVING max(position) < coalesce(?3, 9223372036854775807)
         ORDER BY max(position) DESC LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((room.as_str(), user, from, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Thread {
            root: event_id(&row.get::<_, String>(0)?)?,
            latest_position: row.get(1)?,
            latest: event_id(&row.get::<_, String>(2)?)?,
            count: row.get(3)?,
            participated: row.get(4)?,
        });
    }
    Ok(found)
}

/// Events that are looked through for one at a time.
const MAX_LOOKED_AT: i64 = 5000;

/// Events near a time that are looked at, for one that its reader sees.
const MAX_NEAR: i64 = 100;

/// An event of a timeline, and when it was sent.
#[derive(Debug)]
pub(crate) struct Timed {
    /// Its place in the timeline.
    pub(crate) position: i64,
    /// Its id.
    pub(crate) event_id: OwnedEventId,
    /// Milliseconds since the epoch, by its sender's clock.
    pub(crate) ts: i64,
}

/// Returns the events of a room's timeline at a time or on one side of it, the nearest first. Of a long
/// room, the newest events are looked through.
pub(crate) fn near(
    connection: &Connection,
    room: &RoomId,
    ts: i64,
    forwards: bool,
) -> Result<Vec<Timed>, StoreError> {
    let sql = if forwards {
        "SELECT position, event_id, ts FROM (
             SELECT position, event_id, json_extract(json, '$.origin_server_ts') AS ts
             FROM timeline t JOIN events e USING (event_id)
             WHERE t.room_id = ?1 AND rejected IS NULL AND NOT soft_failed
             ORDER BY position DESC LIMIT ?3
         ) WHERE ts >= ?2 ORDER BY ts LIMIT ?4"
    } else {
        "SELECT position, event_id, ts FROM (
             SELECT position, event_id, json_extract(json, '$.origin_server_ts') AS ts
             FROM timeline t JOIN events e USING (event_id)
             WHERE t.room_id = ?1 AND rejected IS NULL AND NOT soft_failed
             ORDER BY position DESC LIMIT ?3
         ) WHERE ts <= ?2 ORDER BY ts DESC LIMIT ?4"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((room.as_str(), ts, MAX_LOOKED_AT, MAX_NEAR))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let event_id = event_id(&row.get::<_, String>(1)?)?;
        found.push(Timed { position: row.get(0)?, event_id, ts: row.get(2)? });
    }
    Ok(found)
}

/// Returns at most `limit` messages of a room whose text contains `term`, newest first, before `from`.
pub(crate) fn search(
    connection: &Connection,
    room: &RoomId,
    term: &str,
    from: Option<i64>,
    limit: usize,
) -> Result<Vec<(i64, OwnedEventId)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, event_id FROM timeline t JOIN events e USING (event_id)
         WHERE t.room_id = ?1 AND position < coalesce(?3, 9223372036854775807)
             AND rejected IS NULL AND NOT soft_failed
             AND instr(lower(coalesce(json_extract(json, '$.content.body'), '')), lower(?2))
         ORDER BY position DESC LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((room.as_str(), term, from, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, event_id(&row.get::<_, String>(1)?)?));
    }
    Ok(found)
}

/// Takes note that a user has forgotten a room that they left at `position`.
pub(crate) fn forget(
    tx: &Transaction<'_>,
    user: &str,
    room: &RoomId,
    position: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO forgotten_rooms (user_id, room_id, position) VALUES (?1, ?2, ?3)",
    )?
    .execute((user, room.as_str(), position))?;
    Ok(())
}

/// Returns whether a user has forgotten a room since they left it at `position`.
pub(crate) fn is_forgotten(
    connection: &Connection,
    user: &str,
    room: &RoomId,
    position: i64,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM forgotten_rooms WHERE user_id = ?1 AND room_id = ?2 AND position = ?3",
        )?
        .exists((user, room.as_str(), position))?)
}
