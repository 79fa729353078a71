//! Who shares a room with whom: who is told of a user's devices, receipts and presence.

use std::collections::BTreeSet;

use ruma::{OwnedServerName, OwnedUserId, RoomId, ServerName, UserId};
use rusqlite::Connection;

use super::StoreError;

/// Returns the other servers with a user in a room that `user` is in.
pub(crate) fn servers_of(
    connection: &Connection,
    own: &ServerName,
    user: &UserId,
) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT theirs.server FROM room_memberships mine
         JOIN room_memberships theirs USING (room_id)
         WHERE mine.user_id = ?1 AND mine.membership = 'join' AND theirs.membership = 'join'
             AND theirs.server <> ?2",
    )?;
    let mut rows = statement.query((user.as_str(), own.as_str()))?;
    let mut servers = BTreeSet::new();
    while let Some(row) = rows.next()? {
        servers.insert(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(servers)
}

/// Returns the users of `server` in a room that `user` is in, and `user` if it is one of them.
pub(crate) fn users_near(
    connection: &Connection,
    server: &ServerName,
    user: &UserId,
) -> Result<BTreeSet<OwnedUserId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT theirs.user_id FROM room_memberships mine
         JOIN room_memberships theirs USING (room_id)
         WHERE mine.user_id = ?1 AND mine.membership = 'join' AND theirs.membership = 'join'
             AND theirs.server = ?2",
    )?;
    let mut rows = statement.query((user.as_str(), server.as_str()))?;
    let mut users = BTreeSet::new();
    while let Some(row) = rows.next()? {
        users.insert(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    if user.server_name() == server {
        users.insert(user.to_owned());
    }
    Ok(users)
}

/// Returns whether a user of `server` is in a room with a user of `own`.
pub(crate) fn is_near(
    connection: &Connection,
    own: &ServerName,
    server: &ServerName,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM room_memberships theirs JOIN room_memberships mine USING (room_id)
             WHERE theirs.server = ?2 AND theirs.membership = 'join' AND mine.server = ?1
                 AND mine.membership = 'join' LIMIT 1",
        )?
        .exists((own.as_str(), server.as_str()))?)
}

/// Returns whether two users are in a room together; everybody is with themselves.
pub(crate) fn are_near(
    connection: &Connection,
    one: &UserId,
    other: &UserId,
) -> Result<bool, StoreError> {
    if one == other {
        return Ok(true);
    }
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM room_memberships mine JOIN room_memberships theirs USING (room_id)
             WHERE mine.user_id = ?1 AND mine.membership = 'join'
                 AND theirs.user_id = ?2 AND theirs.membership = 'join'",
        )?
        .exists((one.as_str(), other.as_str()))?)
}

/// Returns how many users are joined to a room, and how many are invited.
pub(crate) fn counts(connection: &Connection, room: &RoomId) -> Result<(i64, i64), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM room_memberships WHERE room_id = ?1 AND membership = ?2",
    )?;
    let mut count = |membership: &str| {
        statement.query_row((room.as_str(), membership), |row| row.get::<_, i64>(0))
    };
    Ok((count("join")?, count("invite")?))
}

/// Returns at most `limit` other users who are joined to a room or invited, or else have left it, in
/// the order of their ids: by whom a room without a name is called (client-server API, `m.heroes`).
pub(crate) fn heroes(
    connection: &Connection,
    room: &RoomId,
    but: &UserId,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    for memberships in ["('join', 'invite')", "('leave', 'ban')"] {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT user_id FROM room_memberships
             WHERE room_id = ?1 AND user_id <> ?2 AND membership IN {memberships}
             ORDER BY user_id LIMIT ?3"
        ))?;
        let found = statement.query_map((room.as_str(), but.as_str(), limit), |row| row.get(0))?;
        let found: Vec<String> = found.collect::<rusqlite::Result<_>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}
