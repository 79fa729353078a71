//! Outgoing queues and back-off.

mod aside;

use std::collections::{BTreeMap, BTreeSet};

use defects::{Defect, planted};
use ruma::{EventId, OwnedServerName, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transport::Transaction;

pub use self::aside::{
    AsideRow, drop_all, drop_set_aside, queue_again, set_aside, set_aside_counts, set_aside_of,
};
use super::{StoreError, edus, received::as_i64};

/// EDUs in one transaction (server-server API, "Transactions").
pub const MAX_EDUS: usize = 100;

/// Appends an event to the queue of `destination`.
///
/// # Errors
/// The store refuses.
pub fn push(
    tx: &Transaction<'_>,
    destination: &ServerName,
    event_id: &EventId,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO outgoing (destination, event_id) VALUES (?1, ?2)")?
        .execute((destination.as_str(), event_id.as_str()))?;
    Ok(())
}

/// Returns whether any event of `room` waits for `destination`.
///
/// # Errors
/// The store refuses.
pub fn waits(
    connection: &Connection,
    destination: &ServerName,
    room: &RoomId,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outgoing JOIN events USING (event_id)
             WHERE destination = ?1 AND room_id = ?2)",
        )?
        .query_row((destination.as_str(), room.as_str()), |row| row.get(0))?)
}

/// Returns whether an event waits for `destination`, or was set aside.
///
/// # Errors
/// The store refuses.
pub fn lacks(
    connection: &Connection,
    destination: &ServerName,
    event_id: &EventId,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outgoing WHERE destination = ?1 AND event_id = ?2)
                 OR EXISTS (SELECT 1 FROM outgoing_set_aside WHERE destination = ?1 AND event_id = ?2)",
        )?
        .query_row((destination.as_str(), event_id.as_str()), |row| row.get(0))?)
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the wall clock, by which transactions are named and dated: milliseconds since the epoch.
    pub wall_ms: u64,
    /// On the clock of ages, by which EDUs expire, in milliseconds.
    pub age_ms: i64,
}

/// A transaction whose id and content are fixed and durable.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its id.
    pub transaction_id: String,
    /// When it was fixed, milliseconds since the epoch.
    pub origin_server_ts: u64,
    /// Its PDUs, in the order in which they were queued.
    pub pdus: Vec<Box<RawValue>>,
    /// Its EDUs, in the order in which they were queued.
    pub edus: Vec<Box<RawValue>>,
}

