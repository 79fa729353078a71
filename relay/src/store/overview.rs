//! What an operator sees of the store. Reads only, a page at a time.

use ruma::ServerName;
use rusqlite::Connection;

use super::{EntryId, from_sql, to_sql};

/// Rows of one page.
pub(crate) const PAGE: usize = 500;

/// The sums over everything kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    /// Entries that wait.
    pub(crate) entries: u64,
    /// Bytes used, waiting or in quarantine, as the quotas count them.
    pub(crate) bytes: u64,
    /// Entries set aside.
    pub(crate) quarantined: u64,
}

/// Figures for whoever watches the relay.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    pub(crate) sums: Sums,
    /// Mailboxes that are not empty.
    pub(crate) mailboxes: u64,
    /// When the oldest entry of all was stored.
    pub(crate) oldest_stored_ms: Option<u64>,
    /// Size of the database.
    pub(crate) database_bytes: u64,
    /// Entries of the destinations with most of them.
    pub(crate) fullest: Vec<(String, u64)>,
}

/// Destinations with figures of their own: a monitoring system keeps each for ever.
const FULLEST: usize = 100;

/// How full one mailbox is.
#[derive(Clone, Debug)]
pub(crate) struct MailboxRow {
    pub(crate) destination: String,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) oldest_stored_ms: u64,
}

/// One entry that waits, without its content.
#[derive(Clone, Debug)]
pub(crate) struct EntryRow {
    pub(crate) id: EntryId,
    pub(crate) origin: String,
    pub(crate) transaction_id: String,
    pub(crate) bytes: u64,
    pub(crate) stored_ms: u64,
    /// How often it was handed out and not acknowledged.
    pub(crate) handouts: u64,
}

/// One entry set aside, without its content.
#[derive(Clone, Debug)]
pub(crate) struct QuarantineRow {
    pub(crate) id: EntryId,
    pub(crate) destination: String,
    pub(crate) origin: String,
    pub(crate) transaction_id: String,
    pub(crate) bytes: u64,
    pub(crate) stored_ms: u64,
    pub(crate) reason: String,
}

pub(super) fn sums(connection: &Connection) -> rusqlite::Result<Sums> {
    connection
        .prepare_cached(
            "SELECT (SELECT coalesce(sum(entries), 0) FROM mailboxes),
                (SELECT bytes FROM used),
                (SELECT count(*) FROM quarantine)",
        )?
        .query_row([], |row| {
            Ok(Sums {
                entries: from_sql(row.get(0)?),
                bytes: from_sql(row.get(1)?),
                quarantined: from_sql(row.get(2)?),
            })
        })
}

/// Reads something.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("SELECT bytes FROM used")?.query_row([], |_| Ok(()))
}

pub(super) fn of(connection: &Connection) -> rusqlite::Result<Overview> {
    let (mailboxes, oldest, database_bytes) = connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM mailboxes),
                (SELECT min(stored_ms) FROM entries),
                (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)",
        )?
        .query_row([], |row| {
            Ok((from_sql(row.get(0)?), row.get::<_, Option<i64>>(1)?, from_sql(row.get(2)?)))
        })?;
    let fullest = connection
        .prepare_cached(
            "SELECT destination, entries FROM mailboxes ORDER BY entries DESC, destination LIMIT ?1",
        )?
        .query_map([to_sql(FULLEST as u64)], |row| Ok((row.get(0)?, from_sql(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    let oldest_stored_ms = oldest.map(from_sql);
    Ok(Overview { sums: sums(connection)?, mailboxes, oldest_stored_ms, database_bytes, fullest })
}

pub(super) fn mailboxes(connection: &Connection, after: &str) -> rusqlite::Result<Vec<MailboxRow>> {
    connection
        .prepare_cached(
            "SELECT destination, entries, bytes,
                 (SELECT stored_ms FROM entries
                  WHERE entries.destination = mailboxes.destination ORDER BY id LIMIT 1)
             FROM mailboxes WHERE destination > ?1 ORDER BY destination LIMIT ?2",
        )?
        .query_map((after, to_sql(PAGE as u64)), |row| {
            Ok(MailboxRow {
                destination: row.get(0)?,
                entries: from_sql(row.get(1)?),
                bytes: from_sql(row.get(2)?),
                oldest_stored_ms: from_sql(row.get(3)?),
            })
        })?
        .collect()
}

pub(super) fn entries(
    connection: &Connection,
    destination: &ServerName,
    after: EntryId,
) -> rusqlite::Result<Vec<EntryRow>> {
    connection
        .prepare_cached(
            "SELECT id, origin, transaction_id, bytes, stored_ms,
                 coalesce((SELECT count FROM handouts WHERE handouts.id = entries.id), 0)
             FROM entries WHERE destination = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?
        .query_map((destination.as_str(), after, to_sql(PAGE as u64)), |row| {
            Ok(EntryRow {
                id: row.get(0)?,
                origin: text(row, 1)?,
                transaction_id: text(row, 2)?,
                bytes: from_sql(row.get(3)?),
                stored_ms: from_sql(row.get(4)?),
                handouts: from_sql(row.get(5)?),
            })
        })?
        .collect()
}

pub(super) fn quarantine(
    connection: &Connection,
    after: EntryId,
) -> rusqlite::Result<Vec<QuarantineRow>> {
    connection
        .prepare_cached(
            "SELECT id, destination, origin, transaction_id, bytes, stored_ms, reason
             FROM quarantine WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map((after, to_sql(PAGE as u64)), |row| {
            Ok(QuarantineRow {
                id: row.get(0)?,
                destination: text(row, 1)?,
                origin: text(row, 2)?,
                transaction_id: text(row, 3)?,
                bytes: from_sql(row.get(4)?),
                stored_ms: from_sql(row.get(5)?),
                reason: text(row, 6)?,
            })
        })?
        .collect()
}

/// Returns a text that may be damaged: an entry is listed all the same.
fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}
