//! Rooms: what they are, their extremities, current state and invites.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedEventId, OwnedServerName, OwnedUserId, RoomId, RoomVersionId, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use transport::Transaction;

use super::{
    StoreError, events, memberships,
    state::{self, Entry, GroupId, event_id},
    stays,
};
use crate::event::{Delivery, Pdu};

/// What is known of a room as a whole.
#[derive(Clone, Debug)]
pub struct RoomRow {
    /// Its version.
    pub version: RoomVersionId,
    /// Its creation event.
    pub create_event_id: OwnedEventId,
    /// The server that created it.
    pub owner: OwnedServerName,
    /// How it delivers.
    pub delivery: Delivery,
    /// Its current state.
    pub current_group: GroupId,
}

/// Returns the room with that id.
///
/// # Errors
/// The store refuses.
pub fn find(connection: &Connection, room: &RoomId) -> Result<Option<RoomRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, create_event_id, owner, delivery, current_group
         FROM rooms WHERE room_id = ?1",
    )?;
    let mut rows = statement.query([room.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let text = |index| row.get_ref(index)?.as_str().map_err(StoreError::corrupt);
    Ok(Some(RoomRow {
        version: text(0)?.try_into().map_err(StoreError::corrupt)?,
        create_event_id: event_id(text(1)?)?,
        owner: text(2)?.try_into().map_err(StoreError::corrupt)?,
        delivery: Delivery::parse(text(3)?)
            .ok_or_else(|| StoreError::corrupt("a room with an unknown delivery policy"))?,
        current_group: row.get(4)?,
    }))
}

/// Stores what is known of a room as a whole, or replaces it. Where that changes the current group,
/// [`set_current_state`] is called next: the two spell out the same state.
///
/// # Errors
/// The store refuses.
pub fn put(tx: &Transaction<'_>, room: &RoomId, row: &RoomRow) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO rooms (room_id, version, create_event_id, owner, delivery, current_group)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (room_id) DO UPDATE SET current_group = excluded.current_group",
    )?
    .execute((
        room.as_str(),
        row.version.as_str(),
        row.create_event_id.as_str(),
        row.owner.as_str(),
        row.delivery.as_str(),
        row.current_group,
    ))?;
    Ok(())
}

/// Returns the events of the room that nothing points at yet, ordered by id.
///
/// # Errors
/// The store refuses.
pub fn extremities(
    connection: &Connection,
    room: &RoomId,
) -> Result<BTreeSet<OwnedEventId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT event_id FROM forward_extremities WHERE room_id = ?1")?;
    let mut rows = statement.query([room.as_str()])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
    }
    Ok(found)
}

/// Makes `after` the room's extremities, which were `before`.
///
/// # Errors
/// The store refuses.
pub fn replace_extremities(
    tx: &Transaction<'_>,
    room: &RoomId,
    before: &BTreeSet<OwnedEventId>,
    after: &BTreeSet<OwnedEventId>,
) -> Result<(), StoreError> {
    for gone in before.difference(after) {
        tx.prepare_cached("DELETE FROM forward_extremities WHERE room_id = ?1 AND event_id = ?2")?
            .execute((room.as_str(), gone.as_str()))?;
    }
    for new in after.difference(before) {
        tx.prepare_cached("INSERT INTO forward_extremities (room_id, event_id) VALUES (?1, ?2)")?
            .execute((room.as_str(), new.as_str()))?;
    }
    Ok(())
}

/// Makes the state of `group` the room's current state, in every table that spells it out.
/// `position` is that of the event that brought the change, 0 for a state learned as a whole.
///
/// # Errors
/// The store refuses.
pub fn set_current_state(
    tx: &Transaction<'_>,
    room: &RoomId,
    group: GroupId,
    position: i64,
) -> Result<(), StoreError> {
    let changes = difference_of_all(tx, room, group)?;
    apply(tx, room, group, changes, position)
}