/// Returns the transaction in flight to `destination`, if there is one.
///
/// # Errors
/// The store refuses.
pub fn in_flight(
    connection: &Connection,
    destination: &ServerName,
) -> Result<Option<Batch>, StoreError> {
    let fixed: Option<(String, i64)> = connection
        .prepare_cached(
            "SELECT transaction_id, origin_server_ts FROM outgoing_transactions
             WHERE destination = ?1",
        )?
        .query_row([destination.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((transaction_id, origin_server_ts)) = fixed else { return Ok(None) };
    let mut statement = connection.prepare_cached(if planted(Defect::QueueLosesItsOrder) {
        "SELECT json FROM outgoing JOIN events USING (event_id)
         WHERE destination = ?1 AND transaction_id = ?2 ORDER BY event_id"
    } else {
        "SELECT json FROM outgoing JOIN events USING (event_id)
         WHERE destination = ?1 AND transaction_id = ?2 ORDER BY outgoing.id"
    })?;
    let mut rows = statement.query((destination.as_str(), &transaction_id))?;
    let mut pdus = Vec::new();
    while let Some(row) = rows.next()? {
        // What is no JSON at all is dropped here; what else cannot be sent shows when it is tried.
        match RawValue::from_string(row.get(0)?) {
            Ok(pdu) => pdus.push(pdu),
            Err(error) => tracing::error!(%error, "an event of a queue is stored malformed"),
        }
    }
    let edus = edus::of_transaction(connection, destination, &transaction_id)?;
    let origin_server_ts = u64::try_from(origin_server_ts).unwrap_or(0);
    Ok(Some(Batch { transaction_id, origin_server_ts, pdus, edus }))
}

/// Fixes the oldest entries of the queue, `limit` events and [`MAX_EDUS`] EDUs at most, as one
/// transaction, and returns it; `None` if the queue is empty.
///
/// # Errors
/// The store refuses.
pub fn fix_next(
    tx: &Transaction<'_>,
    destination: &ServerName,
    limit: usize,
    now: Now,
) -> Result<Option<Batch>, StoreError> {
    let now_ms = now.wall_ms;
    let ids = tx
        .prepare_cached("SELECT id FROM outgoing WHERE destination = ?1 ORDER BY id LIMIT ?2")?
        .query_map((destination.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)), |row| {
            row.get::<_, i64>(0)
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let edus = edus::oldest(tx, destination, MAX_EDUS, now.age_ms)?;
    // Ids of this queue only ever rise, also when it is empty in between, so this one is new.
    let transaction_id = match (ids.first(), edus.first()) {
        (Some(first), _) => format!("{now_ms}-{first}"),
        (None, Some(first)) => format!("{now_ms}-e{first}"),
        (None, None) => return Ok(None),
    };
    edus::fix(tx, &edus, &transaction_id)?;
    // One by one: SQLite keeps a journal of its own for each statement that changes several rows.
    let mut fix = tx.prepare_cached("UPDATE outgoing SET transaction_id = ?2 WHERE id = ?1")?;
    for id in &ids {
        fix.execute((id, &transaction_id))?;
    }
    tx.prepare_cached(
        "INSERT INTO outgoing_transactions (destination, transaction_id, origin_server_ts)
         VALUES (?1, ?2, ?3)",
    )?
    .execute((destination.as_str(), &transaction_id, as_i64(now_ms)))?;
    in_flight(tx, destination)
}

/// Adds what was queued since to the transaction in flight, up to `limit` entries in all, and
/// returns it.
///
/// # Errors
/// The store refuses.
pub fn widen(
    tx: &Transaction<'_>,
    destination: &ServerName,
    limit: usize,
) -> Result<Option<Batch>, StoreError> {
    tx.prepare_cached(
        "UPDATE outgoing SET transaction_id = (SELECT transaction_id FROM outgoing_transactions
                                               WHERE destination = ?1)
         WHERE id IN (SELECT id FROM outgoing WHERE destination = ?1 ORDER BY id LIMIT ?2)",
    )?
    .execute((destination.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)))?;
    in_flight(tx, destination)
}

/// Takes the newer half of the transaction in flight out of it, its EDUs first, and returns what is left,
/// which is another transaction; `None` if nothing is in flight.
///
/// # Errors
/// The store refuses.
pub fn halve(
    tx: &Transaction<'_>,
    destination: &ServerName,
    now: Now,
) -> Result<Option<Batch>, StoreError> {
    let now_ms = now.wall_ms;
    let ids = ids_in_flight(tx, destination)?;
    let Some(first) = ids.first() else {
        if let Some(transaction_id) = edus::halve(tx, destination, now_ms)? {
            rename_in_flight(tx, destination, &transaction_id)?;
        }
        return in_flight(tx, destination);
    };
    edus::release(tx, destination)?;
    let kept = ids.len().div_ceil(2);
    // The count tells it from the one with the same beginning.
    let transaction_id = format!("{now_ms}-{first}-{kept}");
    for (place, id) in ids.iter().enumerate() {
        let of = (place < kept).then_some(&transaction_id);
        tx.prepare_cached("UPDATE outgoing SET transaction_id = ?2 WHERE id = ?1")?
            .execute((id, of))?;
    }
    rename_in_flight(tx, destination, &transaction_id)?;
    in_flight(tx, destination)
}

fn rename_in_flight(
    tx: &Transaction<'_>,
    destination: &ServerName,
    transaction_id: &str,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE outgoing_transactions SET transaction_id = ?2 WHERE destination = ?1",
    )?
    .execute((destination.as_str(), transaction_id))?;
    Ok(())
}

fn ids_in_flight(tx: &Transaction<'_>, destination: &ServerName) -> Result<Vec<i64>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT id FROM outgoing WHERE destination = ?1 AND transaction_id IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map([destination.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets what waits for a destination but the newest event of each room; of several rooms, that
/// of one is forgotten too.
///
/// # Errors
/// The store refuses.
pub fn keep_heads(tx: &Transaction<'_>, destination: &ServerName) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM outgoing WHERE destination = ?1 AND transaction_id IS NULL AND id NOT IN
             (SELECT max(outgoing.id) FROM outgoing JOIN events USING (event_id)
              WHERE destination = ?1 AND transaction_id IS NULL GROUP BY room_id)",
    )?
    .execute([destination.as_str()])?;
    tx.prepare_cached(
        "DELETE FROM outgoing WHERE id =
             (SELECT min(id) FROM outgoing WHERE destination = ?1 AND transaction_id IS NULL
              HAVING count(*) > 1)",
    )?
    .execute([destination.as_str()])?;
    Ok(())
}

