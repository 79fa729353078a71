//! Names of rooms at this server, and the rooms that it lists for everybody.

use ruma::{OwnedRoomId, RoomId};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// Aliases of one room.
const MAX_OF_ROOM: i64 = 1000;

/// An alias, by whom it was made.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) room_id: OwnedRoomId,
    pub(crate) creator: String,
}

/// Names a room. False if the alias is taken, or the room has too many.
pub(crate) fn put(
    tx: &Transaction<'_>,
    alias: &str,
    room: &RoomId,
    creator: &str,
) -> Result<bool, StoreError> {
    if of_room(tx, room)?.len() >= usize::try_from(MAX_OF_ROOM).unwrap_or(usize::MAX) {
        return Ok(false);
    }
    let added = tx
        .prepare_cached(
            "INSERT INTO room_aliases (alias, room_id, creator) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
        )?
        .execute((alias, room.as_str(), creator))?;
    Ok(added == 1)
}

/// Returns what an alias names.
pub(crate) fn find(connection: &Connection, alias: &str) -> Result<Option<Alias>, StoreError> {
    let found: Option<(String, String)> = connection
        .prepare_cached("SELECT room_id, creator FROM room_aliases WHERE alias = ?1")?
        .query_row([alias], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let read = |(room, creator): (String, String)| {
        Ok(Alias { room_id: room.try_into().map_err(StoreError::corrupt)?, creator })
    };
    found.map(read).transpose()
}

/// Forgets an alias.
pub(crate) fn remove(tx: &Transaction<'_>, alias: &str) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM room_aliases WHERE alias = ?1")?.execute([alias])?;
    Ok(())
}

/// Returns the aliases of a room at this server, in their order.
pub(crate) fn of_room(connection: &Connection, room: &RoomId) -> Result<Vec<String>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT alias FROM room_aliases WHERE room_id = ?1 ORDER BY alias")?;
    let rows = statement.query_map([room.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Lists a room for everybody, or does so no more.
pub(crate) fn list(tx: &Transaction<'_>, room: &RoomId, is_listed: bool) -> Result<(), StoreError> {
    let sql = if is_listed {
        "INSERT OR IGNORE INTO public_rooms (room_id) VALUES (?1)"
    } else {
        "DELETE FROM public_rooms WHERE room_id = ?1"
    };
    tx.prepare_cached(sql)?.execute([room.as_str()])?;
    Ok(())
}

/// Returns whether a room is listed.
pub(crate) fn is_listed(connection: &Connection, room: &RoomId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM public_rooms WHERE room_id = ?1")?
        .exists([room.as_str()])?)
}

/// Returns at most `limit` of the listed rooms after `after`, ordered by id.
pub(crate) fn listed(
    connection: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<OwnedRoomId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id FROM public_rooms WHERE room_id > ?1 ORDER BY room_id LIMIT ?2",
    )?;
    let mut rows = statement.query((after, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(rooms)
}

/// Returns how many rooms are listed.
pub(crate) fn count_listed(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM public_rooms")?
        .query_row([], |row| row.get(0))?)
}
