//! Who is in which room, and whose rooms a user or server knows.

use std::collections::BTreeSet;

use ruma::{
    EventId, OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId,
};
use rusqlite::{Connection, OptionalExtension, Row};
use transport::Transaction;

use super::{StoreError, stays};
use crate::event::{Membership, Pdu};

/// Records what the membership event `pdu` says.
///
/// # Errors
/// The store refuses.
pub fn put(tx: &Transaction<'_>, pdu: &Pdu, position: i64) -> Result<(), StoreError> {
    let (Some(user), Some(membership)) = (&pdu.state_key, pdu.membership()) else { return Ok(()) };
    let Ok(user) = UserId::parse(user) else { return Ok(()) };
    tx.prepare_cached(
        "INSERT OR REPLACE INTO room_memberships
             (room_id, user_id, server, membership, event_id, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        pdu.room_id.as_str(),
        user.as_str(),
        user.server_name().as_str(),
        membership,
        pdu.event_id.as_str(),
        position,
    ))?;
    stays::keep(tx, &pdu.room_id, &user, membership, position)?;
    if membership != "invite" {
        tx.prepare_cached("DELETE FROM invites WHERE room_id = ?1 AND user_id = ?2")?
            .execute((pdu.room_id.as_str(), user.as_str()))?;
    }
    Ok(())
}

/// Returns a user's relation to the room.
///
/// # Errors
/// The store refuses.
pub fn find(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<Membership>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT membership FROM room_memberships WHERE room_id = ?1 AND user_id = ?2",
        )?
        .query_row((room.as_str(), user.as_str()), |row| row.get(0))
        .optional()?;
    Ok(found.and_then(|name| Membership::parse(&name)))
}

/// Returns whether a user of `server` is joined.
///
/// # Errors
/// The store refuses.
pub fn is_member_server(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM room_memberships
             WHERE room_id = ?1 AND membership = 'join' AND server = ?2)",
        )?
        .query_row((room.as_str(), server.as_str()), |row| row.get(0))?)
}

/// Returns the servers with a joined user.
///
/// # Errors
/// The store refuses.
pub fn member_servers(
    connection: &Connection,
    room: &RoomId,
) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT server FROM room_memberships WHERE room_id = ?1 AND membership = 'join'",
    )?;
    let mut rows = statement.query([room.as_str()])?;
    let mut servers = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let server: String = row.get(0)?;
        servers.insert(server.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(servers)
}

/// Returns the joins of the users of `server` who are in the room.
///
/// # Errors
/// The store refuses.
pub fn joins_of(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM room_memberships
         WHERE room_id = ?1 AND membership = 'join' AND server = ?2 ORDER BY event_id",
    )?;
    let mut rows = statement.query((room.as_str(), server.as_str()))?;
    let mut joins = Vec::new();
    while let Some(row) = rows.next()? {
        joins.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(joins)
}

/// Returns the joined users.
///
/// # Errors
/// The store refuses.
pub fn joined_members(
    connection: &Connection,
    room: &RoomId,
) -> Result<BTreeSet<OwnedUserId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id FROM room_memberships WHERE room_id = ?1 AND membership = 'join'",
    )?;
    let mut rows = statement.query([room.as_str()])?;
    let mut users = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let user: String = row.get(0)?;
        users.insert(user.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(users)
}

/// Returns whether any user of `server` is or was in the room.
///
/// # Errors
/// The store refuses.
pub fn was_ever_in(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM room_memberships WHERE room_id = ?1 AND server = ?2")?
        .exists((room.as_str(), server.as_str()))?)
}

/// Returns the users of `server` who have left the room or were removed since `event` became part of
/// its timeline, each with the event that says so.
///
/// # Errors
/// The store refuses.
pub fn gone_since(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
    event: &EventId,
) -> Result<Vec<(String, OwnedEventId)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT m.user_id, m.event_id FROM room_memberships m JOIN timeline t ON t.event_id = ?3
         WHERE m.room_id = ?1 AND m.server = ?2 AND m.membership IN ('leave', 'ban')
             AND t.position < m.position
         ORDER BY m.user_id",
    )?;
    let mut rows = statement.query((room.as_str(), server.as_str(), event.as_str()))?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        gone.push((row.get(0)?, id.try_into().map_err(StoreError::corrupt)?));
    }
    Ok(gone)
}

/// Returns whether `user` is in a room that a user of `server` is in.
///
/// # Errors
/// The store refuses.
pub fn shares_a_room(
    connection: &Connection,
    user: &UserId,
    server: &ServerName,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM room_memberships mine JOIN room_memberships theirs USING (room_id)
             WHERE mine.user_id = ?1 AND mine.membership = 'join'
                 AND theirs.server = ?2 AND theirs.membership = 'join'",
        )?
        .exists((user.as_str(), server.as_str()))?)
}

