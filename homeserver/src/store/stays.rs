//! When this server's users were in which room: what happened there meanwhile is theirs to be
//! notified of, once for all their devices.

use defects::{Defect, planted};
use ruma::{RoomId, UserId};
use rusqlite::Connection;
use transport::Transaction;

use super::{StoreError, events};

/// Takes note of what a user is in a room since `position`; 0 for a state learned as a whole, which
/// is so from now on.
///
/// # Errors
/// The store refuses.
pub(crate) fn keep(
    tx: &Transaction<'_>,
    room: &RoomId,
    user: &UserId,
    membership: &str,
    position: i64,
) -> Result<(), StoreError> {
    let is_local =
        tx.prepare_cached("SELECT 1 FROM users WHERE user_id = ?1")?.exists([user.as_str()])?;
    if !is_local {
        return Ok(());
    }
    let before = if position > 0 { position - 1 } else { events::newest_position(tx)? };
    if membership == "join" {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO stays (user_id, room_id, from_position) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (
                 SELECT 1 FROM stays
                 WHERE user_id = ?1 AND room_id = ?2 AND until_position IS NULL
             )",
        )?
        .execute((user.as_str(), room.as_str(), before))?;
    } else if !(membership == "leave" && planted(Defect::WhoLeftIsStillNotified)) {
        tx.prepare_cached(
            "UPDATE stays SET until_position = ?3
             WHERE user_id = ?1 AND room_id = ?2 AND until_position IS NULL",
        )?
        .execute((user.as_str(), room.as_str(), before))?;
    }
    Ok(())
}

/// Returns the position after which the user has been in the room; 0 if that is not known.
///
/// # Errors
/// The store refuses.
pub(crate) fn current_from(
    connection: &Connection,
    user: &UserId,
    room: &RoomId,
) -> Result<i64, StoreError> {
    let from: Option<i64> = connection
        .prepare_cached(
            "SELECT max(from_position) FROM stays
             WHERE user_id = ?1 AND room_id = ?2 AND until_position IS NULL",
        )?
        .query_row((user.as_str(), room.as_str()), |row| row.get(0))?;
    Ok(from.unwrap_or(0))
}

/// Takes note of the rooms in which a user is that this server did not have until now.
///
/// # Errors
/// The store refuses.
pub(crate) fn take_up(tx: &Transaction<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(
        "INSERT OR IGNORE INTO stays (user_id, room_id, from_position)
         SELECT user_id, room_id, ?2 FROM room_memberships
         WHERE user_id = ?1 AND membership = 'join'",
        (user.as_str(), events::newest_position(tx)?),
    )?;
    Ok(())
}
