//! The events that this server has voted for. They are hidden until their owner has decided.

use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use crate::{event::Pdu, store::StoreError};

/// An event that is voted for and hidden.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) event_id: OwnedEventId,
    pub(crate) room_id: OwnedRoomId,
    pub(crate) owner: OwnedServerName,
}

/// Hides an event that this server is about to vote for.
pub(crate) fn hide(
    tx: &Transaction<'_>,
    event: &Pdu,
    owner: &ServerName,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO m1_prepared (event_id, room_id, owner, event, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET event = excluded.event WHERE room_id = excluded.room_id",
    )?
    .execute((
        event.event_id.as_str(),
        event.room_id.as_str(),
        owner.as_str(),
        event.raw.get(),
        now_ms,
    ))?;
    Ok(())
}

/// Returns a hidden event of the room `room_id`.
pub(crate) fn hidden(
    connection: &Connection,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<Option<Pdu>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT event FROM m1_prepared WHERE event_id = ?1 AND room_id = ?2")?
        .query_row((event_id.as_str(), room_id.as_str()), |row| row.get(0))
        .optional()?;
    // What is stored malformed is lost, and its owner hands it over once more.
    Ok(found.and_then(|json| {
        Pdu::from_store(event_id.as_str(), room_id.as_str(), &json)
            .inspect_err(|error| tracing::error!(%error, "a hidden event is stored malformed"))
            .ok()
    }))
}

/// Forgets a hidden event of a room: it is visible now, or aborted. Returns whether it was hidden:
/// an event of another room is not, whoever names it.
pub(crate) fn unhide(
    tx: &Transaction<'_>,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<bool, StoreError> {
    let forgotten = tx
        .prepare_cached("DELETE FROM m1_prepared WHERE event_id = ?1 AND room_id = ?2")?
        .execute([event_id.as_str(), room_id.as_str()])?;
    Ok(forgotten > 0)
}

/// Returns how many events of a room this server has voted for, and are hidden.
pub(crate) fn count_voted(connection: &Connection, room_id: &RoomId) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM m1_prepared p WHERE room_id = ?1
             AND NOT EXISTS (SELECT 1 FROM events e WHERE e.event_id = p.event_id)",
        )?
        .query_row([room_id.as_str()], |row| row.get(0))?)
}

/// Returns how many events of a room came past its owner, which is asked about them.
pub(crate) fn count_asked_about(
    connection: &Connection,
    room_id: &RoomId,
) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM m1_prepared JOIN events USING (event_id) WHERE m1_prepared.room_id = ?1")?
        .query_row([room_id.as_str()], |row| row.get(0))?)
}

/// Returns every hidden event in the order in which they came, and parents before what builds on them.
pub(crate) fn all_hidden(connection: &Connection) -> Result<Vec<Prepared>, StoreError> {
    let rows: Vec<(String, String, String)> = connection
        .prepare_cached(
            "SELECT p.event_id, p.room_id, p.owner FROM m1_prepared p LEFT JOIN events e USING (event_id)
             ORDER BY p.created_ms, e.depth, p.event_id",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    prepared(rows)
}

/// Returns up to `most` events of a room that came past its owner, which is asked about them: parents
/// first.
pub(crate) fn asked_about(
    connection: &Connection,
    room_id: &RoomId,
    most: usize,
) -> Result<Vec<Prepared>, StoreError> {
    let rows: Vec<(String, String, String)> = connection
        .prepare_cached(
            "SELECT p.event_id, p.room_id, p.owner FROM m1_prepared p JOIN events USING (event_id)
             WHERE p.room_id = ?1 ORDER BY events.depth, p.event_id LIMIT ?2",
        )?
        .query_map((room_id.as_str(), i64::try_from(most).unwrap_or(i64::MAX)), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    prepared(rows)
}

fn prepared(rows: Vec<(String, String, String)>) -> Result<Vec<Prepared>, StoreError> {
    rows.into_iter()
        .map(|(event_id, room_id, owner)| {
            Ok(Prepared {
                event_id: event_id.try_into().map_err(StoreError::corrupt)?,
                room_id: room_id.try_into().map_err(StoreError::corrupt)?,
                owner: owner.try_into().map_err(StoreError::corrupt)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::in_memory;

    #[test]
    fn the_owner_of_another_room_cannot_undo_a_vote() {
        let mut connection = in_memory();
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        tx.execute(
            "INSERT INTO m1_prepared (event_id, room_id, owner, event, created_ms)
             VALUES ('$voted', '!asked', 'a.test', '{}', 0)",
            [],
        )
        .expect("hidden");
        let event_id = ruma::event_id!("$voted");
        assert!(!unhide(&tx, ruma::room_id!("!other"), event_id).expect("an answer"));
        let hidden = |tx: &Transaction<'_>| all_hidden(tx).expect("a list").len();
        assert_eq!(hidden(&tx), 1);
        assert!(unhide(&tx, ruma::room_id!("!asked"), event_id).expect("an answer"));
        assert_eq!(hidden(&tx), 0);
    }
}
