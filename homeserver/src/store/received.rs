//! What was received before: transactions with their answers, and relay entries.

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// How long an answer is kept, in milliseconds. An origin that repeats a transaction later than
/// that is answered afresh; its events are recognized by their ids.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// Entries of one relay that are remembered. One is asked for again only when the answer that
/// acknowledged it was lost, so few would do.
const KEPT_ENTRIES: i64 = 10_000;

/// Returns the answer given to a transaction before.
///
/// # Errors
/// The store refuses.
pub fn answer(
    connection: &Connection,
    origin: &ServerName,
    transaction_id: &str,
) -> Result<Option<String>, StoreError> {
    let sql = if planted(Defect::TransactionsAreToldApartByIdOnly) {
        "SELECT answer FROM received_transactions WHERE ?1 <> '' AND transaction_id = ?2"
    } else {
        "SELECT answer FROM received_transactions WHERE origin = ?1 AND transaction_id = ?2"
    };
    Ok(connection
        .prepare_cached(sql)?
        .query_row((origin.as_str(), transaction_id), |row| row.get(0))
        .optional()?)
}

/// Records the answer to a transaction, and forgets answers to much older ones of the same origin.
///
/// # Errors
/// The store refuses.
pub fn put_answer(
    tx: &Transaction<'_>,
    origin: &ServerName,
    transaction_id: &str,
    answer: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO received_transactions (origin, transaction_id, received_at, answer)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((origin.as_str(), transaction_id, now_ms, answer))?;
    tx.prepare_cached("DELETE FROM received_transactions WHERE origin = ?1 AND received_at < ?2")?
        .execute((origin.as_str(), now_ms.saturating_sub(KEPT_MS)))?;
    Ok(())
}

/// Answers that are kept of one origin, those given last. It sends one transaction at a time, and repeats
/// that one alone.
const KEPT_ANSWERS: i64 = 10_000;

/// Answers that are forgotten in one transaction, and origins that are looked at: others write too.
const FORGOTTEN_AT_ONCE: usize = 300;

/// Forgets answers that are too old, or too many of one origin: some of them, of the origins behind `after`.
/// Returns after which one to go on, if there may be more.
///
/// # Errors
/// The store refuses.
pub fn prune(
    tx: &Transaction<'_>,
    now_ms: i64,
    mut after: String,
) -> Result<Option<String>, StoreError> {
    let oldest = now_ms.saturating_sub(KEPT_MS);
    let mut left = FORGOTTEN_AT_ONCE;
    while left > 0 {
        let next: Option<String> = tx
            .prepare_cached("SELECT min(origin) FROM received_transactions WHERE origin > ?1")?
            .query_row([&after], |row| row.get(0))?;
        let Some(origin) = next else { return Ok(None) };
        let forgotten = forget_answers(tx, &origin, oldest, left)?;
        if forgotten == left {
            break;
        }
        left -= forgotten + 1;
        after = origin;
    }
    Ok(Some(after))
}

/// Forgets answers to `origin` that are older than `oldest`, or too many, `limit` at most; returns how many.
fn forget_answers(
    tx: &Transaction<'_>,
    origin: &str,
    oldest: i64,
    limit: usize,
) -> Result<usize, StoreError> {
    // The latest that is one too many.
    let beyond: Option<i64> = tx
        .prepare_cached(
            "SELECT received_at FROM received_transactions WHERE origin = ?1
             ORDER BY received_at DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row((origin, KEPT_ANSWERS), |row| row.get(0))
        .optional()?;
    let until = beyond.unwrap_or(i64::MIN).max(oldest.saturating_sub(1));
    let forgotten = tx
        .prepare_cached(
            "DELETE FROM received_transactions WHERE origin = ?1 AND transaction_id IN (
                 SELECT transaction_id FROM received_transactions
                 WHERE origin = ?1 AND received_at <= ?2 ORDER BY received_at LIMIT ?3)",
        )?
        .execute((origin, until, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    Ok(forgotten)
}

/// An entry of a relay, by what identifies it.
#[derive(Clone, Debug)]
pub struct RelayEntry {
    /// Whose entry.
    pub relay: OwnedServerName,
    /// Its id there.
    pub entry_id: i64,
    /// Who sent it, as the relay says.
    pub origin: String,
    /// The origin's transaction id, as the relay says.
    pub transaction_id: Option<String>,
}

/// Returns whether that entry is finished: one of the same id and the same transaction. An id alone
/// says nothing, since a relay that lost its database starts counting again; nor does an entry
/// without a transaction id.
///
/// # Errors
/// The store refuses.
pub fn knows_entry(connection: &Connection, entry: &RelayEntry) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM relay_entries
                 WHERE relay = ?1 AND entry_id = ?2 AND origin = ?3 AND transaction_id = ?4
             )",
        )?
        .query_row(
            (entry.relay.as_str(), entry.entry_id, &entry.origin, &entry.transaction_id),
            |row| row.get(0),
        )?)
}

