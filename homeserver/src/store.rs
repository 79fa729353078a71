//! The store: one SQLite database, plain SQL. Functions here take a connection (or a transaction)
//! and speak SQL; nothing above this layer does.

pub(crate) mod account_data;
pub mod accounts;
pub mod age_clock;
pub(crate) mod aliases;
pub mod backward_extremities;
pub mod deferred;
pub(crate) mod device_keys;
pub mod edus;
pub mod events;
pub mod filters;
pub mod gap_events;
pub(crate) mod generations;
pub mod guests;
pub(crate) mod key_backups;
pub(crate) mod m1;
pub(crate) mod media;
pub mod memberships;
pub(crate) mod neighbors;
pub mod notifications;
pub(crate) mod overview;
pub mod pending_joins;
pub(crate) mod pushers;
pub mod queues;
pub(crate) mod receipts;
pub mod received;
pub mod redactions;
pub(crate) mod relations;
pub mod relays;
pub mod rooms;
pub(crate) mod sends;
pub(crate) mod side;
pub mod signed;
pub mod state;
pub(crate) mod stays;
pub(crate) mod to_device;

use transport::{Database, DatabaseError};

/// The name of a homeserver's database on its disk.
pub const DATABASE: &str = "homeserver";

/// The steps that make the tables, oldest first. New ones go at the end; none is ever changed.
pub(crate) const STEPS: &[&str] = &[
    include_str!("store/01_core.sql"),
    include_str!("store/02_client.sql"),
    include_str!("store/03_deferred.sql"),
    include_str!("store/04_m1.sql"),
    include_str!("store/05_backward_extremities.sql"),
    include_str!("store/06_gap_events.sql"),
    include_str!("store/07_guests.sql"),
    include_str!("store/08_age_clock.sql"),
    include_str!("store/09_bounds.sql"),
    include_str!("store/10_m1.sql"),
    include_str!("store/11_rooms.sql"),
    include_str!("store/12_readers.sql"),
    include_str!("store/13_forks.sql"),
    include_str!("store/14_operating.sql"),
    include_str!("store/15_notifications.sql"),
    include_str!("store/16_pushers.sql"),
    include_str!("store/17_beside_events.sql"),
    include_str!("store/18_edus_aside.sql"),
    include_str!("store/19_mail.sql"),
];

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// What is stored is not what this program stores.
    #[error("the store holds something malformed: {0}")]
    Corrupt(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(DatabaseError::Sql(error))
    }
}

impl StoreError {
    /// Returns the error for what is stored malformed.
    pub fn corrupt(reason: impl std::fmt::Display) -> Self {
        Self::Corrupt(reason.to_string())
    }
}

/// Brings the tables up to date.
///
/// # Errors
/// The disk refuses, or the database was written by a newer program.
pub async fn migrate(database: &Database) -> Result<(), DatabaseError> {
    transport::database::migrate(database, "homeserver", STEPS).await
}

/// Returns a database in memory with all tables, for tests of what reads and writes them.
#[cfg(test)]
pub(crate) fn in_memory() -> rusqlite::Connection {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    for step in STEPS {
        connection.execute_batch(step).expect("tables");
    }
    connection
}

/// Returns a count of what the statements of a connection do from now on: about one for each row that
/// they look at. For tests of what a cost grows with.
#[cfg(test)]
pub(crate) fn count_work(
    connection: &mut rusqlite::Connection,
) -> std::sync::Arc<std::sync::atomic::AtomicU64> {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    let work = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&work);
    let handler = move || {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(1, Some(handler)).expect("a handler");
    work
}
