//! The clock by which the age of what is kept is told, as it was last written down.

use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// Returns what the clock showed when it was last written down; `None`: it never was.
///
/// # Errors
/// The store refuses.
pub fn read(connection: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT now_ms FROM age_clock")?
        .query_row([], |row| row.get(0))
        .optional()?)
}

/// Writes down what the clock shows.
///
/// # Errors
/// The store refuses.
pub fn put(tx: &Transaction<'_>, now_ms: i64) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO age_clock (only_row, now_ms) VALUES (1, ?1)")?
        .execute([now_ms])?;
    Ok(())
}