/// Returns the rooms that the user is in, ordered by id.
///
/// # Errors
/// The store refuses.
pub fn joined_rooms(
    connection: &Connection,
    user: &UserId,
) -> Result<Vec<OwnedRoomId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id FROM room_memberships
         WHERE user_id = ?1 AND membership = 'join' ORDER BY room_id",
    )?;
    let mut rows = statement.query([user.as_str()])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(rooms)
}

/// A user's relation to a room, and since when it is so.
#[derive(Clone, Debug)]
pub struct MembershipRow {
    /// The room.
    pub room_id: OwnedRoomId,
    /// The relation.
    pub membership: Membership,
    /// The event that says so.
    pub event_id: OwnedEventId,
    /// That event's place in the stream.
    pub position: i64,
}

/// Returns the user's relation to the room.
///
/// # Errors
/// The store refuses.
pub fn row(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<MembershipRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id, membership, event_id, position FROM room_memberships
         WHERE room_id = ?1 AND user_id = ?2",
    )?;
    let mut rows = statement.query((room.as_str(), user.as_str()))?;
    rows.next()?.map(membership_row).transpose()
}

fn membership_row(row: &Row<'_>) -> Result<MembershipRow, StoreError> {
    let [room_id, membership, event_id]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
    Ok(MembershipRow {
        room_id: room_id.try_into().map_err(StoreError::corrupt)?,
        membership: Membership::parse(&membership)
            .ok_or_else(|| StoreError::corrupt("an unknown membership"))?,
        event_id: event_id.try_into().map_err(StoreError::corrupt)?,
        position: row.get(3)?,
    })
}

/// Returns the users whose relation to the room the event at `position` has changed.
///
/// # Errors
/// The store refuses.
pub fn changed_at(
    connection: &Connection,
    room: &RoomId,
    position: i64,
) -> Result<Vec<OwnedUserId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id FROM room_memberships WHERE room_id = ?1 AND position = ?2",
    )?;
    let mut rows = statement.query((room.as_str(), position))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(users)
}

/// Returns the users whose relation to the room was set at a position after `since`, and what it is.
///
/// # Errors
/// The store refuses.
pub fn changed_since(
    connection: &Connection,
    room: &RoomId,
    since: i64,
) -> Result<Vec<(OwnedUserId, Membership)>, StoreError> {
    // By the index over positions: most of the time nobody's has.
    let mut statement = connection.prepare_cached(
        "SELECT m.user_id, m.membership FROM current_state s
         JOIN room_memberships m ON m.room_id = s.room_id AND m.user_id = s.state_key
         WHERE s.room_id = ?1 AND s.position > ?2 AND s.kind = 'm.room.member'
         ORDER BY m.user_id",
    )?;
    let mut rows = statement.query((room.as_str(), since))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        let user = row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?;
        let membership = Membership::parse(row.get_ref(1)?.as_str().map_err(StoreError::corrupt)?);
        users.extend(membership.map(|membership| (user, membership)));
    }
    Ok(users)
}

/// Returns the users of `server` that have to do with the room.
///
/// # Errors
/// The store refuses.
pub fn users_of(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id FROM room_memberships WHERE room_id = ?1 AND server = ?2 ORDER BY user_id",
    )?;
    let users = statement.query_map((room.as_str(), server.as_str()), |row| row.get(0))?;
    Ok(users.collect::<rusqlite::Result<_>>()?)
}

/// Returns whether a user of `server` had joined the room, and stayed, when `event` became part of
/// its timeline.
///
/// # Errors
/// The store refuses.
pub fn was_joined_when(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
    event: &EventId,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM room_memberships m JOIN timeline t ON t.event_id = ?3
             WHERE m.room_id = ?1 AND m.server = ?2 AND m.membership = 'join'
                 AND m.position <= t.position",
        )?
        .exists((room.as_str(), server.as_str(), event.as_str()))?)
}

/// Returns the user's relation to every room that the user has to do with, ordered by room.
///
/// # Errors
/// The store refuses.
pub fn of_user(connection: &Connection, user: &UserId) -> Result<Vec<MembershipRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id, membership, event_id, position FROM room_memberships
         WHERE user_id = ?1 ORDER BY room_id",
    )?;
    let mut rows = statement.query([user.as_str()])?;
    let mut memberships = Vec::new();
    while let Some(row) = rows.next()? {
        memberships.push(membership_row(row)?);
    }
    Ok(memberships)
}
