//! The durable part: one SQLite database, one commit per request.
//!
//! - `incoming`: keeps a transaction, once, within the quotas.
//! - `outgoing`: hands out the oldest entry, deletes what was delivered, sets aside what cannot be
//!   read.
//! - `expiry`: deletes what is older than its time to live; the sweep alone asks for that.
//! - `overview`: what an operator sees. `operator`: what an operator does with entries; `said`: what
//!   an operator has said that holds over the configuration.

mod expiry;
mod incoming;
mod operator;
mod outgoing;
mod overview;
mod said;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use defects::{Defect, planted};
use ruma::{OwnedServerName, ServerName};
use rusqlite::OptionalExtension;
use transport::{Database, DatabaseError, database::migrate};

pub(crate) use self::{
    expiry::Expired,
    incoming::{Incoming, Kept, counted_bytes, host_of},
    operator::{Purge, Shown},
    outgoing::{Entry, Most, Next},
    overview::{EntryRow, MailboxRow, Overview, PAGE, QuarantineRow, Sums},
    said::Said,
};
use crate::{
    Config,
    admin::Block,
    policy::{Quota, Quotas},
    reserve::Reserve,
    transaction::Transaction,
};

const SCHEMA: &[&str] = &[
    include_str!("store/schema.sql"),
    include_str!("store/shares.sql"),
    include_str!("store/hosts.sql"),
];

/// The number by which a destination acknowledges an entry; above 0, never given twice.
pub(crate) type EntryId = i64;

/// What a destination acknowledges that has stored nothing yet.
pub(crate) const NOTHING: EntryId = 0;

/// The relay's database. Cheap to clone. Every method is one commit, or one read.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    /// How long an entry is kept.
    time_to_live: Duration,
    /// How often an entry is handed out in vain before it is set aside.
    max_handouts: u64,
    reserve: Reserve,
}

/// What became of a request for mail.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Whether what was acknowledged is gone.
    pub(crate) acknowledged: bool,
    /// What is handed out.
    pub(crate) next: Next,
    /// What was set aside.
    pub(crate) aside: Vec<EntryId>,
}

/// What became of a request for many entries.
#[derive(Debug)]
pub(crate) struct TakenMany {
    /// What was acknowledged and is gone.
    pub(crate) acknowledged: Vec<EntryId>,
    /// What is handed out.
    pub(crate) next: Vec<Next>,
    /// What was set aside.
    pub(crate) aside: Vec<EntryId>,
    /// Entries that wait, these among them.
    pub(crate) waiting: u64,
}

impl Store {
    /// Returns the store in `database`; its tables are made the first time.
    pub(crate) async fn open(
        database: Database,
        reserve: Reserve,
        config: &Config,
    ) -> Result<Self, DatabaseError> {
        Self::install(&database).await?;
        if planted(Defect::RelayCommitsWithoutSync) {
            database
                .call(|connection| Ok(connection.pragma_update(None, "synchronous", "NORMAL")?))
                .await
                .map_err(|error: DatabaseError| error)?;
        }
        let Config { time_to_live, max_handouts, .. } = *config;
        Ok(Self { database, time_to_live, max_handouts, reserve })
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
    ) -> Result<Taken, DatabaseError> {
        let max_handouts = self.max_handouts;
        self.emptying(move |transaction| {
            let now_ms = to_sql(now_ms);
            let acknowledged =
                outgoing::acknowledge(transaction, &destination, acknowledged, now_ms)?;
            let mut aside = Vec::new();
            let next = outgoing::hand_out(transaction, &destination, max_handouts, &mut aside)?;
            Ok(Taken { acknowledged, next, aside })
        })
        .await
    }

    /// Deletes those entries of `acknowledged` that were handed out to `destination`, then hands out the
    /// oldest, as many as `most` says.
    pub(crate) async fn take_many(
        &self,
        destination: OwnedServerName,
        acknowledged: Vec<EntryId>,
        most: Most,
        now_ms: u64,
    ) -> Result<TakenMany, DatabaseError> {
        let max_handouts = self.max_handouts;
        self.emptying(move |transaction| {
            let mut gone = Vec::new();
            for id in &acknowledged {
                if outgoing::acknowledge(transaction, &destination, *id, to_sql(now_ms))? {
                    gone.push(*id);
                }
            }
            let mut aside = Vec::new();
            let next =
                outgoing::hand_out_many(transaction, &destination, max_handouts, most, &mut aside)?;
            let waiting = outgoing::waiting(transaction, &destination)?;
            Ok(TakenMany { acknowledged: gone, next, aside, waiting })
        })
        .await
    }

    /// Does what frees room in the end, if need be with the disk's reserve.
    async fn emptying<T: Send + 'static>(
        &self,
        work: impl Fn(&transport::Transaction<'_>) -> rusqlite::Result<T> + Clone + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let again = work.clone();
        let done = self.database.transaction(move |transaction| Ok(work(transaction)?)).await;
        let Err(error) = done else { return done };
        if !self.reserve.helps_with(&error).await {
            return Err(error);
        }
        let written_back = self.database.call(|connection| {
            // What is in the log is in the way there twice, until it is in the database.
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            Ok::<_, DatabaseError>(connection.query_row(checkpoint, [], |_| Ok(()))?)
        });
        if let Err(error) = written_back.await {
            tracing::warn!(%error, "failed to make room in the log of the database");
        }
        self.database.transaction(move |transaction| Ok(again(transaction)?)).await
    }

