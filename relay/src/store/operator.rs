//! What an operator does with single entries, with many, and with the quarantine.

use ruma::{OwnedServerName, ServerName};
use rusqlite::OptionalExtension;

use super::{EntryId, from_sql, to_sql};
use crate::transaction::Transaction;

/// Entries deleted in one commit of a purge.
pub(crate) const BATCH: u64 = 1000;

/// Which entries a purge deletes: those that are all of what is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purge {
    /// For this destination.
    pub(crate) destination: Option<OwnedServerName>,
    /// From this host.
    pub(crate) host: Option<String>,
    /// Stored before this time, in milliseconds since the epoch on the relay's clock.
    pub(crate) before_ms: Option<u64>,
}

/// One entry, with what is in it by count.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) destination: String,
    pub(crate) origin: String,
    pub(crate) transaction_id: String,
    pub(crate) bytes: u64,
    pub(crate) stored_ms: u64,
    pub(crate) handouts: u64,
    /// Of an entry set aside: why.
    pub(crate) reason: Option<String>,
    /// The counts of PDUs and EDUs, or why it cannot be read.
    pub(crate) content: Result<(usize, usize), String>,
}

const MATCHES: &str = "(?1 IS NULL OR destination = ?1) AND (?2 IS NULL OR host = ?2)
    AND (?3 IS NULL OR stored_ms < ?3)";

/// Returns how many entries a purge would delete, and their bytes.
pub(super) fn count(
    connection: &rusqlite::Connection,
    purge: &Purge,
) -> rusqlite::Result<(u64, u64)> {
    let sql = format!("SELECT count(*), coalesce(sum(bytes), 0) FROM entries WHERE {MATCHES}");
    connection
        .prepare_cached(&sql)?
        .query_row(parameters(purge), |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))
}

/// Deletes one batch of the entries of a purge, and returns how many.
pub(super) fn purge_batch(
    transaction: &transport::Transaction<'_>,
    purge: &Purge,
) -> rusqlite::Result<u64> {
    let sql = format!(
        "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE {MATCHES} LIMIT {BATCH})"
    );
    let deleted = transaction.prepare_cached(&sql)?.execute(parameters(purge))?;
    Ok(deleted as u64)
}

fn parameters(purge: &Purge) -> (Option<&str>, Option<&str>, Option<i64>) {
    let destination = purge.destination.as_deref().map(ServerName::as_str);
    (destination, purge.host.as_deref(), purge.before_ms.map(to_sql))
}

/// Returns one entry that waits.
pub(super) fn show(
    connection: &rusqlite::Connection,
    id: EntryId,
) -> rusqlite::Result<Option<Shown>> {
    connection
        .prepare_cached(
            "SELECT destination, origin, transaction_id, bytes, stored_ms,
                 coalesce((SELECT count FROM handouts WHERE handouts.id = entries.id), 0),
                 NULL, body
             FROM entries WHERE id = ?1",
        )?
        .query_row([id], shown)
        .optional()
}

/// Returns one entry that was set aside.
pub(super) fn show_set_aside(
    connection: &rusqlite::Connection,
    id: EntryId,
) -> rusqlite::Result<Option<Shown>> {
    connection
        .prepare_cached(
            "SELECT destination, origin, transaction_id, bytes, stored_ms, 0, reason, body
             FROM quarantine WHERE id = ?1",
        )?
        .query_row([id], shown)
        .optional()
}

fn shown(row: &rusqlite::Row<'_>) -> rusqlite::Result<Shown> {
    let body = row.get_ref(7)?.as_bytes()?;
    let content = serde_json::from_slice::<Transaction>(body);
    Ok(Shown {
        destination: row.get(0)?,
        origin: row.get(1)?,
        transaction_id: row.get(2)?,
        bytes: from_sql(row.get(3)?),
        stored_ms: from_sql(row.get(4)?),
        handouts: from_sql(row.get(5)?),
        reason: row.get(6)?,
        content: content
            .map(|content| (content.pdus.len(), content.edus.len()))
            .map_err(|error| error.to_string()),
    })
}

/// Deletes one entry that waits; returns whether there was one.
pub(super) fn drop_entry(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
) -> rusqlite::Result<bool> {
    Ok(transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([id])? > 0)
}

/// Has an entry handed out, and forwarded, as if it never had been; returns whether there is one.
pub(super) fn requeue(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
) -> rusqlite::Result<bool> {
    transaction.prepare_cached("UPDATE handouts SET count = 0 WHERE id = ?1")?.execute([id])?;
    let found = transaction
        .prepare_cached("UPDATE entries SET forwardable = 1 WHERE id = ?1")?
        .execute([id])?;
    Ok(found > 0)
}

/// Deletes one entry that was set aside; returns whether there was one.
pub(super) fn drop_set_aside(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
) -> rusqlite::Result<bool> {
    Ok(transaction.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([id])? > 0)
}

/// Puts an entry that was set aside at the end of its mailbox, under a new id.
pub(super) fn release(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
) -> rusqlite::Result<Option<EntryId>> {
    let released = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO entries
                 (destination, origin, transaction_id, body_hash, bytes, stored_ms, body)
             SELECT destination, origin, transaction_id, body_hash, bytes, stored_ms, body
             FROM quarantine WHERE id = ?1",
        )?
        .execute([id])?;
    let new = (released > 0).then(|| transaction.last_insert_rowid());
    // What was sent again in the meantime waits already.
    drop_set_aside(transaction, id)?;
    Ok(new)
}