/// Records that an entry is finished, because it is stored or refused for good, and forgets much
/// older ones of the same relay.
///
/// # Errors
/// The store refuses.
pub fn put_entry(
    tx: &Transaction<'_>,
    entry: &RelayEntry,
    refusal: Option<&str>,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO relay_entries (relay, entry_id, origin, transaction_id, refusal)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        entry.relay.as_str(),
        entry.entry_id,
        &entry.origin,
        &entry.transaction_id,
        refusal,
    ))?;
    tx.prepare_cached("DELETE FROM relay_entries WHERE relay = ?1 AND entry_id < ?2")?
        .execute((entry.relay.as_str(), entry.entry_id.saturating_sub(KEPT_ENTRIES)))?;
    Ok(())
}

pub(crate) fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use ruma::owned_server_name;

    use super::*;

    fn entry(entry_id: i64, origin: &str, transaction_id: Option<&str>) -> RelayEntry {
        RelayEntry {
            relay: owned_server_name!("relay"),
            entry_id,
            origin: origin.to_owned(),
            transaction_id: transaction_id.map(str::to_owned),
        }
    }

    fn with_entries(ids: &[i64], transaction_id: &str) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("01_core.sql")).unwrap();
        let tx = Transaction::begin(&mut connection).unwrap();
        for &id in ids {
            put_entry(&tx, &entry(id, "a", Some(transaction_id)), None).unwrap();
        }
        tx.commit().unwrap();
        connection
    }

    #[test]
    fn relay_that_counts_afresh_hands_out_new_entries() {
        let connection = with_entries(&[1], "old");
        let knows = |entry: RelayEntry| knows_entry(&connection, &entry).unwrap();
        assert!(knows(entry(1, "a", Some("old"))));
        assert!(!knows(entry(1, "a", Some("new"))));
        assert!(!knows(entry(1, "b", Some("old"))));
        assert!(!knows(entry(1, "a", None)));
    }

    #[test]
    fn only_the_newest_entries_of_a_relay_are_remembered() {
        let connection = with_entries(&[1, 2, KEPT_ENTRIES + 2], "t");
        let knows = |id| knows_entry(&connection, &entry(id, "a", Some("t"))).unwrap();
        assert!(!knows(1));
        assert!(knows(2));
    }

    #[test]
    fn answers_without_end_are_forgotten_but_for_the_latest() {
        let mut connection = with_entries(&[], "");
        let tx = Transaction::begin(&mut connection).unwrap();
        let (eve, bob) = (owned_server_name!("eve"), owned_server_name!("bob"));
        put_answer(&tx, &bob, "old", "{}", 0).unwrap();
        for number in 0..KEPT_ANSWERS + 1000 {
            put_answer(&tx, &eve, &number.to_string(), "{}", KEPT_MS + 1 + number).unwrap();
        }
        let (mut after, mut portions) = (Some(String::new()), 0);
        while let Some(from) = after {
            after = prune(&tx, KEPT_MS + 1, from).unwrap();
            portions += 1;
        }
        assert_eq!(portions, 4);
        let count = "SELECT count(*) FROM received_transactions";
        assert_eq!(tx.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), KEPT_ANSWERS);
        assert!(answer(&tx, &eve, "10999").unwrap().is_some());
        assert!(answer(&tx, &eve, "999").unwrap().is_none());
    }
}
