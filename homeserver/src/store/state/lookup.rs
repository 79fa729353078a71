//! One entry of a state, or a few, without reading the rest of it.
//!
//! A group is looked through and then what it comes from, each with one statement. A recursive query
//! would do all at once, and makes a queue and a table of its own each time, which takes several times
//! as long as the chain of a usual room.

use std::collections::BTreeMap;

use ruma::OwnedEventId;
use rusqlite::{Connection, OptionalExtension};

use super::{GroupId, MAX_HEIGHT, State, StoreError, event_id};

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
    EntryOf::new(kind, state_key).state(connection, group)
}

/// One entry of many states, such as those of a page of a timeline: they come from each other, and
/// each is looked at once.
#[derive(Debug)]
pub struct EntryOf<'k> {
    kind: &'k str,
    state_key: &'k str,
    known: BTreeMap<GroupId, Option<OwnedEventId>>,
}

impl<'k> EntryOf<'k> {
    /// Returns the entry under a type and a state key, with no state looked at.
    #[must_use]
    pub fn new(kind: &'k str, state_key: &'k str) -> Self {
        Self { kind, state_key, known: BTreeMap::new() }
    }

    /// Returns the entry of the state of `group`.
    ///
    /// # Errors
    /// The store refuses.
    pub fn state(
        &mut self,
        connection: &Connection,
        group: GroupId,
    ) -> Result<Option<OwnedEventId>, StoreError> {
        if let Some(known) = self.known.get(&group) {
            return Ok(known.clone());
        }
        if let Current::Has(found) = current_entry(connection, group, self.kind, self.state_key)? {
            self.known.insert(group, found.clone());
            return Ok(found);
        }
        let mut line = Vec::new();
        let mut next = Some(group);
        let mut found = None;
        for _ in 0..=MAX_HEIGHT {
            let Some(group) = next else { break };
            if let Some(known) = self.known.get(&group) {
                found.clone_from(known);
                break;
            }
            line.push(group);
            (found, next) = self.own(connection, group)?;
            if found.is_some() {
                break;
            }
        }
        self.known.extend(line.into_iter().map(|group| (group, found.clone())));
        Ok(found)
    }

    /// Returns what a group says by itself, and what it comes from.
    fn own(
        &self,
        connection: &Connection,
        group: GroupId,
    ) -> Result<(Option<OwnedEventId>, Option<GroupId>), StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT event_id FROM state_group_entries
                     WHERE group_id = id AND kind = ?2 AND state_key = ?3), parent
             FROM state_groups WHERE id = ?1",
        )?;
        let found: Option<(Option<String>, Option<GroupId>)> = statement
            .query_row((group, self.kind, self.state_key), |row| row.try_into())
            .optional()?;
        let (entry, parent) = found.unwrap_or_default();
        Ok((entry.map(|id| event_id(&id)).transpose()?, parent))
    }
}

/// What a state has under a key, if it is the current one of a room.
enum Current {
    Has(Option<OwnedEventId>),
    /// It is of the past.
    IsNot,
}

/// Returns one entry of the state of `group`, if that is the current state of a room, which is spelled
/// out.
fn current_entry(
    connection: &Connection,
    group: GroupId,
    kind: &str,
    state_key: &str,
) -> Result<Current, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT event_id FROM current_state now
                 WHERE now.room_id = rooms.room_id AND kind = ?2 AND state_key = ?3)
         FROM rooms WHERE current_group = ?1 AND ?1 <> 0 LIMIT 1",
    )?;
    let found = statement
        .query_row((group, kind, state_key), |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(match found {
        Some(entry) => Current::Has(entry.map(|id| event_id(&id)).transpose()?),
        None => Current::IsNot,
    })
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
    let mut keys = keys.into_iter().peekable();
    let mut found = Vec::new();
    // Nearly always a room's current state is asked about.
    while let Some((kind, state_key)) = keys.peek() {
        let Current::Has(entry) = current_entry(connection, group, kind, state_key)? else { break };
        found.extend(entry);
        keys.next();
    }
    let keys: Vec<_> = keys.collect();
    for some in keys.chunks(KEYS_AT_ONCE) {
        for id in chain_entries(connection, group, some)?.into_iter().flatten() {
            found.push(event_id(&id)?);
        }
    }
    Ok(found)
}

/// Returns those of the entries `keys` that the state of `group` has, by their keys.
///
/// # Errors
/// The store refuses.
pub fn entries_by_key<'k>(
    connection: &Connection,
    group: GroupId,
    keys: impl IntoIterator<Item = (&'k str, &'k str)>,
) -> Result<State, StoreError> {
    let keys: Vec<_> = keys.into_iter().collect();
    let mut found = State::new();
    for some in keys.chunks(KEYS_AT_ONCE) {
        for ((kind, state_key), id) in some.iter().zip(chain_entries(connection, group, some)?) {
            if let Some(id) = id {
                found.insert(((*kind).to_owned(), (*state_key).to_owned()), event_id(&id)?);
            }
        }
    }
    Ok(found)
}

/// Keys that are looked up on one walk along a chain: as many as authorize any event, but for
/// restricted joins.
const KEYS_AT_ONCE: usize = 5;

/// Returns the entries `keys` (at most [`KEYS_AT_ONCE`] of them) of the state of `group`, in their order.
fn chain_entries(
    connection: &Connection,
    group: GroupId,
    keys: &[(&str, &str)],
) -> rusqlite::Result<[Option<String>; KEYS_AT_ONCE]> {
    const OWN: &str = "
        SELECT parent,
          (SELECT event_id FROM state_group_entries WHERE group_id = id AND kind = ?2 AND state_key = ?3),
          (SELECT event_id FROM state_group_entries WHERE group_id = id AND kind = ?4 AND state_key = ?5),
          (SELECT event_id FROM state_group_entries WHERE group_id = id AND kind = ?6 AND state_key = ?7),
          (SELECT event_id FROM state_group_entries WHERE group_id = id AND kind = ?8 AND state_key = ?9),
          (SELECT event_id FROM state_group_entries WHERE group_id = id AND kind = ?10 AND state_key = ?11)
        FROM state_groups WHERE id = ?1";
    let mut statement = connection.prepare_cached(OWN)?;
    let mut found = <[Option<String>; KEYS_AT_ONCE]>::default();
    let mut next = Some(group);
    for _ in 0..=MAX_HEIGHT {
        let Some(group) = next else { break };
        if found.iter().take(keys.len()).all(Option::is_some) {
            break;
        }
        statement.raw_bind_parameter(1, group)?;
        for (place, entry) in found.iter().enumerate() {
            // What was found nearer is not looked for. Unset, a key is like no entry.
            let key = keys.get(place).filter(|_| entry.is_none());
            statement.raw_bind_parameter(2 + 2 * place, key.map(|(kind, _)| *kind))?;
            statement.raw_bind_parameter(3 + 2 * place, key.map(|(_, state_key)| *state_key))?;
        }
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { break };
        next = row.get(0)?;
        for (place, entry) in found.iter_mut().enumerate() {
            let own = row.get(1 + place)?;
            *entry = entry.take().or(own);
        }
    }
    Ok(found)
}
