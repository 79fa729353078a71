//! State groups: a room's state at one point, shared between events.
//!
//! A group is its parent with some entries replaced, so that a state event costs one row and a
//! message none. Chains are cut at `MAX_HEIGHT` by writing a whole state.

use std::collections::BTreeMap;

use ruma::{EventId, OwnedEventId};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// Parents above a group; one more, and the state is written whole.
const MAX_HEIGHT: i64 = 40;

/// Which group; the empty state is [`EMPTY`].
pub type GroupId = i64;

/// The group of the empty state.
pub const EMPTY: GroupId = 0;

/// What a state has under a type and a state key.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The event's type.
    pub kind: &'a str,
    /// Its state key.
    pub state_key: &'a str,
    /// Its id.
    pub event_id: &'a EventId,
}

/// A state: event ids by type and state key.
pub type State = BTreeMap<(String, String), OwnedEventId>;

/// Returns the whole state of `group`.
///
/// # Errors
/// The store refuses.
pub fn load(connection: &Connection, group: GroupId) -> Result<State, StoreError> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE chain (id, parent, hop) AS (
             SELECT id, parent, 0 FROM state_groups WHERE id = ?1
             UNION ALL
             SELECT up.id, up.parent, hop + 1 FROM chain JOIN state_groups up ON up.id = chain.parent
         )
         SELECT kind, state_key, event_id FROM chain
         JOIN state_group_entries ON group_id = chain.id
         ORDER BY hop DESC",
    )?;
    let mut state = State::new();
    let mut rows = statement.query([group])?;
    while let Some(row) = rows.next()? {
        // Nearer entries come later and replace what their parents say.
        state.insert((row.get(0)?, row.get(1)?), event_id(&row.get::<_, String>(2)?)?);
    }
    Ok(state)
}

/// Returns one entry of the state of `group`.
///
/// # Errors
/// The store refuses.
pub fn entry(
    connection: &Connection,
    group: GroupId,
    kind: &str,
    state_key: &str,
) -> Result<Option<OwnedEventId>, StoreError> {
    let found = entries(connection, group, [(kind, state_key)])?;
    Ok(found.into_iter().next())
}

/// Returns those of the entries `keys` that the state of `group` has.
///
/// # Errors
/// The store refuses.
pub fn entries<'k>(
    connection: &Connection,
    group: GroupId,
    keys: impl IntoIterator<Item = (&'k str, &'k str)>,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let keys: Vec<_> = keys.into_iter().collect();
    // Nearly always a room's current state is asked about, which is spelled out.
    let room: Option<String> = connection
        .prepare_cached("SELECT room_id FROM rooms WHERE current_group = ?1 AND ?1 <> 0")?
        .query_row([group], |row| row.get(0))
        .optional()?;
    let mut found = Vec::new();
    match room {
        Some(room) => {
            for (kind, state_key) in keys {
                found.extend(current_entry(connection, &room, kind, state_key)?);
            }
        }
        None => {
            for some in keys.chunks(KEYS_AT_ONCE) {
                found.extend(chain_entries(connection, group, some)?.into_values());
            }
        }
    }
    found.iter().map(|id| event_id(id)).collect()
}

fn current_entry(
    connection: &Connection,
    room: &str,
    kind: &str,
    state_key: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT event_id FROM current_state
             WHERE room_id = ?1 AND kind = ?2 AND state_key = ?3",
        )?
        .query_row((room, kind, state_key), |row| row.get(0))
        .optional()
}

/// Keys that are looked up on one walk along a chain: as many as authorize any event, but for
/// restricted joins.
const KEYS_AT_ONCE: usize = 5;

