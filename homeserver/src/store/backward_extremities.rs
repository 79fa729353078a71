//! Where the known history of a room ends: events that its graph names as parents and does not
//! hold.

use std::ops::RangeInclusive;

use ruma::{EventId, OwnedEventId, RoomId};
use rusqlite::Connection;
use transport::Transaction;

use super::{StoreError, state::event_id};
use crate::event::Pdu;

/// Returns the ends of the room's known history, at most `limit`, oldest first.
///
/// # Errors
/// The store refuses.
pub fn of_room(
    connection: &Connection,
    room: &RoomId,
    limit: usize,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM backward_extremities WHERE room_id = ?1
         ORDER BY depth, event_id LIMIT ?2",
    )?;
    let mut rows = statement.query((room.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut ends = Vec::new();
    while let Some(row) = rows.next()? {
        ends.push(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
    }
    Ok(ends)
}

/// Returns whether the room's known history ends at the event with that id.
///
/// # Errors
/// The store refuses.
pub fn is_one(connection: &Connection, room: &RoomId, id: &EventId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM backward_extremities WHERE room_id = ?1 AND event_id = ?2")?
        .exists((room.as_str(), id.as_str()))?)
}

/// Returns between which depths those events lie at which the room's known history begins; `None` where
/// all of it is known.
///
/// # Errors
/// The store refuses.
pub fn depths(
    connection: &Connection,
    room: &RoomId,
) -> Result<Option<RangeInclusive<u64>>, StoreError> {
    let (least, greatest): (Option<i64>, Option<i64>) = connection
        .prepare_cached(
            "SELECT min(depth), max(depth) FROM backward_extremities WHERE room_id = ?1",
        )?
        .query_row([room.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let depth = |depth: Option<i64>| depth.and_then(|depth| u64::try_from(depth).ok());
    Ok(depth(least).zip(depth(greatest)).map(|(least, greatest)| least..=greatest))
}

/// Records those parents of an event that are not part of the graph. Call this for every event that
/// becomes part of it without them.
///
/// # Errors
/// The store refuses.
pub fn add_parents_of(tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), StoreError> {
    let mut note = tx.prepare_cached(
        "INSERT OR IGNORE INTO backward_extremities (room_id, event_id, depth)
         SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
             SELECT 1 FROM events WHERE event_id = ?2 AND state_before IS NOT NULL
         )",
    )?;
    let depth = i64::try_from(pdu.depth).unwrap_or(i64::MAX);
    for parent in &pdu.prev_events {
        note.execute((pdu.room_id.as_str(), parent.as_str(), depth))?;
    }
    Ok(())
}

/// Removes an event that is part of the graph now.
///
/// # Errors
/// The store refuses.
pub fn remove(tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM backward_extremities WHERE room_id = ?1 AND event_id = ?2")?
        .execute((pdu.room_id.as_str(), pdu.event_id.as_str()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ruma::{OwnedEventId, room_id};
    use rusqlite::Connection;
    use serde_json::json;
    use transport::Transaction;

    use super::{add_parents_of, of_room, remove};
    use crate::{
        event::Pdu,
        store::events::{self, States, StoredEvent},
    };

    fn event(name: &str, depth: u64, parents: &[&str]) -> Pdu {
        let text = json!({
            "sender": "@user:a", "type": "m.room.message", "content": {}, "origin_server_ts": 0,
            "depth": depth, "prev_events": parents, "auth_events": [],
        });
        Pdu::from_store(name, "!room:a", &text.to_string()).expect("it is an event")
    }

    fn put(tx: &Transaction<'_>, pdu: &Pdu) {
        let states = Some(States { before: 0, after: 0 });
        let record = StoredEvent { pdu: pdu.clone(), states, rejected: None, soft_failed: false };
        events::put(tx, &record).expect("it is stored");
    }

    fn ends(connection: &Connection) -> Vec<OwnedEventId> {
        of_room(connection, room_id!("!room:a"), 10).expect("they can be read")
    }

    #[test]
    fn history_ends_where_a_parent_is_not_known_until_it_is() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let core = include_str!("01_core.sql");
        connection.execute_batch(core).expect("tables");
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        put(&tx, &event("$late", 9, &["$middle", "$lost"]));
        put(&tx, &event("$middle", 5, &["$early"]));
        // A database of before the table is brought up to date.
        tx.execute_batch(include_str!("05_backward_extremities.sql")).expect("the table");
        assert_eq!(ends(&tx), ["$early", "$lost"]);

        let early = event("$early", 4, &["$middle", "$first"]);
        put(&tx, &early);
        add_parents_of(&tx, &early).expect("they are noted");
        remove(&tx, &early).expect("it is an end no more");
        assert_eq!(ends(&tx), ["$first", "$lost"]);
    }
}
