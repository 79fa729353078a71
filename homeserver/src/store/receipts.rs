//! Receipts: how far users have read.

use ruma::{EventId, OwnedRoomId, RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value, json};
use transport::Transaction;

use super::{StoreError, side};

/// A receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt<'a> {
    pub(crate) room: &'a RoomId,
    /// `m.read` or `m.read.private`.
    pub(crate) kind: &'a str,
    pub(crate) user: &'a UserId,
    /// The thread that it is of, or empty.
    pub(crate) thread: &'a str,
    pub(crate) event: &'a EventId,
    /// Milliseconds since the epoch, as its sender says.
    pub(crate) ts: i64,
}

/// The receipt that nobody but its user sees.
pub(crate) const PRIVATE: &str = "m.read.private";

/// What belongs to no thread, as a thread.
const MAIN: &str = "main";

/// Threads of a room of which one user's receipts are kept, the latest of them: whoever reads the room is
/// told all.
const MAX_THREADS: i64 = 200;

/// Keeps a receipt in the place of the user's last one.
pub(crate) fn put(tx: &Transaction<'_>, receipt: &Receipt<'_>) -> Result<(), StoreError> {
    let Receipt { room, kind, user, thread, event, ts } = *receipt;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO receipts (room_id, kind, user_id, thread, event_id, ts, sequence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        room.as_str(),
        kind,
        user.as_str(),
        thread,
        event.as_str(),
        ts,
        side::next(tx)?,
    ))?;
    if !matches!(thread, "" | MAIN) {
        tx.prepare_cached(
            "DELETE FROM receipts
             WHERE room_id = ?1 AND kind = ?2 AND user_id = ?3 AND thread NOT IN ('', ?5)
                 AND sequence <= (
                 SELECT sequence FROM receipts
                 WHERE room_id = ?1 AND kind = ?2 AND user_id = ?3 AND thread NOT IN ('', ?5)
                 ORDER BY sequence DESC LIMIT 1 OFFSET ?4)",
        )?
        .execute((room.as_str(), kind, user.as_str(), MAX_THREADS, MAIN))?;
    }
    Ok(())
}

/// Returns the rooms with receipts after `since`.
pub(crate) fn rooms_since(
    connection: &Connection,
    since: i64,
) -> Result<Vec<OwnedRoomId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT room_id FROM receipts WHERE sequence > ?1 ORDER BY room_id",
    )?;
    let mut rows = statement.query([since])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(rooms)
}

/// Returns the receipts of a room after `since` that `reader` may see, as the content of `m.receipt`;
/// `None` if there are none.
pub(crate) fn content_since(
    connection: &Connection,
    room: &RoomId,
    since: i64,
    reader: &UserId,
) -> Result<Option<Value>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id, kind, user_id, thread, ts FROM receipts
         WHERE room_id = ?1 AND sequence > ?2 AND (kind <> ?3 OR user_id = ?4)
         ORDER BY sequence",
    )?;
    let mut rows = statement.query((room.as_str(), since, PRIVATE, reader.as_str()))?;
    let mut content = Map::new();
    while let Some(row) = rows.next()? {
        let [event, kind, user, thread]: [String; 4] =
            [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let mut receipt = json!({ "ts": row.get::<_, i64>(4)? });
        if !thread.is_empty() {
            receipt["thread_id"] = thread.into();
        }
        content.entry(event).or_insert_with(|| json!({}))[kind][user] = receipt;
    }
    Ok((!content.is_empty()).then_some(Value::Object(content)))
}

/// Returns the position of the newest event that a user has read; receipts of single threads do not
/// count.
pub(crate) fn read_up_to(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<i64>, StoreError> {
    // One after the other, because SQLite would make a table of its own for a list.
    let mut statement = connection.prepare_cached(
        "SELECT position FROM receipts JOIN timeline USING (event_id)
         WHERE receipts.room_id = ?1 AND kind = ?2 AND user_id = ?3 AND thread = ?4",
    )?;
    let mut newest = None;
    for kind in ["m.read", PRIVATE] {
        for thread in ["", MAIN] {
            let of = (room.as_str(), kind, user.as_str(), thread);
            let read: Option<i64> = statement.query_row(of, |row| row.get(0)).optional()?;
            newest = newest.max(read);
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_invents_threads_without_end_has_the_latest_receipts_kept() {
        let mut connection = crate::store::in_memory();
        let tx = Transaction::begin(&mut connection).unwrap();
        let (room, user) = (ruma::room_id!("!r:a.test"), ruma::user_id!("@eve:e.test"));
        let event = ruma::event_id!("$read");
        let read = |thread: &str| {
            put(&tx, &Receipt { room, kind: "m.read", user, thread, event, ts: 0 }).unwrap();
        };
        read("");
        read(MAIN);
        for number in 0..300 {
            read(&format!("$thread{number}"));
        }
        let count = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM receipts"), MAX_THREADS + 2);
        assert_eq!(count("SELECT count(*) FROM receipts WHERE thread = '$thread299'"), 1);
        assert_eq!(count("SELECT count(*) FROM receipts WHERE thread IN ('', 'main')"), 2);
    }
}
