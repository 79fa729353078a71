//! The sequence of what changes beside events.

use rusqlite::Connection;
use transport::Transaction;

use super::StoreError;

/// Returns the next number.
pub(crate) fn next(tx: &Transaction<'_>) -> Result<i64, StoreError> {
    Ok(tx
        .prepare_cached("UPDATE side_clock SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))?)
}

/// Returns the last number that was given out; 0 if none was.
pub(crate) fn last(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT last FROM side_clock")?.query_row([], |row| row.get(0))?)
}
