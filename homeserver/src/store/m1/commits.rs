//! The commits that an owner has not told every member backend.

use std::collections::BTreeSet;

use ruma::{OwnedServerName, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use crate::{event::Pdu, store::StoreError};

/// A commit that a destination has not acknowledged.
pub(crate) struct Commit {
    pub(crate) sequence: i64,
    pub(crate) room_id: String,
    pub(crate) event_id: String,
}

/// Records that this server owes `destination` the commit of `event`.
pub(crate) fn oblige(
    tx: &Transaction<'_>,
    destination: &ServerName,
    event: &Pdu,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO m1_commits (destination, room_id, event_id) VALUES (?1, ?2, ?3)",
    )?
    .execute((destination.as_str(), event.room_id.as_str(), event.event_id.as_str()))?;
    Ok(())
}

/// Returns the oldest commit that `destination` has not acknowledged, but for those of the rooms
/// `except`.
pub(crate) fn first_commit(
    connection: &Connection,
    destination: &ServerName,
    except: &BTreeSet<String>,
) -> Result<Option<Commit>, StoreError> {
    let except = serde_json::to_string(except).expect("texts are JSON");
    Ok(connection
        .prepare_cached(
            "SELECT sequence, room_id, event_id FROM m1_commits
             WHERE destination = ?1 AND room_id NOT IN (SELECT value FROM json_each(?2))
             ORDER BY sequence LIMIT 1",
        )?
        .query_row([destination.as_str(), &except], |row| {
            Ok(Commit { sequence: row.get(0)?, room_id: row.get(1)?, event_id: row.get(2)? })
        })
        .optional()?)
}

/// Returns the newest commit of a room that `destination` has not acknowledged.
pub(super) fn last_commit(
    connection: &Connection,
    destination: &ServerName,
    room_id: &RoomId,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT MAX(sequence) FROM m1_commits WHERE destination = ?1 AND room_id = ?2",
        )?
        .query_row([destination.as_str(), room_id.as_str()], |row| row.get(0))?)
}

/// Returns whether `destination` has acknowledged all commits of a room up to `last`.
pub(crate) fn is_told(
    connection: &Connection,
    destination: &ServerName,
    room_id: &RoomId,
    last: i64,
) -> Result<bool, StoreError> {
    Ok(!connection
        .prepare_cached(
            "SELECT 1 FROM m1_commits WHERE destination = ?1 AND room_id = ?2 AND sequence <= ?3",
        )?
        .exists((destination.as_str(), room_id.as_str(), last))?)
}

/// Returns every destination that has not acknowledged some commit.
pub(crate) fn owed(connection: &Connection) -> Result<Vec<OwnedServerName>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT DISTINCT destination FROM m1_commits ORDER BY destination")?;
    let mut rows = statement.query([])?;
    let mut destinations = Vec::new();
    while let Some(row) = rows.next()? {
        destinations.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(destinations)
}

/// Strikes a commit that `destination` has acknowledged, and returns what it is owed next, but for
/// the rooms `except`.
pub(crate) fn strike(
    tx: &Transaction<'_>,
    destination: &ServerName,
    commit: &Commit,
    except: &BTreeSet<String>,
) -> Result<Option<Commit>, StoreError> {
    tx.prepare_cached("DELETE FROM m1_commits WHERE sequence = ?1")?.execute([commit.sequence])?;
    first_commit(tx, destination, except)
}
