//! A transaction on a database's connection.

use std::{cell::Cell, ops::Deref};

use rusqlite::Connection;

thread_local! {
    /// Whether transactions of this thread are committed by whoever runs them, several at once.
    static IS_GROUPED: Cell<bool> = const { Cell::new(false) };
}

/// Has the transactions of this thread committed by [`commit_group`] alone. Until then they are
/// neither durable nor seen by anybody else.
pub(crate) fn group_commits() {
    IS_GROUPED.set(true);
}

/// Commits what the transactions of this thread have done since the last time, if anything.
///
/// # Errors
/// The disk refuses; all of it is undone then.
pub(crate) fn commit_group(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    let committed = connection.prepare_cached("COMMIT").and_then(|mut it| it.execute([]));
    if committed.is_err() && !connection.is_autocommit() {
        undo(connection, "ROLLBACK");
    }
    committed.map(drop)
}

fn undo(connection: &Connection, how: &str) {
    if let Err(error) = connection.execute_batch(how) {
        tracing::warn!(%error, "failed to undo a transaction");
    }
}

/// An `IMMEDIATE` transaction: it has the right to write from the start. Dropped without
/// [`Transaction::commit`] it is undone.
///
/// rusqlite's own prepares `BEGIN` and `COMMIT` anew each time, which costs as much as a small
/// write; here they come from the connection's cache.
#[derive(Debug)]
pub struct Transaction<'c> {
    connection: &'c Connection,
    /// Whether it is a part of one that began before it.
    is_part: bool,
    is_done: bool,
}

impl<'c> Transaction<'c> {
    /// Begins one. The connection is borrowed mutably, so that there is one at a time.
    ///
    /// # Errors
    /// Another process writes, or the disk refuses.
    pub fn begin(connection: &'c mut Connection) -> rusqlite::Result<Self> {
        let is_part = !connection.is_autocommit();
        let begin = if is_part { "SAVEPOINT part" } else { "BEGIN IMMEDIATE" };
        connection.prepare_cached(begin)?.execute([])?;
        Ok(Self { connection, is_part, is_done: false })
    }

    /// Commits it: what it did is durable when this returns, or when the group that it is in is
    /// committed.
    ///
    /// # Errors
    /// The disk refuses; it is undone then.
    pub fn commit(mut self) -> rusqlite::Result<()> {
        if self.is_part {
            self.connection.prepare_cached("RELEASE part")?.execute([])?;
        } else if !IS_GROUPED.get() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        self.is_done = true;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Committed, or ended by SQLite itself, as it does after some failures.
        if self.is_done || self.connection.is_autocommit() {
            return;
        }
        let how = if self.is_part { "ROLLBACK TO part; RELEASE part" } else { "ROLLBACK" };
        undo(self.connection, how);
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::Transaction;

    fn rows(connection: &Connection) -> i64 {
        let count = "SELECT count(*) FROM t";
        connection.query_row(count, [], |row| row.get(0)).expect("the table is there")
    }

    #[test]
    fn what_is_not_committed_is_undone() {
        let mut connection = Connection::open_in_memory().expect("memory is there");
        connection.execute_batch("CREATE TABLE t (c)").expect("an empty database takes it");
        for commits in [false, true, false] {
            let transaction = Transaction::begin(&mut connection).expect("nobody else writes");
            transaction.execute("INSERT INTO t VALUES (1)", []).expect("it takes a row");
            if commits {
                transaction.commit().expect("memory does not refuse");
            }
        }
        assert_eq!(rows(&connection), 1);
    }
}
