//! EDUs that wait in the queues of their destinations, beside the events there.

use std::collections::BTreeSet;

use ruma::{OwnedServerName, ServerName};
use rusqlite::Connection;
use serde_json::{Value, json, value::RawValue};
use transport::Transaction;

use super::StoreError;

/// EDUs that wait for one destination; of any more the oldest is dropped.
const MAX_WAITING: i64 = 10_000;

/// An EDU on its way out.
#[derive(Clone, Debug)]
pub struct OutgoingEdu {
    /// Its type, as `m.receipt`.
    pub kind: &'static str,
    /// What it says.
    pub content: Value,
    /// A later one of the same key replaces it.
    pub key: Option<String>,
    /// When it is of no use any more, milliseconds on the clock of ages.
    pub expires_ms: Option<i64>,
}

/// Appends an EDU to the queue of `destination`.
///
/// # Errors
/// The store refuses.
pub fn push(
    tx: &Transaction<'_>,
    destination: &ServerName,
    edu: &OutgoingEdu,
) -> Result<(), StoreError> {
    if let Some(key) = &edu.key {
        tx.prepare_cached(
            "DELETE FROM outgoing_edus
             WHERE destination = ?1 AND key = ?2 AND transaction_id IS NULL",
        )?
        .execute((destination.as_str(), key))?;
    }
    let json = json!({ "edu_type": edu.kind, "content": edu.content }).to_string();
    tx.prepare_cached(
        "INSERT INTO outgoing_edus (destination, key, json, expires_ms) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((destination.as_str(), &edu.key, json, edu.expires_ms))?;
    tx.prepare_cached(
        "DELETE FROM outgoing_edus WHERE destination = ?1 AND transaction_id IS NULL AND id <= (
             SELECT id FROM outgoing_edus WHERE destination = ?1
             ORDER BY id DESC LIMIT 1 OFFSET ?2
         )",
    )?
    .execute((destination.as_str(), MAX_WAITING))?;
    Ok(())
}

/// Forgets what has expired, and returns the ids of the oldest, `limit` at most.
pub(super) fn oldest(
    tx: &Transaction<'_>,
    destination: &ServerName,
    limit: usize,
    now_ms: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT id, expires_ms FROM outgoing_edus WHERE destination = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([destination.as_str()])?;
    let (mut ids, mut expired) = (Vec::new(), Vec::new());
    while ids.len() < limit
        && let Some(row) = rows.next()?
    {
        let (id, expires): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let is_over = expires.is_some_and(|expires| expires < now_ms);
        if is_over { &mut expired } else { &mut ids }.push(id);
    }
    for id in expired {
        tx.prepare_cached("DELETE FROM outgoing_edus WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids)
}

/// Makes the EDUs of these ids part of a transaction.
pub(super) fn fix(
    tx: &Transaction<'_>,
    ids: &[i64],
    transaction_id: &str,
) -> Result<(), StoreError> {
    let mut fix =
        tx.prepare_cached("UPDATE outgoing_edus SET transaction_id = ?2 WHERE id = ?1")?;
    for id in ids {
        fix.execute((id, transaction_id))?;
    }
    Ok(())
}

/// Returns the EDUs of a transaction, as they go over the wire.
pub(super) fn of_transaction(
    connection: &Connection,
    destination: &ServerName,
    transaction_id: &str,
) -> Result<Vec<Box<RawValue>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT json FROM outgoing_edus WHERE destination = ?1 AND transaction_id = ?2 ORDER BY id",
    )?;
    let mut rows = statement.query((destination.as_str(), transaction_id))?;
    let mut edus = Vec::new();
    while let Some(row) = rows.next()? {
        // As of events, what is no JSON at all is dropped here.
        match RawValue::from_string(row.get(0)?) {
            Ok(edu) => edus.push(edu),
            Err(error) => tracing::error!(%error, "an EDU of a queue is stored malformed"),
        }
    }
    Ok(edus)
}

/// Takes the newer half of the EDUs out of the transaction in flight, which gets another id; returns that,
/// if there is an EDU in it.
pub(super) fn halve(
    tx: &Transaction<'_>,
    destination: &ServerName,
    now_ms: u64,
) -> Result<Option<String>, StoreError> {
    let ids: Vec<i64> = tx
        .prepare_cached(
            "SELECT id FROM outgoing_edus
             WHERE destination = ?1 AND transaction_id IS NOT NULL ORDER BY id",
        )?
        .query_map([destination.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let Some(first) = ids.first() else { return Ok(None) };
    let kept = ids.len().div_ceil(2);
    let transaction_id = format!("{now_ms}-e{first}-{kept}");
    release(tx, destination)?;
    fix(tx, &ids[..kept], &transaction_id)?;
    Ok(Some(transaction_id))
}

/// Takes the EDUs out of the transaction in flight: they go with a later one.
pub(super) fn release(tx: &Transaction<'_>, destination: &ServerName) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE outgoing_edus SET transaction_id = NULL WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    Ok(())
}

/// Forgets the EDUs of the transaction in flight.
pub(super) fn forget_in_flight(
    tx: &Transaction<'_>,
    destination: &ServerName,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM outgoing_edus WHERE destination = ?1 AND transaction_id IS NOT NULL",
    )?
    .execute([destination.as_str()])?;
    Ok(())
}

/// Forgets everything that waits for a destination.
pub(super) fn forget_all(tx: &Transaction<'_>, destination: &ServerName) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM outgoing_edus WHERE destination = ?1")?
        .execute([destination.as_str()])?;
    Ok(())
}

/// Returns the destinations for which EDUs wait.
///
/// # Errors
/// The store refuses.
pub(super) fn waiting(connection: &Connection) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT destination FROM outgoing_edus")?;
    let mut rows = statement.query([])?;
    let mut destinations = BTreeSet::new();
    while let Some(row) = rows.next()? {
        destinations.insert(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(destinations)
}
