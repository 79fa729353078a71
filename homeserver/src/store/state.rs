//! State groups: a room's state at one point, shared between events.
//!
//! A group is its parent with some entries replaced, so that a state event costs one row and a
//! message none. Chains are cut at `MAX_HEIGHT` by writing a whole state: a copy.

mod lookup;

use std::collections::{BTreeMap, BTreeSet};

use ruma::{EventId, OwnedEventId};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

pub use self::lookup::{EntryOf, entries, entries_by_key, entry};
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

/// Returns the group of `base` with one entry replaced.
///
/// # Errors
/// The store refuses.
pub fn with_entry(
    tx: &Transaction<'_>,
    base: GroupId,
    entry: Entry<'_>,
) -> Result<GroupId, StoreError> {
    let group = insert_above(tx, base)?;
    insert_entry(tx, group, entry)?;
    Ok(group)
}

/// As [`with_entry`], with any number of entries replaced.
///
/// # Errors
/// The store refuses.
pub fn with_changes(
    tx: &Transaction<'_>,
    base: GroupId,
    changes: &State,
) -> Result<GroupId, StoreError> {
    let group = insert_above(tx, base)?;
    for ((kind, state_key), event_id) in changes {
        insert_entry(tx, group, Entry { kind, state_key, event_id })?;
    }
    Ok(group)
}

/// Returns a new group above `base`, or above its copy if too many parents stand above `base`. All
/// that build on one such group share one copy.
fn insert_above(tx: &Transaction<'_>, base: GroupId) -> Result<GroupId, StoreError> {
    let above = height(tx, base)?;
    if above < MAX_HEIGHT {
        return insert_group(tx, Some(base), above + 1);
    }
    let known: Option<GroupId> = tx
        .prepare_cached("SELECT id FROM state_groups WHERE copy_of = ?1")?
        .query_row([base], |row| row.get(0))
        .optional()?;
    let copy = if let Some(copy) = known {
        copy
    } else {
        let copy = whole(tx, &load(tx, base)?)?;
        tx.prepare_cached("UPDATE state_groups SET copy_of = ?2 WHERE id = ?1")?
            .execute((copy, base))?;
        copy
    };
    insert_group(tx, Some(copy), 1)
}

/// A group on the way from another one up to where that comes from.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The group.
    pub group: GroupId,
    /// Whether its entries replace those of the next one; or else it is the same.
    pub changes: bool,
}

/// Steps that are taken at most.
const MAX_LINEAGE: i64 = 200;

/// Returns a group and what it comes from, one after the other, as far as that is known.
///
/// # Errors
/// The store refuses.
pub fn lineage(connection: &Connection, group: GroupId) -> Result<Vec<Step>, StoreError> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE line (id, up, changes, hop) AS (
             SELECT id, coalesce(parent, copy_of), parent IS NOT NULL, 0
             FROM state_groups WHERE id = ?1
             UNION ALL
             SELECT g.id, coalesce(g.parent, g.copy_of), g.parent IS NOT NULL, hop + 1
             FROM line JOIN state_groups g ON g.id = line.up WHERE hop < ?2
         )
         SELECT id, changes FROM line ORDER BY hop",
    )?;
    let steps = statement.query_map((group, MAX_LINEAGE), |row| {
        Ok(Step { group: row.get(0)?, changes: row.get(1)? })
    })?;
    Ok(steps.collect::<rusqlite::Result<_>>()?)
}

/// Returns what the first of the `steps` has that what comes after the last has not.
///
/// # Errors
/// The store refuses.
pub fn changes<'s>(
    connection: &Connection,
    steps: impl IntoIterator<Item = &'s Step>,
) -> Result<State, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, state_key, event_id FROM state_group_entries WHERE group_id = ?1",
    )?;
    let mut changes = State::new();
    for step in steps.into_iter().filter(|step| step.changes) {
        let mut rows = statement.query([step.group])?;
        while let Some(row) = rows.next()? {
            let id = event_id(row.get_ref(2)?.as_str().map_err(StoreError::corrupt)?)?;
            // Nearer steps come first.
            changes.entry((row.get(0)?, row.get(1)?)).or_insert(id);
        }
    }
    Ok(changes)
}

/// How one state differs from another: what it has instead, or that it has nothing.
pub type Difference = BTreeMap<(String, String), Option<OwnedEventId>>;

/// Returns how the state of the group `after` differs from that of `before`; `None` if the two come
/// from no common one, or from too far away.
///
/// # Errors
/// The store refuses.
pub fn difference(
    connection: &Connection,
    before: GroupId,
    after: GroupId,
) -> Result<Option<Difference>, StoreError> {
    let (old, new) = (lineage(connection, before)?, lineage(connection, after)?);
    let known: BTreeSet<GroupId> = old.iter().map(|step| step.group).collect();
    let Some(base) = new.iter().map(|step| step.group).find(|group| known.contains(group)) else {
        return Ok(None);
    };
    let above =
        |line: &[Step]| changes(connection, line.iter().take_while(|step| step.group != base));
    let (old, new) = (above(&old)?, above(&new)?);
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let wanted = keys.iter().map(|(kind, state_key)| (kind.as_str(), state_key.as_str()));
    let of_base = entries_by_key(connection, base, wanted)?;
    let mut difference = Difference::new();
    for key in keys {
        let in_base = of_base.get(key);
        let [was, is] = [&old, &new].map(|changes| changes.get(key).or(in_base));
        if was != is {
            difference.insert(key.clone(), is.cloned());
        }
    }
    Ok(Some(difference))
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

#[cfg(test)]
mod tests;
