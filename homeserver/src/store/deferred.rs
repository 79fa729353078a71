//! Transactions, direct ones and entries of relays, whose PDUs could not all be judged when they
//! came.

use std::collections::BTreeMap;

use ruma::{OwnedServerName, ServerName, owned_server_name};
use rusqlite::Connection;
use serde_json::value::RawValue;
use transport::Transaction;

use super::StoreError;

/// How an entry came here.
#[derive(Clone, Debug)]
pub struct Handover {
    /// The relay that handed it over, or its origin.
    pub giver: OwnedServerName,
    /// Its id at the relay; 0 for a transaction that came directly.
    pub entry_id: i64,
}

/// An entry to be tried again.
#[derive(Debug)]
pub struct DeferredEntry {
    /// Its id here.
    pub id: i64,
    /// Who handed it over.
    pub giver: OwnedServerName,
    /// Who made the transaction; if a relay handed it over, as the relay says.
    pub origin: OwnedServerName,
    /// All of its PDUs, as they came.
    pub pdus: Vec<Box<RawValue>>,
    /// The letter that it is, if it is not known yet whether its origin wrote that.
    pub letter: Option<String>,
    /// How often it was tried again.
    pub tries: u32,
}

/// Returns how many entries that `giver` handed over wait here.
///
/// # Errors
/// The store refuses.
pub fn count(connection: &Connection, giver: &ServerName) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM deferred_entries WHERE relay = ?1")?
        .query_row([giver.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Returns how many entries wait here, by who handed them over.
///
/// # Errors
/// The store refuses.
pub fn counts(connection: &Connection) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT relay, count(*) FROM deferred_entries GROUP BY relay")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Keeps an entry, with the PDUs of its `origin`, to be tried again.
///
/// # Errors
/// The store refuses.
pub fn put(
    tx: &Transaction<'_>,
    handover: &Handover,
    origin: &ServerName,
    pdus: &[Box<RawValue>],
    now_ms: i64,
) -> Result<(), StoreError> {
    let pdus = serde_json::to_string(pdus).map_err(StoreError::corrupt)?;
    tx.prepare_cached(
        "INSERT INTO deferred_entries (relay, entry_id, origin, pdus, deferred_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((handover.giver.as_str(), handover.entry_id, origin.as_str(), pdus, now_ms))?;
    Ok(())
}

/// Keeps a letter whose `origin` could not be asked whether it is from there.
///
/// # Errors
/// The store refuses.
pub fn put_letter(
    tx: &Transaction<'_>,
    handover: &Handover,
    origin: &ServerName,
    letter: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO deferred_entries (relay, entry_id, origin, pdus, deferred_at, letter)
         VALUES (?1, ?2, ?3, '[]', ?4, ?5)",
    )?
    .execute((handover.giver.as_str(), handover.entry_id, origin.as_str(), now_ms, letter))?;
    Ok(())
}

/// Returns how many letters of `origin` wait here.
///
/// # Errors
/// The store refuses.
pub fn letters(connection: &Connection, origin: &ServerName) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM deferred_entries WHERE origin = ?1 AND letter IS NOT NULL",
        )?
        .query_row([origin.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Puts the PDUs of an entry's letter in its place: it is known to be from its origin.
///
/// # Errors
/// The store refuses.
pub fn put_pdus(tx: &Transaction<'_>, id: i64, pdus: &[Box<RawValue>]) -> Result<(), StoreError> {
    let pdus = serde_json::to_string(pdus).map_err(StoreError::corrupt)?;
    tx.prepare_cached("UPDATE deferred_entries SET pdus = ?2, letter = NULL WHERE id = ?1")?
        .execute((id, pdus))?;
    Ok(())
}

/// Returns the entries that are due, those tried least often first, the oldest of them first, `limit` at
/// most and as many of one giver as of another; and whether there is any entry at all.
///
/// # Errors
/// The store refuses.
pub fn due(
    connection: &Connection,
    now_ms: i64,
    limit: usize,
) -> Result<(Vec<DeferredEntry>, bool), StoreError> {
    let any = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM deferred_entries)")?
        .query_row([], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "SELECT id, origin, pdus, tries, letter, relay FROM deferred_entries WHERE id IN (
             SELECT id FROM (
                 SELECT id, tries, row_number() OVER (PARTITION BY relay ORDER BY tries, id) AS turn
                 FROM deferred_entries WHERE due_ms <= ?1)
             ORDER BY turn, tries, id LIMIT ?2)
         ORDER BY tries, id",
    )?;
    let mut rows = statement.query((now_ms, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let (origin, pdus): (String, String) = (row.get(1)?, row.get(2)?);
        let (origin, pdus) = match origin.try_into() {
            Ok(origin) => (origin, well_formed(&pdus)),
            // It is judged and forgotten like one whose PDUs are malformed.
            Err(error) => {
                tracing::error!(%error, "the origin of a deferred entry is stored malformed");
                (owned_server_name!("malformed.invalid"), Vec::new())
            }
        };
        let (id, tries, letter) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let giver: String = row.get(5)?;
        let giver = giver.try_into().unwrap_or_else(|_| origin.clone());
        entries.push(DeferredEntry { id, giver, origin, pdus, letter, tries });
    }
    Ok((entries, any))
}

/// Returns the PDUs of an entry; none of one that is stored malformed, which is judged and forgotten
/// like any other then.
fn well_formed(pdus: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(pdus)
        .inspect_err(|error| tracing::error!(%error, "a deferred entry is stored malformed"))
        .unwrap_or_default()
}

/// Counts a failed try; the next one is due at `due_ms`.
///
/// # Errors
/// The store refuses.
pub fn tried(tx: &Transaction<'_>, id: i64, due_ms: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE deferred_entries SET tries = tries + 1, due_ms = ?2 WHERE id = ?1")?
        .execute((id, due_ms))?;
    Ok(())
}

/// Forgets an entry that is finished.
///
/// # Errors
/// The store refuses.
pub fn forget(tx: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM deferred_entries WHERE id = ?1")?.execute([id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("03_deferred.sql")).unwrap();
        let newer = "ALTER TABLE deferred_entries ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0";
        connection.execute_batch(newer).unwrap();
        connection.execute_batch(include_str!("19_mail.sql")).unwrap();
        connection
    }

    fn keep(connection: &mut Connection, giver: &str, bytes: usize) {
        let giver = OwnedServerName::try_from(giver).unwrap();
        let pdu = serde_json::value::to_raw_value(&"x".repeat(bytes)).unwrap();
        let tx = Transaction::begin(connection).unwrap();
        put(&tx, &Handover { giver: giver.clone(), entry_id: 0 }, &giver, &[pdu], 0).unwrap();
        tx.commit().unwrap();
    }

    #[test]
    fn whoever_hands_over_much_is_tried_no_more_often_than_others() {
        let mut connection = table();
        for _ in 0..100 {
            keep(&mut connection, "eve.test", 10);
        }
        keep(&mut connection, "bob.test", 10);
        let (tried, _) = due(&connection, 0, 20).unwrap();
        assert_eq!(tried.len(), 20);
        assert!(tried.iter().any(|entry| entry.origin == "bob.test"));
    }

    #[test]
    fn an_entry_with_a_malformed_origin_is_judged_empty_and_costs_itself_alone() {
        let mut connection = table();
        keep(&mut connection, "eve.test", 10);
        keep(&mut connection, "bob.test", 10);
        connection.execute("UPDATE deferred_entries SET origin = '?' WHERE id = 1", []).unwrap();
        let (entries, _) = due(&connection, 0, 20).unwrap();
        assert!(entries[0].pdus.is_empty() && entries[1].pdus.len() == 1);
    }
}
