//! The durable part: one SQLite database, one commit per request.
//!
//! - `incoming`: keeps a transaction, once, within the quotas.
//! - `outgoing`: hands out the oldest entry, deletes what was delivered, sets aside what cannot be
//!   read.
//! - `expiry`: deletes what is older than its time to live; the sweep alone asks for that.
//! - `overview`: what an operator sees.

mod expiry;
mod incoming;
mod outgoing;
mod overview;
#[cfg(test)]
mod tests;

use std::time::Duration;

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::OptionalExtension;
use transport::{Database, DatabaseError, database::migrate};

pub(crate) use self::{
    incoming::{Incoming, Kept},
    outgoing::{Entry, Next},
    overview::{EntryRow, MailboxRow, PAGE, QuarantineRow, Sums},
};
use crate::{policy::Quotas, transaction::Transaction};

const SCHEMA: &[&str] = &[include_str!("store/schema.sql"), include_str!("store/shares.sql")];

/// The number by which a destination acknowledges an entry; above 0, never given twice.
pub(crate) type EntryId = i64;

/// What a destination acknowledges that has stored nothing yet.
const NOTHING: EntryId = 0;

/// The relay's database. Cheap to clone. Every method is one commit, or one read.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    /// How long an entry is kept.
    time_to_live: Duration,
}

impl Store {
    /// Returns the store in `database`; its tables are made the first time.
    pub(crate) async fn open(
        database: Database,
        time_to_live: Duration,
    ) -> Result<Self, DatabaseError> {
        Self::install(&database).await?;
        if planted(Defect::RelayCommitsWithoutSync) {
            database
                .call(|connection| Ok(connection.pragma_update(None, "synchronous", "NORMAL")?))
                .await
                .map_err(|error: DatabaseError| error)?;
        }
        Ok(Self { database, time_to_live })
    }

    /// Makes the tables.
    pub(crate) async fn install(database: &Database) -> Result<(), DatabaseError> {
        migrate(database, "relay", SCHEMA).await
    }

    /// Keeps `incoming`, unless it is kept or was delivered already, or a quota refuses it.
    pub(crate) async fn keep(
        &self,
        incoming: Incoming,
        quotas: Quotas,
        now_ms: u64,
    ) -> Result<Kept, DatabaseError> {
        self.database
            .transaction(move |transaction| {
                Ok(incoming::keep(transaction, &incoming, quotas, to_sql(now_ms))?)
            })
            .await
    }

    /// Deletes the entry `acknowledged` if it was handed out to `destination` (no other id does
    /// any harm), then hands out the oldest entry. An entry that has outlived its time is handed
    /// out too, until a sweep has deleted it.
    pub(crate) async fn acknowledge_and_hand_out(
        &self,
        destination: OwnedServerName,
        acknowledged: EntryId,
        now_ms: u64,
    ) -> Result<Next, DatabaseError> {
        // Most who ask find nothing, and to find that out takes no right to write.
        if acknowledged == NOTHING && self.has_nothing_for(destination.clone()).await? {
            return Ok(Next::Empty);
        }
        self.database
            .transaction(move |transaction| {
                outgoing::acknowledge(transaction, &destination, acknowledged, to_sql(now_ms))?;
                Ok(outgoing::hand_out(transaction, &destination)?)
            })
            .await
    }

    async fn has_nothing_for(&self, destination: OwnedServerName) -> Result<bool, DatabaseError> {
        self.database
            .call(move |connection| Ok(!outgoing::has_entry(connection, &destination)?))
            .await
    }

    /// Returns the oldest entry that the relay itself should try to deliver to `destination`.
    pub(crate) async fn next_to_forward(
        &self,
        destination: OwnedServerName,
    ) -> Result<Next, DatabaseError> {
        self.database
            .transaction(move |transaction| {
                Ok(outgoing::next_to_forward(transaction, &destination)?)
            })
            .await
    }

    /// Deletes an entry that the relay has delivered whole.
    pub(crate) async fn delivered(&self, id: EntryId, now_ms: u64) -> Result<(), DatabaseError> {
        self.database
            .transaction(move |transaction| {
                Ok(outgoing::delivered(transaction, id, to_sql(now_ms))?)
            })
            .await
    }

    /// Leaves `rest` of an entry to the retriever; the relay does not try to deliver it any more.
    pub(crate) async fn leave_to_the_retriever(
        &self,
        id: EntryId,
        rest: Transaction,
    ) -> Result<(), DatabaseError> {
        self.database
            .transaction(move |transaction| Ok(outgoing::leave(transaction, id, &rest)?))
            .await
    }

