//! How much is stored, for whoever watches the server. Nothing here reads what grows without end.

use rusqlite::Connection;

use super::StoreError;

/// How much there is of what.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) users: i64,
    pub(crate) devices: i64,
    pub(crate) rooms: i64,
    /// The number of the newest event.
    pub(crate) events: i64,
    pub(crate) queued: i64,
    pub(crate) set_aside: i64,
    pub(crate) deferred: i64,
    pub(crate) failing: i64,
    pub(crate) database_bytes: i64,
    /// How much waits for which destination, most first.
    pub(crate) longest_queues: Vec<(String, i64)>,
}

/// Returns how much is stored, with the lengths of at most `destinations` queues.
pub(crate) fn of(connection: &Connection, destinations: usize) -> Result<Overview, StoreError> {
    let one = |sql: &str| -> Result<i64, StoreError> {
        Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    };
    Ok(Overview {
        users: one("SELECT count(*) FROM users")?,
        devices: one("SELECT count(*) FROM devices")?,
        rooms: one("SELECT count(*) FROM rooms")?,
        events: one("SELECT coalesce(max(id), 0) FROM events")?,
        queued: one("SELECT count(*) FROM outgoing")?,
        set_aside: one("SELECT (SELECT count(*) FROM outgoing_set_aside)
                  + (SELECT count(*) FROM outgoing_edus_set_aside)")?,
        deferred: one("SELECT count(*) FROM deferred_entries")?,
        failing: one("SELECT count(*) FROM destinations")?,
        database_bytes: one(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        )?,
        longest_queues: longest_queues(connection, destinations)?,
    })
}

/// Reads something, to see whether the database answers.
pub(crate) fn look(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("SELECT 1")?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(())
}

fn longest_queues(connection: &Connection, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT destination, count(*) AS length FROM outgoing
         GROUP BY destination ORDER BY length DESC, destination LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
