//! The tables of `m1`: a file each for what the owner of a room keeps (`answers`, `decisions`,
//! `commits`, `voters`), and one for what a member backend does (`hidden`).

mod answers;
mod commits;
mod decisions;
mod hidden;
mod voters;

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::value::RawValue;
use transport::Transaction;

pub(crate) use self::{
    answers::{Message, answer, keep_answer},
    commits::{Commit, first_commit, is_told, oblige, owed, strike},
    decisions::{abort_for, decide, decision},
    hidden::{
        Prepared, all_hidden, asked_about, count_asked_about, count_voted, hidden, hide, unhide,
    },
    voters::{Voter, known_devices, learn_devices, voters},
};
use super::StoreError;

/// Returns JSON that was stored as text.
pub(crate) fn raw(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(StoreError::corrupt)
}

/// What the policy has not finished here, by server; no count is 0.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Unfinished {
    /// Commits that a destination has not acknowledged.
    commits: BTreeMap<String, i64>,
    /// Votes whose decision an owner has not told.
    in_doubt: BTreeMap<String, i64>,
}

/// Counts what is not finished.
pub(crate) fn unfinished(connection: &Connection) -> Result<Unfinished, StoreError> {
    let counts = |sql: &str| {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, StoreError>(rows.collect::<rusqlite::Result<_>>()?)
    };
    Ok(Unfinished {
        commits: counts("SELECT destination, count(*) FROM m1_commits GROUP BY destination")?,
        in_doubt: counts("SELECT owner, count(*) FROM m1_prepared GROUP BY owner")?,
    })
}

/// Forgets every commit that is owed, and every decision to commit, which is an abort then.
pub(crate) fn forget_decisions(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute_batch("UPDATE m1_decisions SET decision = 'abort'; DELETE FROM m1_commits")?;
    Ok(())
}

/// Forgets answers and decisions made before `oldest_ms`. A decision to commit stays until every
/// destination has acknowledged it; no record at all is an abort, which is what forgotten ones
/// were.
pub(crate) fn prune(tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM m1_answers WHERE created_ms <= ?1")?.execute([oldest_ms])?;
    tx.prepare_cached(
        "DELETE FROM m1_decisions WHERE created_ms <= ?1
             AND event_id NOT IN (SELECT event_id FROM m1_commits)",
    )?
    .execute([oldest_ms])?;
    Ok(())
}

#[cfg(test)]
fn tables() -> Connection {
    let connection = Connection::open_in_memory().expect("memory");
    let steps =
        [include_str!("02_client.sql"), include_str!("04_m1.sql"), include_str!("10_m1.sql")];
    for step in steps {
        connection.execute_batch(step).expect("tables");
    }
    connection
}
