//! Joins through another server that have begun and are not finished: that server may count the user
//! in, whether or not its answer came.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId};
use rusqlite::Connection;
use transport::Transaction;

use super::StoreError;

/// A join that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingJoin {
    /// The room.
    pub room_id: OwnedRoomId,
    /// Who joins.
    pub user_id: OwnedUserId,
    /// The server asked to let the user in.
    pub server: OwnedServerName,
}

/// Records that `user` is about to ask `server` to be let into `room`.
///
/// # Errors
/// The store refuses.
pub fn begin(
    tx: &Transaction<'_>,
    room: &RoomId,
    user: &UserId,
    server: &ServerName,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO pending_joins (room_id, user_id, server) VALUES (?1, ?2, ?3)",
    )?
    .execute((room.as_str(), user.as_str(), server.as_str()))?;
    Ok(())
}

/// Forgets the joins of `user` to `room`: the user is in; or, of one `server`, was surely not let in.
///
/// # Errors
/// The store refuses.
pub fn end(
    tx: &Transaction<'_>,
    room: &RoomId,
    user: &UserId,
    server: Option<&ServerName>,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM pending_joins
         WHERE room_id = ?1 AND user_id = ?2 AND (?3 IS NULL OR server = ?3)",
    )?
    .execute((room.as_str(), user.as_str(), server.map(ServerName::as_str)))?;
    Ok(())
}

/// Returns how many joins are not finished, by the server that was asked.
///
/// # Errors
/// The store refuses.
pub fn counts(connection: &Connection) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT server, count(*) FROM pending_joins GROUP BY server")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns every join that is not finished.
///
/// # Errors
/// The store refuses.
pub fn all(connection: &Connection) -> Result<Vec<PendingJoin>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id, user_id, server FROM pending_joins ORDER BY room_id, user_id, server",
    )?;
    let mut rows = statement.query([])?;
    let mut joins = Vec::new();
    while let Some(row) = rows.next()? {
        let [room_id, user_id, server]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        joins.push(PendingJoin {
            room_id: room_id.try_into().map_err(StoreError::corrupt)?,
            user_id: user_id.try_into().map_err(StoreError::corrupt)?,
            server: server.try_into().map_err(StoreError::corrupt)?,
        });
    }
    Ok(joins)
}
