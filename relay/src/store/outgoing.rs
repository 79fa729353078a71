//! Takes entries out: oldest first, deleted when delivered, set aside when unreadable.

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::{Connection, OptionalExtension};

use super::{EntryId, PAGE, from_sql, incoming::counted_bytes, to_sql};
use crate::transaction::Transaction;

/// Unreadable entries set aside in one commit; the rest is left to the next request.
const MAX_SET_ASIDE: usize = 100;

/// An entry on its way out.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its id.
    pub(crate) id: EntryId,
    /// Who signed the request that brought it.
    pub(crate) origin: OwnedServerName,
    /// The origin's id of the transaction.
    pub(crate) transaction_id: String,
    /// When it was stored, in milliseconds since the epoch on the relay's clock.
    pub(crate) stored_ms: u64,
    /// Its PDUs and EDUs.
    pub(crate) transaction: Transaction,
}

/// What is at the head of a mailbox.
#[derive(Debug)]
pub(crate) enum Next {
    /// The oldest entry.
    Entry(Box<Entry>),
    /// Nothing.
    Empty,
    /// So many unreadable entries that the rest is left to the next request.
    TooMuchPoison,
}

/// Which entries of a mailbox are looked at.
#[derive(Clone, Copy)]
enum Which {
    All,
    Forwardable,
}

/// Returns whether there is an entry for `destination`, readable or not.
pub(super) fn has_entry(
    connection: &Connection,
    destination: &ServerName,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM entries WHERE destination = ?1 LIMIT 1")?
        .exists([destination.as_str()])
}

/// Deletes the entry, if it is `destination`'s and was handed out to it.
pub(super) fn acknowledge(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    id: EntryId,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let may = transaction
        .prepare_cached(
            "SELECT 1 FROM entries WHERE id = ?1 AND destination = ?2 AND handed_out = 1",
        )?
        .exists((id, destination.as_str()))?;
    if may && planted(Defect::RelayAcknowledgementTakesNewerMail) {
        return transaction
            .prepare_cached(
                "DELETE FROM entries
                 WHERE (destination, origin) = (SELECT destination, origin FROM entries
                                                WHERE id = ?1)",
            )?
            .execute([id])
            .map(drop);
    }
    if may { delivered(transaction, id, now_ms) } else { Ok(()) }
}

/// Deletes the entry, and remembers that it was delivered.
pub(super) fn delivered(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
    now_ms: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO receipts
             SELECT destination, origin, transaction_id, body_hash, ?2 FROM entries WHERE id = ?1",
        )?
        .execute((id, now_ms))?;
    delete(transaction, id)
}

/// Returns the oldest readable entry of `destination`, marked as handed out.
pub(super) fn hand_out(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
) -> rusqlite::Result<Next> {
    let next = oldest_readable(transaction, destination, Which::All)?;
    if let Next::Entry(entry) = &next {
        if planted(Defect::RelayDeletesWhenHandingOut) {
            delete(transaction, entry.id)?;
        }
        transaction
            .prepare_cached("UPDATE entries SET handed_out = 1 WHERE id = ?1 AND handed_out = 0")?
            .execute([entry.id])?;
    }
    Ok(next)
}

/// Returns the oldest readable entry that the relay should try to deliver.
pub(super) fn next_to_forward(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
) -> rusqlite::Result<Next> {
    oldest_readable(transaction, destination, Which::Forwardable)
}

/// Replaces the body by `rest`, which the relay does not try to deliver.
pub(super) fn leave(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
    rest: &Transaction,
) -> rusqlite::Result<()> {
    let body = rest.to_json();
    transaction
        .prepare_cached("UPDATE entries SET forwardable = 0, bytes = ?2, body = ?3 WHERE id = ?1")?
        .execute((id, to_sql(counted_bytes(&body)), &body))?;
    Ok(())
}

/// Returns destinations after `after` with something to forward, by name.
pub(super) fn destinations_to_forward(
    connection: &Connection,
    after: &str,
) -> rusqlite::Result<Vec<OwnedServerName>> {
    let names = connection
        .prepare_cached(
            "SELECT DISTINCT destination FROM entries
             WHERE forwardable = 1 AND destination > ?1 ORDER BY destination LIMIT ?2",
        )?
        .query_map((after, to_sql(PAGE as u64)), |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(names.into_iter().filter_map(|name| name.try_into().ok()).collect())
}

fn oldest_readable(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    which: Which,
) -> rusqlite::Result<Next> {
    for _ in 0..MAX_SET_ASIDE {
        let Some((id, read)) = oldest(transaction, destination, which)? else {
            return Ok(Next::Empty);
        };
        match read {
            Ok(entry) => return Ok(Next::Entry(Box::new(entry))),
            Err(reason) => {
                tracing::error!(%destination, id, reason, "set aside an unreadable entry");
                set_aside(transaction, id, &reason)?;
            }
        }
    }
    Ok(Next::TooMuchPoison)
}

/// Returns the oldest entry, or why it cannot be read.
fn oldest(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    which: Which,
) -> rusqlite::Result<Option<(EntryId, Result<Entry, String>)>> {
    let sql = match which {
        Which::All if planted(Defect::RelayHandsOutNewestFirst) => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 ORDER BY id DESC LIMIT 1"
        }
        Which::All => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 ORDER BY id LIMIT 1"
        }
        Which::Forwardable => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 AND forwardable = 1 ORDER BY id LIMIT 1"
        }
    };
    transaction
        .prepare_cached(sql)?
        .query_row([destination.as_str()], |row| Ok((row.get(0)?, read(row))))
        .optional()
}

fn read(row: &rusqlite::Row<'_>) -> Result<Entry, String> {
    let column = |error: rusqlite::Error| error.to_string();
    let origin: String = row.get(1).map_err(column)?;
    let body: Vec<u8> = row.get(4).map_err(column)?;
    Ok(Entry {
        id: row.get(0).map_err(column)?,
        origin: OwnedServerName::try_from(origin).map_err(|error| format!("origin: {error}"))?,
        transaction_id: row.get(2).map_err(column)?,
        stored_ms: from_sql(row.get(3).map_err(column)?),
        transaction: serde_json::from_slice(&body).map_err(|error| format!("body: {error}"))?,
    })
}

/// Moves an entry into the quarantine. No receipt is left: its origin may bring it once more.
fn set_aside(
    transaction: &transport::Transaction<'_>,
    id: EntryId,
    reason: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO quarantine
             (id, destination, origin, transaction_id, bytes, stored_ms, reason, body)
         SELECT id, destination, origin, transaction_id, bytes, stored_ms, ?2, body
         FROM entries WHERE id = ?1",
        )?
        .execute((id, reason))?;
    delete(transaction, id)
}

fn delete(transaction: &transport::Transaction<'_>, id: EntryId) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([id])?;
    Ok(())
}
