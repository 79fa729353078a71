//! Schema migrations: plain SQL, counted per component in the database itself; and the settings
//! with which every connection is opened, so that both worlds give the same durability.
//!
//! A migration library would do, were it not that the usual one stamps the wall clock of the
//! machine it runs on into the database, which a node may only read through its [`crate::Host`].

mod statistics;

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, config::DbConfig};

pub use self::statistics::disable_memory_statistics;
use crate::host::{Database, DatabaseError, Transaction};

/// Jobs that may wait for one database; whoever brings one more waits.
pub const MAX_QUEUED_JOBS: usize = 256;

/// How long SQLite waits for another process that holds the database's lock (a backup, say).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a page of a database that is made. A row here has a few hundred bytes and ids that are
/// random, so that a small transaction changes many pages and little of each: with SQLite's 4,096
/// it would write, sync and keep twice as much.
const PAGE_BYTES: i64 = 2048;

/// Pages that the write-ahead log may grow to before SQLite copies it into the database file.
const WAL_AUTOCHECKPOINT_PAGES: i64 = 1000;

/// Prepared statements kept per connection.
const MAX_CACHED_STATEMENTS: usize = 256;

/// Puts a fresh connection into WAL mode with `synchronous=FULL`: a commit that returned survives
/// a power loss. Every [`crate::host::Disk`] calls this on each connection that it opens.
///
/// # Errors
/// The disk refuses, or cannot hold a write-ahead log.
pub fn prepare_connection(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    // A plan that does not depend on the values bound to it: otherwise SQLite prepares a cached
    // statement anew each time one of them changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // What a statement may have to undo, and what it sorts, stays in memory: how much of that goes to
    // a temporary file depends on how SQLite was compiled, and a run must not.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(refusal(rusqlite::ErrorCode::CannotOpen, format!("journal_mode is {mode}")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)
}

/// Makes durable what a log of before this process holds: a commit that was written and never synced,
/// because its sync failed or its process died, may still be in the kernel's memory, and opening the
/// database shows it as done. Every [`crate::host::Disk`] calls this on a database that was there
/// before it answers for anything in it. A full disk is no hindrance: the log is synced before it is
/// copied, and a server that could not start on a full disk could never be emptied.
///
/// # Errors
/// The disk cannot sync the log, or fails otherwise.
pub fn settle_log(connection: &Connection) -> rusqlite::Result<()> {
    match connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Ok(()),
        settled => settled,
    }
}

/// Brings the tables of `component` up to date: runs those of `steps` that this database has not
/// seen, each once, all in one transaction. `steps` only ever grows at its end.
///
/// # Errors
/// A step is not valid SQL, the disk refuses, or the database was written by a newer program.
pub async fn migrate(
    database: &Database,
    component: &'static str,
    steps: &'static [&'static str],
) -> Result<(), DatabaseError> {
    database
        .transaction(move |transaction| {
            run_missing_steps(transaction, component, steps).map_err(DatabaseError::Sql)
        })
        .await
}

fn run_missing_steps(
    transaction: &Transaction<'_>,
    component: &str,
    steps: &[&str],
) -> rusqlite::Result<()> {
    // Where nothing is missing nothing is made: a connection whose schema stays as it was may be used
    // again in a simulation.
    if !transaction.table_exists(None, "migrations")? {
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (
                 component TEXT PRIMARY KEY,
                 steps_done INTEGER NOT NULL
             ) STRICT, WITHOUT ROWID",
        )?;
    }
    let done: Option<u32> = transaction
        .prepare_cached("SELECT steps_done FROM migrations WHERE component = ?1")?
        .query_row([component], |row| row.get(0))
        .optional()?;
    let done = done.unwrap_or(0);
    let Some(missing) = steps.get(done as usize..) else {
        return Err(refusal(
            rusqlite::ErrorCode::SchemaChanged,
            format!(
                "the tables of {component} were made by a newer program: {done} steps done, {} \
                 known",
                steps.len()
            ),
        ));
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    if !missing.is_empty() {
        transaction.execute(
            "INSERT INTO migrations (component, steps_done) VALUES (?1, ?2)
             ON CONFLICT (component) DO UPDATE SET steps_done = excluded.steps_done",
            (component, u32::try_from(steps.len()).unwrap_or(u32::MAX)),
        )?;
    }
    Ok(())
}

/// Returns a refusal of our own, in the shape of SQLite's.
fn refusal(code: rusqlite::ErrorCode, message: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error { code, extended_code: 0 }, Some(message))
}
