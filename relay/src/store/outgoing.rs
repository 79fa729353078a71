//! Takes entries out: oldest first, deleted when delivered, set aside when unreadable.

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::{Connection, OptionalExtension};

use super::{EntryId, PAGE, expiry, from_sql, incoming::counted_bytes, to_sql};
use crate::transaction::Transaction;

/// Entries set aside in one commit; the rest is left to the next request.
const MAX_SET_ASIDE: usize = 100;

/// How often an entry is handed out in vain before those behind it are handed out first. Few lost
/// answers change the order of nothing.
const PATIENCE: i64 = 5;

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
    /// The bytes of these.
    pub(crate) bytes: u64,
}

/// How much is handed out at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Entries.
    pub(crate) entries: usize,
    /// Bytes, of all but the first.
    pub(crate) bytes: u64,
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
    /// Those that were not handed out often, in vain.
    Fresh,
    /// Those that were, what was tried least before.
    Tried,
    Forwardable,
}

/// What was set aside on the way to what is handed out, to be told once that is durable.
pub(super) type Aside = Vec<EntryId>;

/// Returns the bytes of the entry that is handed out next, once `acknowledged` is gone; `None` if there is
/// none.
pub(super) fn next_bytes(
    connection: &Connection,
    destination: &ServerName,
    acknowledged: EntryId,
) -> rusqlite::Result<Option<u64>> {
    let mut bytes = None;
    for sql in [
        "SELECT bytes FROM entries
         WHERE destination = ?1
             AND (id <> ?3 OR id NOT IN (SELECT id FROM handouts WHERE destination = ?1))
             AND NOT EXISTS
                 (SELECT 1 FROM handouts WHERE handouts.id = entries.id AND count >= ?2)
         ORDER BY id LIMIT 1",
        "SELECT bytes FROM entries
         WHERE id = (SELECT id FROM handouts WHERE destination = ?1 AND count >= ?2 AND id <> ?3
                     ORDER BY count, id LIMIT 1)",
    ] {
        if bytes.is_none() {
            bytes = connection
                .prepare_cached(sql)?
                .query_row((destination.as_str(), PATIENCE, acknowledged), |row| row.get(0))
                .optional()?;
        }
    }
    Ok(bytes.map(from_sql))
}

/// Returns the bytes of all entries for `destination`.
pub(super) fn bytes_waiting(
    connection: &Connection,
    destination: &ServerName,
) -> rusqlite::Result<u64> {
    let bytes = connection
        .prepare_cached("SELECT bytes FROM mailboxes WHERE destination = ?1")?
        .query_row([destination.as_str()], |row| row.get(0))
        .optional()?;
    Ok(bytes.map_or(0, from_sql))
}

/// Deletes the entry, if it is `destination`'s and was handed out to it; returns whether it did.
pub(super) fn acknowledge(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    id: EntryId,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let may = transaction
        .prepare_cached("SELECT 1 FROM handouts WHERE id = ?1 AND destination = ?2")?
        .exists((id, destination.as_str()))?;
    if may && planted(Defect::RelayAcknowledgementTakesNewerMail) {
        transaction
            .prepare_cached(
                "DELETE FROM entries
                 WHERE (destination, origin) = (SELECT destination, origin FROM entries
                                                WHERE id = ?1)",
            )?
            .execute([id])?;
    } else if may {
        delivered(transaction, id, now_ms)?;
    }
    Ok(may)
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
        .execute((id, expiry::stamp(transaction, now_ms)?))?;
    delete(transaction, id)
}

/// Returns the oldest readable entry of `destination`, counted as handed out once more. One that was
/// handed out often and never acknowledged lets the others pass, and is set aside in the end, after
/// `max_handouts`.
pub(super) fn hand_out(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    max_handouts: u64,
    aside: &mut Aside,
) -> rusqlite::Result<Next> {
    let next = match oldest_readable(transaction, destination, Which::Fresh, 0, aside)? {
        Next::Empty => least_tried(transaction, destination, max_handouts, aside)?,
        found => found,
    };
    let Next::Entry(entry) = &next else { return Ok(next) };
    if planted(Defect::RelayDeletesWhenHandingOut) {
        delete(transaction, entry.id)?;
        return Ok(next);
    }
    count_handout(transaction, destination, entry.id)?;
    Ok(next)
}

