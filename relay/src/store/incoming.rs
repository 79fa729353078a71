//! Keeps a transaction: once, and within the quotas.

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::OptionalExtension;

use super::{EntryId, expiry, from_sql, to_sql};
use crate::{
    policy::{ENTRY_OVERHEAD, Quotas},
    transaction::BodyHash,
};

/// A transaction to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// Who signed the request that brought it.
    pub(crate) origin: OwnedServerName,
    /// The origin's id of it.
    pub(crate) transaction_id: String,
    /// Whom it is for.
    pub(crate) destination: OwnedServerName,
    /// The hash of its canonical content.
    pub(crate) body_hash: BodyHash,
    /// Its PDUs and EDUs as JSON.
    pub(crate) body: Vec<u8>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is durable, under this id.
    New(EntryId),
    /// It was kept or delivered before; nothing is written.
    Already,
    /// A quota of its destination, or its origin's share of one, is used up; nothing is written.
    /// The quota in numbers.
    MailboxFull(String),
    /// What the origin's host may have in all mailboxes together is used up; nothing is written. The
    /// quota in numbers.
    OriginFull(String),
    /// The quota of all destinations is used up; nothing is written. The quota in numbers.
    RelayFull(String),
}

/// Returns the host by which an origin is counted: its name without the port.
pub(crate) fn host_of(origin: &ServerName) -> String {
    origin.host().to_ascii_lowercase()
}

/// Looks for the transaction, then for room, then writes.
pub(super) fn keep(
    transaction: &transport::Transaction<'_>,
    incoming: &Incoming,
    quotas: Quotas,
    now_ms: i64,
) -> rusqlite::Result<Kept> {
    if is_known(transaction, incoming)? {
        if planted(Defect::RelayRepeatReplacesTheFirst) {
            delete_first_if_another(transaction, incoming)?;
        }
        return Ok(Kept::Already);
    }
    let bytes = counted_bytes(&incoming.body);
    let full = no_room(transaction, incoming, bytes, quotas)?;
    if let Some(full) = &full
        && !planted(Defect::RelayKeepsWhatItRefuses)
    {
        return Ok(full.clone());
    }
    transaction
        .prepare_cached(
            "INSERT INTO entries
                 (destination, origin, transaction_id, body_hash, bytes, stored_ms, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            incoming.destination.as_str(),
            incoming.origin.as_str(),
            &incoming.transaction_id,
            &incoming.body_hash,
            to_sql(bytes),
            expiry::stamp(transaction, now_ms)?,
            &incoming.body,
        ))?;
    Ok(full.unwrap_or_else(|| Kept::New(transaction.last_insert_rowid())))
}

/// Deletes the oldest entry of the destination, unless it is this very transaction.
fn delete_first_if_another(
    transaction: &transport::Transaction<'_>,
    incoming: &Incoming,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM entries
         WHERE id = (SELECT min(id) FROM entries WHERE destination = ?1)
             AND (origin, transaction_id) <> (?2, ?3)",
        )?
        .execute((
            incoming.destination.as_str(),
            incoming.origin.as_str(),
            &incoming.transaction_id,
        ))?;
    Ok(())
}

/// Returns what a body counts for in the quotas.
pub(crate) fn counted_bytes(body: &[u8]) -> u64 {
    body.len() as u64 + ENTRY_OVERHEAD
}

fn is_known(
    transaction: &transport::Transaction<'_>,
    incoming: &Incoming,
) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached(
            "SELECT 1 FROM entries
             WHERE destination = ?1 AND origin = ?2 AND transaction_id = ?3 AND body_hash = ?4
             UNION ALL SELECT 1 FROM receipts
             WHERE destination = ?1 AND origin = ?2 AND transaction_id = ?3 AND body_hash = ?4",
        )?
        .exists((
            incoming.destination.as_str(),
            incoming.origin.as_str(),
            &incoming.transaction_id,
            &incoming.body_hash,
        ))
}

/// Returns the quota that `bytes` more would exceed.
fn no_room(
    transaction: &transport::Transaction<'_>,
    incoming: &Incoming,
    bytes: u64,
    quotas: Quotas,
) -> rusqlite::Result<Option<Kept>> {
    let mailbox = transaction
        .prepare_cached("SELECT entries, bytes FROM mailboxes WHERE destination = ?1")?
        .query_row([incoming.destination.as_str()], sum)
        .optional()?
        .unwrap_or_default();
    if let Some(full) = mailbox.exceeded(bytes, quotas.entries, quotas.bytes) {
        return Ok(Some(Kept::MailboxFull(full)));
    }
    let host = host_of(&incoming.origin);
    let share = transaction
        .prepare_cached("SELECT entries, bytes FROM shares WHERE destination = ?1 AND host = ?2")?
        .query_row((incoming.destination.as_str(), &host), sum)
        .optional()?
        .unwrap_or_default();
    if let Some(full) = share.exceeded(bytes, quotas.origin_entries(), quotas.origin_bytes()) {
        return Ok(Some(Kept::MailboxFull(format!("{full} (the share of {host})"))));
    }
    let total = transaction
        .prepare_cached("SELECT entries, bytes FROM hosts WHERE host = ?1")?
        .query_row([&host], sum)
        .optional()?
        .unwrap_or_default();
    let (max_entries, max_bytes) = (quotas.entries_of_origin, quotas.bytes_of_origin);
    if let Some(full) = total.exceeded(bytes, max_entries, max_bytes) {
        return Ok(Some(Kept::OriginFull(full)));
    }
    let used: i64 =
        transaction.prepare_cached("SELECT bytes FROM used")?.query_row([], |row| row.get(0))?;
    let used = from_sql(used);
    if used.saturating_add(bytes) > quotas.bytes_in_all {
        let full = too_many(bytes, used, quotas.bytes_in_all);
        return Ok(Some(Kept::RelayFull(full)));
    }
    Ok(None)
}

fn too_many(bytes: u64, used: u64, max: u64) -> String {
    format!("{used} of {max} bytes are used, and {bytes} more are needed")
}

/// What is kept already, of a mailbox or of one origin in it.
#[derive(Clone, Copy, Default)]
struct Sum {
    entries: u64,
    bytes: u64,
}

fn sum(row: &rusqlite::Row<'_>) -> rusqlite::Result<Sum> {
    Ok(Sum { entries: from_sql(row.get(0)?), bytes: from_sql(row.get(1)?) })
}

impl Sum {
    /// Returns which limit one more entry of `bytes` would exceed, in numbers.
    fn exceeded(self, bytes: u64, max_entries: u64, max_bytes: u64) -> Option<String> {
        if self.entries >= max_entries {
            return Some(format!("it has {} of {max_entries} entries", self.entries));
        }
        (self.bytes.saturating_add(bytes) > max_bytes)
            .then(|| too_many(bytes, self.bytes, max_bytes))
    }
}
