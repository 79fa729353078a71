//! The servers that this one has let into a room.

use ruma::{OwnedEventId, OwnedServerName, RoomId};
use rusqlite::Connection;
use transport::Transaction;

use super::{StoreError, state::event_id};
use crate::event::Pdu;

/// A server, and the join that brought it into a room last.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The server.
    pub server: OwnedServerName,
    /// Its user who joined.
    pub user_id: String,
    /// The join.
    pub event_id: OwnedEventId,
    /// The depth of the join.
    pub depth: u64,
}

/// Records that the join `pdu` brought its sender's server into the room.
///
/// # Errors
/// The store refuses.
pub fn put(tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO guests (room_id, server, user_id, event_id, depth)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        pdu.room_id.as_str(),
        pdu.sender.server_name().as_str(),
        pdu.sender.as_str(),
        pdu.event_id.as_str(),
        i64::try_from(pdu.depth).unwrap_or(i64::MAX),
    ))?;
    Ok(())
}

/// Returns the servers that this one has let into the room, by name.
///
/// # Errors
/// The store refuses.
pub fn of_room(connection: &Connection, room: &RoomId) -> Result<Vec<Guest>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT server, user_id, event_id, depth FROM guests WHERE room_id = ?1 ORDER BY server",
    )?;
    let mut rows = statement.query([room.as_str()])?;
    let mut guests = Vec::new();
    while let Some(row) = rows.next()? {
        let depth: i64 = row.get(3)?;
        guests.push(Guest {
            server: row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?,
            user_id: row.get(1)?,
            event_id: event_id(row.get_ref(2)?.as_str().map_err(StoreError::corrupt)?)?,
            depth: u64::try_from(depth).unwrap_or(0),
        });
    }
    Ok(guests)
}
