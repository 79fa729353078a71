//! Which event redacts which, whichever of the two comes first.

use ruma::{EventId, OwnedEventId, RoomId};
use rusqlite::Connection;
use transport::Transaction;

use super::{StoreError, state::event_id};
use crate::event::Pdu;

/// Records that an event of a room says that it redacts `target`.
///
/// # Errors
/// The store refuses.
pub fn put(
    tx: &Transaction<'_>,
    room: &RoomId,
    target: &EventId,
    redaction: &EventId,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO redactions (target, redaction, room_id) VALUES (?1, ?2, ?3)",
    )?
    .execute((target.as_str(), redaction.as_str(), room.as_str()))?;
    Ok(())
}

/// Returns the events of a room that say that they redact `target`, ordered by id.
///
/// # Errors
/// The store refuses.
pub fn of(
    connection: &Connection,
    room: &RoomId,
    target: &EventId,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT redaction FROM redactions WHERE target = ?1 AND room_id = ?2 ORDER BY redaction",
    )?;
    let mut rows = statement.query((target.as_str(), room.as_str()))?;
    let mut redactions = Vec::new();
    while let Some(row) = rows.next()? {
        redactions.push(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
    }
    Ok(redactions)
}

/// Replaces a stored event by what is left of it, and by which event it was redacted.
///
/// # Errors
/// The store refuses.
pub fn replace(tx: &Transaction<'_>, left: &Pdu, because: &Pdu) -> Result<(), StoreError> {
    let mut stored = left.json.clone();
    let because = because.client_format().get();
    let because = serde_json::from_str(because).map_err(StoreError::corrupt)?;
    let unsigned = [("redacted_because".to_owned(), because)].into_iter().collect();
    stored.insert("unsigned".to_owned(), ruma::CanonicalJsonValue::Object(unsigned));
    let text = serde_json::to_string(&stored).map_err(StoreError::corrupt)?;
    tx.prepare_cached("UPDATE events SET json = ?2 WHERE event_id = ?1")?
        .execute((left.event_id.as_str(), text))?;
    Ok(())
}
