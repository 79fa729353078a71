//! Events of gaps that are not closed yet: fetched and verified, not part of any room's graph.

use ruma::EventId;
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;
use crate::event::Pdu;

/// Events kept per room; what a longer gap lacks is fetched again.
const MAX_KEPT: usize = 100_000;

/// Returns the event with that id, if it was kept.
///
/// # Errors
/// The store refuses.
pub fn find(connection: &Connection, id: &EventId) -> Result<Option<Pdu>, StoreError> {
    let found: Option<(String, String)> = connection
        .prepare_cached("SELECT room_id, json FROM gap_events WHERE event_id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // What is stored malformed is fetched again.
    Ok(found.and_then(|(room, json)| Pdu::from_store(id.as_str(), &room, &json).ok()))
}

/// Keeps events of one gap, and forgets those of its room that are part of the graph by now.
///
/// # Errors
/// The store refuses.
pub fn keep<'p>(
    tx: &Transaction<'_>,
    events: impl IntoIterator<Item = &'p Pdu>,
) -> Result<(), StoreError> {
    let mut events = events.into_iter().peekable();
    let Some(room) = events.peek().map(|pdu| pdu.room_id.as_str()) else { return Ok(()) };
    tx.prepare_cached(
        "DELETE FROM gap_events WHERE room_id = ?1 AND event_id IN
             (SELECT event_id FROM events WHERE state_before IS NOT NULL)",
    )?
    .execute([room])?;
    let kept: i64 = tx
        .prepare_cached("SELECT count(*) FROM gap_events WHERE room_id = ?1")?
        .query_row([room], |row| row.get(0))?;
    let room_left = MAX_KEPT.saturating_sub(usize::try_from(kept).unwrap_or(MAX_KEPT));
    let mut keep = tx.prepare_cached(
        "INSERT OR IGNORE INTO gap_events (event_id, room_id, json) VALUES (?1, ?2, ?3)",
    )?;
    for pdu in events.take(room_left) {
        keep.execute((pdu.event_id.as_str(), pdu.room_id.as_str(), pdu.raw.get()))?;
    }
    Ok(())
}