    /// Returns the reserve of the disk that the store is on.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// Returns the bytes of the entry that `destination` is handed out next, once it has `acknowledged` one;
    /// `None` if there is none.
    pub(crate) async fn next_bytes(
        &self,
        destination: OwnedServerName,
        acknowledged: EntryId,
    ) -> Result<Option<u64>, DatabaseError> {
        self.database
            .call(move |connection| {
                Ok(outgoing::next_bytes(connection, &destination, acknowledged)?)
            })
            .await
    }

    /// Returns the bytes of all that waits for `destination`.
    pub(crate) async fn bytes_waiting(
        &self,
        destination: OwnedServerName,
    ) -> Result<u64, DatabaseError> {
        self.database
            .call(move |connection| Ok(outgoing::bytes_waiting(connection, &destination)?))
            .await
    }

    /// Returns the oldest entry that the relay itself should try to deliver to `destination`, and what was
    /// set aside.
    pub(crate) async fn next_to_forward(
        &self,
        destination: OwnedServerName,
    ) -> Result<(Next, Vec<EntryId>), DatabaseError> {
        self.database
            .transaction(move |transaction| {
                let mut aside = Vec::new();
                let next = outgoing::next_to_forward(transaction, &destination, &mut aside)?;
                Ok((next, aside))
            })
            .await
    }

    /// Deletes an entry that the relay has delivered whole.
    pub(crate) async fn delivered(&self, id: EntryId, now_ms: u64) -> Result<(), DatabaseError> {
        self.emptying(move |transaction| outgoing::delivered(transaction, id, to_sql(now_ms))).await
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
        self.emptying(move |transaction| {
            Ok(from_sql(expiry::advance_clock(transaction, to_sql(now_ms), at_most)?))
        })
        .await
    }

    /// Deletes one batch of what is too old in a sweep of the time `sweep_ms`.
    pub(crate) async fn expire_batch(&self, sweep_ms: u64) -> Result<Expired, DatabaseError> {
        let expired_before = self.expired_before(sweep_ms);
        self.emptying(move |transaction| {
            expiry::expire_batch(transaction, expired_before, to_sql(sweep_ms))
        })
        .await
    }

    /// Deletes one batch of the entries of `purge`, and returns how many, and whether there may be
    /// more.
    pub(crate) async fn purge_batch(&self, purge: Purge) -> Result<(u64, bool), DatabaseError> {
        let deleted =
            self.emptying(move |transaction| operator::purge_batch(transaction, &purge)).await?;
        Ok((deleted, deleted >= operator::BATCH))
    }

    /// Returns how many entries `purge` would delete, and their bytes.
    pub(crate) async fn count(&self, purge: Purge) -> Result<(u64, u64), DatabaseError> {
        self.database.call(move |connection| Ok(operator::count(connection, &purge)?)).await
    }

    /// Returns an entry that waits, or that was set aside.
    pub(crate) async fn show(
        &self,
        id: EntryId,
        is_set_aside: bool,
    ) -> Result<Option<Shown>, DatabaseError> {
        let show = if is_set_aside { operator::show_set_aside } else { operator::show };
        self.database.call(move |connection| Ok(show(connection, id)?)).await
    }

    /// Deletes an entry that waits, or that was set aside; returns whether there was one.
    pub(crate) async fn drop_entry(
        &self,
        id: EntryId,
        is_set_aside: bool,
    ) -> Result<bool, DatabaseError> {
        let drop_it = if is_set_aside { operator::drop_set_aside } else { operator::drop_entry };
        self.emptying(move |transaction| drop_it(transaction, id)).await
    }

    /// Has an entry tried as if it never had been; returns whether there is one.
    pub(crate) async fn requeue(&self, id: EntryId) -> Result<bool, DatabaseError> {
        self.emptying(move |transaction| operator::requeue(transaction, id)).await
    }

    /// Puts an entry that was set aside at the end of its mailbox; returns its new id, if it does not
    /// wait there already.
    pub(crate) async fn release(&self, id: EntryId) -> Result<Option<EntryId>, DatabaseError> {
        self.emptying(move |transaction| operator::release(transaction, id)).await
    }

    /// Returns what an operator has said at run time.
    pub(crate) async fn said(&self) -> Result<Said, DatabaseError> {
        self.database.call(|connection| Ok(said::read(connection)?)).await
    }

    /// Keeps what an operator says of a quota.
    pub(crate) async fn say_quota(
        &self,
        quota: Quota,
        value: Option<u64>,
    ) -> Result<(), DatabaseError> {
        let value = value.map(to_sql);
        self.emptying(move |transaction| said::set(transaction, quota.key(), value)).await
    }

    /// Keeps what an operator says of the destinations served.
    pub(crate) async fn say_destinations(
        &self,
        names: Option<BTreeSet<OwnedServerName>>,
    ) -> Result<(), DatabaseError> {
        self.emptying(move |transaction| said::destinations(transaction, names.as_ref())).await
    }

    /// Keeps what an operator says of a host.
    pub(crate) async fn say_block(
        &self,
        host: String,
        block: Option<Block>,
    ) -> Result<(), DatabaseError> {
        self.emptying(move |transaction| said::block(transaction, &host, block.as_ref())).await
    }

    /// Returns the figures for whoever watches the relay.
    pub(crate) async fn overview(&self) -> Result<Overview, DatabaseError> {
        self.database.call(|connection| Ok(overview::of(connection)?)).await
    }

    /// Returns whether the database answers.
    pub(crate) async fn look(&self) -> Result<(), DatabaseError> {
        self.database.call(|connection| Ok(overview::look(connection)?)).await
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
        self.emptying(move |transaction| said::set(transaction, name, Some(value.into()))).await
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
