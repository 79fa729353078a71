//! The lives of the database: from one boot that gives out a position to the next. After a
//! restoration from a backup positions are given out again; which life gave them tells them apart.

use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::{StoreError, events};

/// The name of a life; `None` before any position was given out.
pub(crate) type Generation = Option<String>;

/// Begins the life `name` with the position that was just given out in `tx`, if it has not begun yet.
///
/// # Errors
/// The store refuses.
pub(crate) fn begin(tx: &Transaction<'_>, name: &str) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO generations (name, base)
         SELECT ?1, seq - 1 FROM sqlite_sequence
         WHERE name = 'timeline' AND NOT EXISTS (SELECT 1 FROM generations WHERE name = ?1)",
    )?
    .execute([name])?;
    Ok(())
}

/// Returns the life in which the newest position was given out.
///
/// # Errors
/// The store refuses.
pub(crate) fn newest(connection: &Connection) -> Result<Generation, StoreError> {
    Ok(connection
        .prepare_cached("SELECT name FROM generations ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?)
}

/// Returns how far this database has what a life of its gave out up to `position`: all of it, or up
/// to where the database was restored. Of a life that it knows nothing of, it has nothing for sure.
///
/// # Errors
/// The store refuses.
pub(crate) fn known_up_to(
    connection: &Connection,
    position: i64,
    generation: Option<&str>,
) -> Result<i64, StoreError> {
    let newest = events::newest_position(connection)?;
    let Some(name) = generation else { return Ok(position.min(newest)) };
    let number: Option<i64> = connection
        .prepare_cached("SELECT number FROM generations WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(position.min(0)) };
    let next: Option<i64> = connection
        .prepare_cached("SELECT base FROM generations WHERE number > ?1 ORDER BY number LIMIT 1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    Ok(position.min(next.unwrap_or(newest)))
}