    /// Returns destinations after `after` that have something to forward, in the order of their
    /// names, at most [`PAGE`].
    pub(crate) async fn destinations_to_forward(
        &self,
        after: Option<OwnedServerName>,
    ) -> Result<Vec<OwnedServerName>, DatabaseError> {
        self.database
            .call(move |connection| {
                let after = after.as_deref().map_or("", ServerName::as_str);
                Ok(outgoing::destinations_to_forward(connection, after)?)
            })
            .await
    }

    /// Returns the time of a new sweep, in milliseconds since the epoch: `now_ms` on the wall
    /// clock, or what the sweep before took it to be and `at_most` more, whichever is earlier. Of
    /// the very first sweep: `now_ms`.
    pub(crate) async fn advance_sweep_clock(
        &self,
        now_ms: u64,
        at_most: Duration,
    ) -> Result<u64, DatabaseError> {
        self.database
            .transaction(move |transaction| {
                Ok(from_sql(expiry::advance_clock(transaction, to_sql(now_ms), at_most)?))
            })
            .await
    }

    /// Deletes one batch of what is too old in a sweep of the time `sweep_ms`, and returns whether
    /// there may be more.
    pub(crate) async fn expire_batch(&self, sweep_ms: u64) -> Result<bool, DatabaseError> {
        let expired_before = self.expired_before(sweep_ms);
        self.database
            .transaction(move |transaction| {
                Ok(expiry::expire_batch(transaction, expired_before, to_sql(sweep_ms))?)
            })
            .await
    }

    /// Deletes all entries of `destination`, and returns how many there were.
    pub(crate) async fn purge(&self, destination: OwnedServerName) -> Result<u64, DatabaseError> {
        self.database
            .transaction(move |transaction| {
                let purged = transaction
                    .prepare_cached("DELETE FROM entries WHERE destination = ?1")?
                    .execute([destination.as_str()])?;
                Ok(purged as u64)
            })
            .await
    }

    /// Returns the sums over everything kept.
    pub(crate) async fn sums(&self) -> Result<Sums, DatabaseError> {
        self.database.call(|connection| Ok(overview::sums(connection)?)).await
    }

    /// Returns mailboxes after the destination `after`, in the order of their names, at most
    /// [`PAGE`].
    pub(crate) async fn mailboxes(&self, after: String) -> Result<Vec<MailboxRow>, DatabaseError> {
        self.database.call(move |connection| Ok(overview::mailboxes(connection, &after)?)).await
    }

    /// Returns entries of `destination` after the id `after`, oldest first, at most [`PAGE`].
    pub(crate) async fn entries(
        &self,
        destination: OwnedServerName,
        after: EntryId,
    ) -> Result<Vec<EntryRow>, DatabaseError> {
        self.database
            .call(move |connection| Ok(overview::entries(connection, &destination, after)?))
            .await
    }

    /// Returns entries set aside after the id `after`, oldest first, at most [`PAGE`].
    pub(crate) async fn quarantine(
        &self,
        after: EntryId,
    ) -> Result<Vec<QuarantineRow>, DatabaseError> {
        self.database.call(move |connection| Ok(overview::quarantine(connection, after)?)).await
    }

    /// Returns a setting made at run time.
    pub(crate) async fn setting(&self, name: &'static str) -> Result<Option<bool>, DatabaseError> {
        self.database
            .call(move |connection| {
                let row = connection
                    .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
                    .query_row([name], |row| row.get(0))
                    .optional()?;
                Ok(row)
            })
            .await
    }

    /// Keeps a setting made at run time.
    pub(crate) async fn set(&self, name: &'static str, value: bool) -> Result<(), DatabaseError> {
        self.database
            .transaction(move |transaction| {
                transaction
                    .prepare_cached(
                        "INSERT INTO settings VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    )?
                    .execute((name, value))?;
                Ok(())
            })
            .await
    }

    fn expired_before(&self, now_ms: u64) -> i64 {
        let kept_ms = u64::try_from(self.time_to_live.as_millis()).unwrap_or(u64::MAX);
        to_sql(now_ms.saturating_sub(kept_ms))
    }
}

/// Returns a count or a time as SQLite holds it.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Returns a count or a time as we hold it; what the store writes is never below 0.
fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
