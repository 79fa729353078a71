//! Filters that clients have stored.

use ruma::UserId;
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// Filters of one user; the same filter again is the same one.
pub const MAX_PER_USER: i64 = 100;

/// Keeps a filter and returns its number; `None` when the user has as many as a user may have.
///
/// # Errors
/// The store refuses.
pub fn keep(tx: &Transaction<'_>, user: &UserId, filter: &str) -> Result<Option<i64>, StoreError> {
    let known = tx
        .prepare_cached("SELECT filter_id FROM filters WHERE user_id = ?1 AND filter = ?2")?
        .query_row((user.as_str(), filter), |row| row.get(0))
        .optional()?;
    if known.is_some() {
        return Ok(known);
    }
    let count: i64 = tx
        .prepare_cached("SELECT COUNT(*) FROM filters WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))?;
    if count >= MAX_PER_USER {
        return Ok(None);
    }
    tx.prepare_cached("INSERT INTO filters (user_id, filter_id, filter) VALUES (?1, ?2, ?3)")?
        .execute((user.as_str(), count, filter))?;
    Ok(Some(count))
}

/// Returns the filter of that number.
///
/// # Errors
/// The store refuses.
pub fn find(
    connection: &Connection,
    user: &UserId,
    number: i64,
) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT filter FROM filters WHERE user_id = ?1 AND filter_id = ?2")?
        .query_row((user.as_str(), number), |row| row.get(0))
        .optional()?)
}