/// As [`set_current_state`], where the current state is that of the group `before`, which the tables
/// spell out: what it costs depends on what differs.
///
/// # Errors
/// The store refuses.
pub fn change_current_state(
    tx: &Transaction<'_>,
    room: &RoomId,
    before: GroupId,
    after: GroupId,
    position: i64,
) -> Result<(), StoreError> {
    let changes = match state::difference(tx, before, after)? {
        Some(changes) => changes,
        None => difference_of_all(tx, room, after)?,
    };
    apply(tx, room, after, changes, position)
}

fn apply(
    tx: &Transaction<'_>,
    room: &RoomId,
    group: GroupId,
    changes: state::Difference,
    position: i64,
) -> Result<(), StoreError> {
    set_current_group(tx, room, group)?;
    for (key, id) in changes {
        match id {
            Some(id) => {
                let entry = Entry { kind: &key.0, state_key: &key.1, event_id: &id };
                put_entry(tx, room, entry, position)?;
                if key.0 == "m.room.member"
                    && let Some(member) = events::find(tx, &id)?
                {
                    memberships::put(tx, &member.pdu, position)?;
                }
            }
            None => remove_entry(tx, room, &key, position)?,
        }
    }
    Ok(())
}

/// Returns how the state of `group` differs from the current one, of states that have little to do
/// with one another.
fn difference_of_all(
    connection: &Connection,
    room: &RoomId,
    group: GroupId,
) -> Result<state::Difference, StoreError> {
    let before = current_state(connection, room)?;
    let after = state::load(connection, group)?;
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut changes: state::Difference = gone.map(|key| (key.clone(), None)).collect();
    for (key, id) in after {
        if before.get(&key) != Some(&id) {
            changes.insert(key, Some(id));
        }
    }
    Ok(changes)
}

fn remove_entry(
    tx: &Transaction<'_>,
    room: &RoomId,
    (kind, state_key): &(String, String),
    position: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM current_state WHERE room_id = ?1 AND kind = ?2 AND state_key = ?3",
    )?
    .execute((room.as_str(), kind, state_key))?;
    if kind == "m.room.member" {
        tx.prepare_cached("DELETE FROM room_memberships WHERE room_id = ?1 AND user_id = ?2")?
            .execute((room.as_str(), state_key))?;
        if let Ok(user) = UserId::parse(state_key) {
            stays::keep(tx, room, &user, "leave", position)?;
        }
    }
    Ok(())
}

/// As [`set_current_state`], where the new state is the old one with the state event `pdu` in it.
///
/// # Errors
/// The store refuses.
pub fn advance_current_state(
    tx: &Transaction<'_>,
    pdu: &Pdu,
    group: GroupId,
    position: i64,
) -> Result<(), StoreError> {
    set_current_group(tx, &pdu.room_id, group)?;
    let state_key = pdu.state_key.as_deref().unwrap_or_default();
    let entry = Entry { kind: &pdu.kind, state_key, event_id: &pdu.event_id };
    put_entry(tx, &pdu.room_id, entry, position)?;
    if pdu.is_member_event() {
        memberships::put(tx, pdu, position)?;
    }
    Ok(())
}

fn set_current_group(tx: &Transaction<'_>, room: &RoomId, group: GroupId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE rooms SET current_group = ?2 WHERE room_id = ?1")?
        .execute((room.as_str(), group))
        .map(drop)
}

fn put_entry(
    tx: &Transaction<'_>,
    room: &RoomId,
    entry: Entry<'_>,
    position: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO current_state (room_id, kind, state_key, event_id, position)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((room.as_str(), entry.kind, entry.state_key, entry.event_id.as_str(), position))
    .map(drop)
}

/// Returns the events of the room's current state that became part of it at positions after `since`
/// and before `until`, in the order in which they did.
///
/// # Errors
/// The store refuses.
pub fn state_changed(
    connection: &Connection,
    room: &RoomId,
    since: i64,
    until: i64,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM current_state WHERE room_id = ?1 AND position > ?2 AND position < ?3
         ORDER BY position, kind, state_key",
    )?;
    let mut rows = statement.query((room.as_str(), since, until))?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
    }
    Ok(ids)
}