/// Forgets the transaction in flight and its entries, because it arrived.
///
/// # Errors
/// The store refuses.
pub fn delivered(tx: &Transaction<'_>, destination: &ServerName) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM outgoing WHERE destination = ?1 AND transaction_id IS NOT NULL",
    )?
    .execute([destination.as_str()])?;
    edus::forget_in_flight(tx, destination)?;
    tx.prepare_cached("DELETE FROM outgoing_transactions WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    Ok(())
}

/// Returns the destinations with something in their queues.
///
/// # Errors
/// The store refuses.
pub fn waiting(connection: &Connection) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT destination FROM outgoing")?;
    let mut rows = statement.query([])?;
    let mut destinations = edus::waiting(connection)?;
    while let Some(row) = rows.next()? {
        destinations.insert(server(row.get(0)?)?);
    }
    Ok(destinations)
}

/// How a destination has failed lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    /// Failed direct attempts since it was last heard from.
    pub failures: u32,
    /// When the next one is due, milliseconds since the epoch.
    pub retry_at_ms: u64,
}

/// Returns the back-off of a destination.
///
/// # Errors
/// The store refuses.
pub fn back_off(connection: &Connection, destination: &ServerName) -> Result<BackOff, StoreError> {
    let found = connection
        .prepare_cached("SELECT failures, retry_at FROM destinations WHERE destination = ?1")?
        .query_row([destination.as_str()], |row| {
            let retry_at: i64 = row.get(1)?;
            Ok(BackOff { failures: row.get(0)?, retry_at_ms: u64::try_from(retry_at).unwrap_or(0) })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Records the back-off of a destination, or forgets it if there are no failures.
///
/// # Errors
/// The store refuses.
pub fn put_back_off(
    tx: &Transaction<'_>,
    destination: &ServerName,
    back_off: BackOff,
) -> Result<(), StoreError> {
    if back_off.failures == 0 {
        tx.prepare_cached("DELETE FROM destinations WHERE destination = ?1")?
            .execute([destination.as_str()])?;
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO destinations (destination, failures, retry_at)
         VALUES (?1, ?2, ?3)",
    )?
    .execute((destination.as_str(), back_off.failures, as_i64(back_off.retry_at_ms)))?;
    Ok(())
}

/// Returns the destinations with a back-off.
///
/// # Errors
/// The store refuses.
pub fn failing(connection: &Connection) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT destination FROM destinations")?;
    let mut rows = statement.query([])?;
    let mut destinations = BTreeSet::new();
    while let Some(row) = rows.next()? {
        destinations.insert(server(row.get(0)?)?);
    }
    Ok(destinations)
}

/// A queue, for the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueueRow {
    /// Whose.
    pub destination: OwnedServerName,
    /// Events waiting.
    pub pending: i64,
    /// Failed direct attempts since the destination was last heard from.
    pub failures: u32,
    /// When the next one is due, milliseconds since the epoch; 0 for at once.
    pub retry_at: i64,
}

/// Returns every queue that is not empty and every destination that failed.
///
/// # Errors
/// The store refuses.
pub fn all(connection: &Connection) -> Result<Vec<QueueRow>, StoreError> {
    let mut queues = BTreeMap::new();
    let mut waiting = connection
        .prepare_cached("SELECT destination, count(*) FROM outgoing GROUP BY destination")?;
    let mut rows = waiting.query([])?;
    while let Some(row) = rows.next()? {
        queues.entry(row.get(0)?).or_insert((0, 0, 0)).0 = row.get(1)?;
    }
    let mut failed =
        connection.prepare_cached("SELECT destination, failures, retry_at FROM destinations")?;
    let mut rows = failed.query([])?;
    while let Some(row) = rows.next()? {
        let queue = queues.entry(row.get(0)?).or_insert((0, 0, 0));
        (queue.1, queue.2) = (row.get(1)?, row.get(2)?);
    }
    let queues = queues.into_iter().map(|(destination, (pending, failures, retry_at))| {
        Ok(QueueRow { destination: server(destination)?, pending, failures, retry_at })
    });
    queues.collect()
}

fn server(name: String) -> Result<OwnedServerName, StoreError> {
    name.try_into().map_err(StoreError::corrupt)
}
