//! The clock by which the age of what is kept is told, as it was last written down.

use rusqlite::Connection;
use transport::Transaction;

use super::StoreError;

/// Returns the latest time that the clock is known to have shown: when it was last written down, or
/// when something was kept since. `None`: it never was, and nothing is kept.
///
/// # Errors
/// The store refuses.
pub fn read(connection: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT max(ms) FROM (
                 SELECT now_ms AS ms FROM age_clock
                 UNION ALL SELECT max(created_ms) FROM client_transactions
                 UNION ALL SELECT max(created_ms) FROM room_notifications
                 UNION ALL SELECT max(created_ms) FROM m1_answers
                 UNION ALL SELECT max(created_ms) FROM m1_decisions)",
        )?
        .query_row([], |row| row.get(0))?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::in_memory;

    #[test]
    fn the_clock_goes_on_from_what_was_kept_since_it_was_written_down() {
        let mut connection = in_memory();
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        assert_eq!(read(&tx).expect("an answer"), None);
        tx.execute(
            "INSERT INTO m1_answers (origin, message_id, event_id, answer, created_ms)
             VALUES ('', '', '', '{}', 7)",
            [],
        )
        .expect("kept");
        assert_eq!(read(&tx).expect("an answer"), Some(7));
        put(&tx, 9).expect("written down");
        assert_eq!(read(&tx).expect("an answer"), Some(9));
    }
}
