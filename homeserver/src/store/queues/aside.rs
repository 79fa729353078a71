//! What was set aside because it cannot be sent, and what the operator does with it.

use std::collections::BTreeMap;

use ruma::{OwnedEventId, OwnedRoomId, ServerName};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use transport::Transaction;

use super::{delivered, ids_in_flight};
use crate::store::{StoreError, edus};

/// EDUs that are kept aside for one destination; of any more the oldest is dropped.
const MAX_EDUS_ASIDE: i64 = 1_000;

/// An event or an EDU that cannot be sent, for the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AsideRow {
    /// The event; unset for an EDU.
    pub event_id: Option<OwnedEventId>,
    /// The event's room, if the event is still stored.
    pub room_id: Option<OwnedRoomId>,
    /// The type of the EDU, as `m.direct_to_device`; unset for an event.
    #[serde(default)]
    pub edu_type: Option<String>,
    /// Why it cannot be sent.
    pub reason: String,
}

/// Takes the transaction in flight out of the queue, because it can never be sent, and keeps what it
/// had in it aside for the operator; not EDUs that a later one replaces, or that are soon of no use.
///
/// # Errors
/// The store refuses.
pub fn set_aside(
    tx: &Transaction<'_>,
    destination: &ServerName,
    reason: &str,
) -> Result<(), StoreError> {
    for id in ids_in_flight(tx, destination)? {
        tx.prepare_cached(
            "INSERT INTO outgoing_set_aside (destination, event_id, reason)
             SELECT destination, event_id, ?2 FROM outgoing WHERE id = ?1",
        )?
        .execute((id, reason))?;
    }
    tx.prepare_cached(
        "INSERT INTO outgoing_edus_set_aside (destination, json, reason)
         SELECT destination, json, ?2 FROM outgoing_edus
         WHERE destination = ?1 AND transaction_id IS NOT NULL AND key IS NULL AND expires_ms IS NULL
         ORDER BY id",
    )?
    .execute((destination.as_str(), reason))?;
    tx.prepare_cached(
        "DELETE FROM outgoing_edus_set_aside WHERE destination = ?1 AND id <= (
             SELECT id FROM outgoing_edus_set_aside WHERE destination = ?1
             ORDER BY id DESC LIMIT 1 OFFSET ?2
         )",
    )?
    .execute((destination.as_str(), MAX_EDUS_ASIDE))?;
    delivered(tx, destination)
}

/// Returns how many events and EDUs were set aside, by destination.
///
/// # Errors
/// The store refuses.
pub fn set_aside_counts(connection: &Connection) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT destination, count(*) FROM (
                 SELECT destination FROM outgoing_set_aside
                 UNION ALL SELECT destination FROM outgoing_edus_set_aside
             ) GROUP BY 1",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns at most `limit` events that were set aside of a destination's queue, and then EDUs, each oldest
/// first.
///
/// # Errors
/// The store refuses.
pub fn set_aside_of(
    connection: &Connection,
    destination: &ServerName,
    limit: usize,
) -> Result<Vec<AsideRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id, room_id, NULL, reason, 0 AS is_edu, outgoing_set_aside.id AS place
         FROM outgoing_set_aside LEFT JOIN events USING (event_id) WHERE destination = ?1
         UNION ALL
         SELECT NULL, NULL, json, reason, 1, id FROM outgoing_edus_set_aside WHERE destination = ?1
         ORDER BY is_edu, place LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((destination.as_str(), limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (event_id, room_id, edu): (Option<String>, Option<String>, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        found.push(AsideRow {
            event_id: event_id.map(TryInto::try_into).transpose().map_err(StoreError::corrupt)?,
            room_id: room_id.map(TryInto::try_into).transpose().map_err(StoreError::corrupt)?,
            edu_type: edu.map(|json| type_of(&json)),
            reason: row.get(3)?,
        });
    }
    Ok(found)
}

fn type_of(edu: &str) -> String {
    let edu: Value = serde_json::from_str(edu).unwrap_or_default();
    edu["edu_type"].as_str().unwrap_or("malformed").to_owned()
}

/// Queues again what was set aside, behind what waits; returns how much.
///
/// # Errors
/// The store refuses.
pub fn queue_again(tx: &Transaction<'_>, destination: &ServerName) -> Result<usize, StoreError> {
    tx.prepare_cached(
        "INSERT INTO outgoing (destination, event_id)
         SELECT destination, event_id FROM outgoing_set_aside WHERE destination = ?1 ORDER BY id",
    )?
    .execute([destination.as_str()])?;
    tx.prepare_cached(
        "INSERT INTO outgoing_edus (destination, json)
         SELECT destination, json FROM outgoing_edus_set_aside WHERE destination = ?1 ORDER BY id",
    )?
    .execute([destination.as_str()])?;
    drop_set_aside(tx, destination)
}

/// Forgets what was set aside; returns how much.
///
/// # Errors
/// The store refuses.
pub fn drop_set_aside(tx: &Transaction<'_>, destination: &ServerName) -> Result<usize, StoreError> {
    let events = tx
        .prepare_cached("DELETE FROM outgoing_set_aside WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    let edus = tx
        .prepare_cached("DELETE FROM outgoing_edus_set_aside WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    Ok(events + edus)
}

/// Forgets everything that waits for a destination, in flight or set aside; returns how many events.
///
/// # Errors
/// The store refuses.
pub fn drop_all(tx: &Transaction<'_>, destination: &ServerName) -> Result<usize, StoreError> {
    let waiting = tx
        .prepare_cached("DELETE FROM outgoing WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    tx.prepare_cached("DELETE FROM outgoing_transactions WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    edus::forget_all(tx, destination)?;
    Ok(waiting + drop_set_aside(tx, destination)?)
}
