//! What is done with the database of a relay that need not run: checked, made smaller, written out
//! and read in.

use std::{
    io::{self, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

/// How many problems are named; of more, that there are more.
const MAX_PROBLEMS: usize = 100;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// SQLite refused.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line that was read is not an entry.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// An entry as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    destination: String,
    origin: String,
    transaction_id: String,
    stored_ms: i64,
    /// In base64.
    body_hash: String,
    /// What the relay keeps of the transaction: JSON in base64, since a damaged one is none.
    body: String,
}

/// The sums that must be right, and how each is counted anew.
const SUMS: [(&str, &str); 4] = [
    (
        "the sums of mailboxes",
        "SELECT count(*) FROM (
             SELECT destination, entries, bytes FROM mailboxes
             EXCEPT SELECT destination, count(*), sum(bytes) FROM entries GROUP BY destination)",
    ),
    (
        "the sums of hosts",
        "SELECT count(*) FROM (
             SELECT host, entries, bytes FROM hosts
             EXCEPT SELECT host, count(*), sum(bytes) FROM entries GROUP BY host)",
    ),
    (
        "the shares of hosts in mailboxes",
        "SELECT count(*) FROM (
             SELECT destination, host, entries, bytes FROM shares
             EXCEPT SELECT destination, host, count(*), sum(bytes) FROM entries
             GROUP BY destination, host)",
    ),
    (
        "the bytes in all",
        "SELECT bytes <> (SELECT coalesce(sum(bytes), 0) FROM entries)
             + (SELECT coalesce(sum(bytes), 0) FROM quarantine) FROM used",
    ),
];

/// Returns what is wrong with a database, a sentence each.
///
/// # Errors
/// It cannot be read at all.
pub fn check(file: &Path) -> Result<Vec<String>, MaintenanceError> {
    let connection = read_only(file)?;
    let mut problems = connection
        .prepare("PRAGMA integrity_check(100)")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    problems.retain(|said| said != "ok");
    for (what, sql) in SUMS {
        let wrong: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if wrong > 0 {
            problems.push(format!("{what} are wrong in {wrong} places"));
        }
    }
    let mut bodies = connection.prepare("SELECT id, body FROM entries")?;
    let mut rows = bodies.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
        if let Err(error) = serde_json::from_slice::<crate::transaction::Transaction>(body) {
            problems.push(format!("entry {} cannot be read: {error}", row.get::<_, i64>(0)?));
        }
        if problems.len() > MAX_PROBLEMS {
            problems.push("and more".to_owned());
            break;
        }
    }
    Ok(problems)
}

/// Gives the room of what was deleted back to the disk; returns the bytes before and after. The relay
/// must not run.
///
/// # Errors
/// There is no room for a copy meanwhile, or the disk refuses.
pub fn compact(file: &Path) -> Result<(u64, u64), MaintenanceError> {
    let before = std::fs::metadata(file)?.len();
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
    drop(connection);
    Ok((before, std::fs::metadata(file)?.len()))
}

/// Writes every entry that waits as a line of JSON, and returns how many.
///
/// # Errors
/// The database cannot be read, or `out` takes no more.
pub fn export(file: &Path, out: &mut dyn Write) -> Result<u64, MaintenanceError> {
    let connection = read_only(file)?;
    let mut entries = connection.prepare(
        "SELECT destination, origin, transaction_id, stored_ms, body_hash, body
         FROM entries ORDER BY id",
    )?;
    let mut rows = entries.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let line = Line {
            destination: row.get(0)?,
            origin: row.get(1)?,
            transaction_id: row.get(2)?,
            stored_ms: row.get(3)?,
            body_hash: STANDARD.encode(row.get_ref(4)?.as_bytes().unwrap_or_default()),
            body: STANDARD.encode(row.get_ref(5)?.as_bytes().unwrap_or_default()),
        };
        let line = serde_json::to_string(&line).map_err(io::Error::other)?;
        writeln!(out, "{line}")?;
        count += 1;
    }
    Ok(count)
}

/// Reads such lines, all of them or none; returns how many are new, and how many were there. The relay
/// must not run.
///
/// # Errors
/// A line is none, or the disk refuses; nothing has changed then.
pub fn import(
    file: &Path,
    lines: impl Iterator<Item = io::Result<String>>,
) -> Result<(u64, u64), MaintenanceError> {
    let mut connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction()?;
    let (mut new, mut known) = (0, 0);
    for (at, text) in lines.enumerate() {
        let text = text?;
        let wrong = |reason: String| MaintenanceError::Line { line: at + 1, reason };
        let line: Line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| wrong(error.to_string()));
        let (hash, body) = (decode(&line.body_hash)?, decode(&line.body)?);
        let bytes = crate::store::counted_bytes(&body);
        let inserted = transaction.execute(
            "INSERT OR IGNORE INTO entries
                 (destination, origin, transaction_id, body_hash, bytes, stored_ms, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            rusqlite::params![
                line.destination,
                line.origin,
                line.transaction_id,
                hash,
                i64::try_from(bytes).unwrap_or(i64::MAX),
                line.stored_ms,
                body
            ],
        )?;
        if inserted > 0 { new += 1 } else { known += 1 }
    }
    transaction.commit()?;
    Ok((new, known))
}

/// Opens a database that another process may be writing to.
fn read_only(file: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
}
