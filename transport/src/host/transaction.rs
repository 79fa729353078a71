//! A transaction on a database's connection.

use std::ops::Deref;

use rusqlite::Connection;

/// An `IMMEDIATE` transaction: it has the right to write from the start. Dropped without
/// [`Transaction::commit`] it is undone.
///
/// rusqlite's own prepares `BEGIN` and `COMMIT` anew each time, which costs as much as a small
/// write; here they come from the connection's cache.
#[derive(Debug)]
pub struct Transaction<'c> {
    connection: &'c Connection,
}

impl<'c> Transaction<'c> {
    /// Begins one. The connection is borrowed mutably, so that there is one at a time.
    ///
    /// # Errors
    /// Another process writes, or the disk refuses.
    pub fn begin(connection: &'c mut Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { connection })
    }

    /// Commits it: what it did is durable when this returns.
    ///
    /// # Errors
    /// The disk refuses; it is undone then.
    pub fn commit(self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
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
        if self.connection.is_autocommit() {
            return;
        }
        let rollback = self.connection.prepare_cached("ROLLBACK");
        if let Err(error) = rollback.and_then(|mut rollback| rollback.execute([])) {
            tracing::warn!(%error, "failed to undo a transaction");
        }
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