/// Returns the current state of the room.
///
/// # Errors
/// The store refuses.
pub fn current_state(connection: &Connection, room: &RoomId) -> Result<state::State, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, state_key, event_id FROM current_state WHERE room_id = ?1
         ORDER BY kind, state_key",
    )?;
    let mut rows = statement.query([room.as_str()])?;
    let mut state = BTreeMap::new();
    while let Some(row) = rows.next()? {
        state.insert((row.get(0)?, row.get(1)?), event_id(&row.get::<_, String>(2)?)?);
    }
    Ok(state)
}

/// Returns one entry of the current state of the room.
///
/// # Errors
/// The store refuses.
pub fn current_entry(
    connection: &Connection,
    room: &RoomId,
    kind: &str,
    state_key: &str,
) -> Result<Option<OwnedEventId>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT event_id FROM current_state
             WHERE room_id = ?1 AND kind = ?2 AND state_key = ?3",
        )?
        .query_row((room.as_str(), kind, state_key), |row| row.get(0))
        .optional()?;
    found.map(|id| event_id(&id)).transpose()
}

/// Returns the events of the current state of these kinds with an empty state key, ordered by kind.
///
/// # Errors
/// The store refuses.
pub fn entries_without_key(
    connection: &Connection,
    room: &RoomId,
    kinds: &[&str],
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut kinds = kinds.to_vec();
    kinds.sort_unstable();
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM current_state WHERE room_id = ?1 AND kind = ?2 AND state_key = ''",
    )?;
    let mut ids = Vec::new();
    for kind in kinds {
        let mut rows = statement.query((room.as_str(), kind))?;
        if let Some(row) = rows.next()? {
            ids.push(event_id(row.get_ref(0)?.as_str().map_err(StoreError::corrupt)?)?);
        }
    }
    Ok(ids)
}

/// An invite of a local user to a room that this server is not in.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The invite event.
    pub event_id: OwnedEventId,
    /// Who invites.
    pub sender: OwnedUserId,
    /// The room's version.
    pub room_version: RoomVersionId,
}

/// Returns the invite of `user` to `room`.
///
/// # Errors
/// The store refuses.
pub fn invite(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<Invite>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id, sender, room_version FROM invites WHERE room_id = ?1 AND user_id = ?2",
    )?;
    let mut rows = statement.query((room.as_str(), user.as_str()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let text = |index| row.get_ref(index)?.as_str().map_err(StoreError::corrupt);
    Ok(Some(Invite {
        event_id: event_id(text(0)?)?,
        sender: text(1)?.try_into().map_err(StoreError::corrupt)?,
        room_version: text(2)?.try_into().map_err(StoreError::corrupt)?,
    }))
}

/// Returns how many rooms that this server is not in `user` is invited to.
///
/// # Errors
/// The store refuses.
pub fn count_invites(connection: &Connection, user: &UserId) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM invites WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))?)
}

/// Records an invite of a local user to a room that this server is not in.
///
/// # Errors
/// The store refuses.
pub fn put_invite(
    tx: &Transaction<'_>,
    pdu: &Pdu,
    room_version: &RoomVersionId,
    stripped_state: &Value,
    position: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO invites
             (room_id, user_id, sender, event_id, room_version, stripped_state, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        pdu.room_id.as_str(),
        pdu.state_key.as_deref().unwrap_or_default(),
        pdu.sender.as_str(),
        pdu.event_id.as_str(),
        room_version.as_str(),
        stripped_state.to_string(),
        position,
    ))?;
    Ok(())
}

/// Returns the state that came along with the invite of `user` from elsewhere, if one did.
///
/// # Errors
/// The store refuses.
pub fn shown_state(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<Vec<Value>>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT stripped_state FROM invites WHERE room_id = ?1 AND user_id = ?2")?
        .query_row((room.as_str(), user.as_str()), |row| row.get(0))
        .optional()?;
    // What cannot be read is not shown.
    Ok(found.map(|state| serde_json::from_str(&state).unwrap_or_default()))
}