/// Returns the entries `keys` (at most [`KEYS_AT_ONCE`] of them) of the state of `group`, by their
/// places.
fn chain_entries(
    connection: &Connection,
    group: GroupId,
    keys: &[(&str, &str)],
) -> rusqlite::Result<BTreeMap<u8, String>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE
         chain (id, parent, hop) AS (
             SELECT id, parent, 0 FROM state_groups WHERE id = ?1
             UNION ALL
             SELECT up.id, up.parent, hop + 1
             FROM chain JOIN state_groups up ON up.id = chain.parent
         ),
         wanted (place, kind, state_key) AS (
             VALUES (0, ?2, ?3), (1, ?4, ?5), (2, ?6, ?7), (3, ?8, ?9), (4, ?10, ?11)
         )
         SELECT place, event_id FROM chain CROSS JOIN wanted
         CROSS JOIN state_group_entries entry ON group_id = chain.id
             AND entry.kind = wanted.kind AND entry.state_key = wanted.state_key
         ORDER BY hop DESC",
    )?;
    // Unset, a key is like no entry.
    let of_keys = keys.iter().flat_map(|(kind, state_key)| [Some(*kind), Some(*state_key)]);
    let unset = std::iter::repeat(None);
    statement.raw_bind_parameter(1, group)?;
    for (index, value) in (2..).zip(of_keys.chain(unset).take(2 * KEYS_AT_ONCE)) {
        statement.raw_bind_parameter(index, value)?;
    }
    let mut found = BTreeMap::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        // Nearer entries come later and replace what their parents say.
        found.insert(row.get(0)?, row.get(1)?);
    }
    Ok(found)
}

/// Returns the group of `base` with one entry replaced.
///
/// # Errors
/// The store refuses.
pub fn with_entry(
    tx: &Transaction<'_>,
    base: GroupId,
    entry: Entry<'_>,
) -> Result<GroupId, StoreError> {
    let height = height(tx, base)?;
    if height >= MAX_HEIGHT {
        let mut state = load(tx, base)?;
        let key = (entry.kind.to_owned(), entry.state_key.to_owned());
        state.insert(key, entry.event_id.to_owned());
        return whole(tx, &state);
    }
    let group = insert_group(tx, Some(base), height + 1)?;
    insert_entry(tx, group, entry)?;
    Ok(group)
}

/// Returns a new group holding `state`, with no parent.
///
/// # Errors
/// The store refuses.
pub fn whole(tx: &Transaction<'_>, state: &State) -> Result<GroupId, StoreError> {
    let group = insert_group(tx, None, 0)?;
    for ((kind, state_key), event_id) in state {
        insert_entry(tx, group, Entry { kind, state_key, event_id })?;
    }
    Ok(group)
}

/// Returns the group that state resolution made of the groups `inputs` (ascending) before.
///
/// # Errors
/// The store refuses.
pub fn merged(connection: &Connection, inputs: &[GroupId]) -> Result<Option<GroupId>, StoreError> {
    let group = connection
        .prepare_cached("SELECT group_id FROM state_merges WHERE inputs = ?1")?
        .query_row([joined(inputs)], |row| row.get(0))
        .optional()?;
    Ok(group)
}

/// Remembers that state resolution made `group` of `inputs` (ascending).
///
/// # Errors
/// The store refuses.
pub fn remember_merge(
    tx: &Transaction<'_>,
    inputs: &[GroupId],
    group: GroupId,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO state_merges (inputs, group_id) VALUES (?1, ?2)")?
        .execute((joined(inputs), group))?;
    Ok(())
}

fn joined(inputs: &[GroupId]) -> String {
    inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn height(connection: &Connection, group: GroupId) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT height FROM state_groups WHERE id = ?1")?
        .query_row([group], |row| row.get(0))?)
}

fn insert_group(
    tx: &Transaction<'_>,
    parent: Option<GroupId>,
    height: i64,
) -> Result<GroupId, StoreError> {
    tx.prepare_cached("INSERT INTO state_groups (parent, height) VALUES (?1, ?2)")?
        .execute((parent, height))?;
    Ok(tx.last_insert_rowid())
}

fn insert_entry(tx: &Transaction<'_>, group: GroupId, entry: Entry<'_>) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO state_group_entries (group_id, kind, state_key, event_id)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((group, entry.kind, entry.state_key, entry.event_id.as_str()))?;
    Ok(())
}

/// Reads an event id out of the store.
pub(crate) fn event_id(id: &str) -> Result<OwnedEventId, StoreError> {
    id.try_into().map_err(StoreError::corrupt)
}