/// Returns the oldest readable entries, each counted as handed out once more; if all of them were handed
/// out in vain often, one.
pub(super) fn hand_out_many(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    max_handouts: u64,
    most: Most,
    aside: &mut Aside,
) -> rusqlite::Result<Vec<Next>> {
    let (mut handed_out, mut bytes, mut after) = (Vec::new(), 0_u64, 0);
    while handed_out.len() < most.entries {
        match oldest_readable(transaction, destination, Which::Fresh, after, aside)? {
            Next::Entry(entry) => {
                bytes = bytes.saturating_add(entry.bytes);
                if bytes > most.bytes && !handed_out.is_empty() {
                    break;
                }
                after = entry.id;
                count_handout(transaction, destination, entry.id)?;
                handed_out.push(Next::Entry(entry));
            }
            Next::Empty | Next::TooMuchPoison => break,
        }
    }
    if handed_out.is_empty() {
        handed_out.push(hand_out(transaction, destination, max_handouts, aside)?);
    }
    Ok(handed_out)
}

/// Returns how many entries wait for `destination`.
pub(super) fn waiting(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
) -> rusqlite::Result<u64> {
    let entries = transaction
        .prepare_cached("SELECT entries FROM mailboxes WHERE destination = ?1")?
        .query_row([destination.as_str()], |row| row.get(0))
        .optional()?;
    Ok(entries.map_or(0, from_sql))
}

fn count_handout(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    id: EntryId,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO handouts VALUES (?1, ?2, 1)
             ON CONFLICT (id) DO UPDATE SET count = count + 1",
        )?
        .execute((id, destination.as_str()))
        .map(drop)
}

fn least_tried(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    max_handouts: u64,
    aside: &mut Aside,
) -> rusqlite::Result<Next> {
    for _ in 0..MAX_SET_ASIDE {
        let next = oldest_readable(transaction, destination, Which::Tried, 0, aside)?;
        let Next::Entry(entry) = &next else { return Ok(next) };
        if handouts(transaction, entry.id)? < max_handouts {
            return Ok(next);
        }
        let reason = format!("handed out {max_handouts} times and never acknowledged");
        tracing::warn!(%destination, id = entry.id, reason, "set aside an entry");
        set_aside(transaction, entry.id, &reason)?;
        aside.push(entry.id);
    }
    Ok(Next::TooMuchPoison)
}

fn handouts(transaction: &transport::Transaction<'_>, id: EntryId) -> rusqlite::Result<u64> {
    let count = transaction
        .prepare_cached("SELECT count FROM handouts WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(count.map_or(0, from_sql))
}

/// Returns the oldest readable entry that the relay should try to deliver.
pub(super) fn next_to_forward(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    aside: &mut Aside,
) -> rusqlite::Result<Next> {
    oldest_readable(transaction, destination, Which::Forwardable, 0, aside)
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
    after: EntryId,
    aside: &mut Aside,
) -> rusqlite::Result<Next> {
    for _ in 0..MAX_SET_ASIDE {
        let Some((id, read)) = oldest(transaction, destination, which, after)? else {
            return Ok(Next::Empty);
        };
        match read {
            Ok(entry) => return Ok(Next::Entry(Box::new(entry))),
            Err(reason) => {
                tracing::error!(%destination, id, reason, "set aside an unreadable entry");
                set_aside(transaction, id, &reason)?;
                aside.push(id);
            }
        }
    }
    Ok(Next::TooMuchPoison)
}

/// Returns the oldest entry after the id `after`, or why it cannot be read.
fn oldest(
    transaction: &transport::Transaction<'_>,
    destination: &ServerName,
    which: Which,
    after: EntryId,
) -> rusqlite::Result<Option<(EntryId, Result<Entry, String>)>> {
    let sql = match which {
        Which::Fresh if planted(Defect::RelayHandsOutNewestFirst) => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 AND ?2 AND id > ?3 ORDER BY id DESC LIMIT 1"
        }
        Which::Fresh => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 AND id > ?3 AND NOT EXISTS
                 (SELECT 1 FROM handouts WHERE handouts.id = entries.id AND count >= ?2)
             ORDER BY id LIMIT 1"
        }
        Which::Tried => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE id = (SELECT id FROM handouts WHERE destination = ?1 AND count >= ?2 AND id > ?3
                         ORDER BY count, id LIMIT 1)"
        }
        Which::Forwardable => {
            "SELECT id, origin, transaction_id, stored_ms, body FROM entries
             WHERE destination = ?1 AND forwardable = 1 AND ?2 AND id > ?3
             ORDER BY id LIMIT 1"
        }
    };
    transaction
        .prepare_cached(sql)?
        .query_row((destination.as_str(), PATIENCE, after), |row| Ok((row.get(0)?, read(row))))
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
        bytes: body.len() as u64,
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
             (id, destination, origin, transaction_id, body_hash, bytes, stored_ms, reason, body)
         SELECT id, destination, origin, transaction_id, body_hash, bytes, stored_ms, ?2, body
         FROM entries WHERE id = ?1",
        )?
        .execute((id, reason))?;
    delete(transaction, id)
}

fn delete(transaction: &transport::Transaction<'_>, id: EntryId) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([id])?;
    Ok(())
}
