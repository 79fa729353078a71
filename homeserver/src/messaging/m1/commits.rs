//! Commits on their way: each destination is told what was decided, in the order of decision, one
//! at a time, until it acknowledges.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ruma::{OwnedServerName, ServerName};
use tokio::sync::Notify;
use transport::{
    DatabaseError,
    endpoints::m1::{Decide, Decision, DecisionBody},
};

use super::records::{Commit, first_commit, last_commit};
use crate::{core::Core, messaging::bell::Bell};

/// The commits that this server owes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Commits {
    core: Core,
    /// A task per destination that was ever owed a commit, and what wakes it.
    couriers: Arc<Mutex<BTreeMap<OwnedServerName, Arc<Notify>>>>,
    /// Rings at every acknowledgement.
    acknowledged: Bell,
}

impl Commits {
    pub(super) fn new(core: &Core) -> Self {
        Self { core: core.clone(), couriers: Arc::default(), acknowledged: Bell::default() }
    }

    /// Starts telling what was owed when the process ended.
    pub(super) async fn resume(&self) -> Result<(), DatabaseError> {
        let owed: Vec<String> = self
            .core
            .database
            .call(|connection| {
                connection
                    .prepare("SELECT DISTINCT destination FROM m1_commits ORDER BY destination")?
                    .query_map([], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()
                    .map_err(DatabaseError::from)
            })
            .await?;
        for destination in owed {
            match OwnedServerName::try_from(destination) {
                Ok(destination) => self.hasten(&destination),
                Err(error) => tracing::error!(%error, "a commit is owed to no server name"),
            }
        }
        Ok(())
    }

    /// Tells `destination` what it is owed, now rather than after the back-off.
    pub(super) fn hasten(&self, destination: &ServerName) {
        let mut couriers = self.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = couriers.get(destination) {
            wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        couriers.insert(destination.to_owned(), Arc::clone(&wake));
        self.core.host.spawn(self.clone().courier(destination.to_owned(), wake));
    }

    /// As [`Commits::hasten`], for a server that may not be owed anything.
    pub(super) fn hurry(&self, server: &ServerName) {
        let couriers = self.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = couriers.get(server) {
            wake.notify_one();
        }
    }

    /// Waits until `destination` has acknowledged everything decided before this call. What is
    /// asked of it afterwards builds on events that it then has.
    pub(super) async fn drained(&self, destination: &ServerName) -> Result<(), DatabaseError> {
        let mut acknowledged = self.acknowledged.listen();
        let Some(last) = self.last(destination).await? else { return Ok(()) };
        self.hasten(destination);
        while self.first(destination).await?.is_some_and(|commit| commit.sequence <= last) {
            acknowledged.rung().await;
        }
        Ok(())
    }

    /// The life of one destination's courier.
    async fn courier(self, destination: OwnedServerName, wake: Arc<Notify>) {
        let (first, longest) = (self.core.config.backoff_first, self.core.config.backoff_max);
        let mut backoff = first;
        loop {
            match self.tell_next(&destination).await {
                Told::Acknowledged => backoff = first,
                Told::Nothing => wake.notified().await,
                Told::Failed => {
                    wait_or_wake(backoff, &wake).await;
                    backoff = (backoff * 2).min(longest);
                }
            }
        }
    }

    async fn tell_next(&self, destination: &ServerName) -> Told {
        let commit = match self.first(destination).await {
            Ok(Some(commit)) => commit,
            Ok(None) => return Told::Nothing,
            Err(error) => {
                tracing::warn!(%error, "failed to read the commits owed");
                return Told::Failed;
            }
        };
        let told = self
            .core
            .federation
            .call_endpoint::<Decide>(
                destination,
                &[&commit.room_id, &commit.event_id],
                &DecisionBody { decision: Decision::Commit },
                self.core.config.request_timeout,
            )
            .await;
        if let Err(error) = told {
            tracing::warn!(%error, %destination, event_id = commit.event_id, "a commit was not told");
            return Told::Failed;
        }
        match self.forget(commit).await {
            Ok(()) => Told::Acknowledged,
            Err(error) => {
                tracing::warn!(%error, "failed to strike a commit that was told");
                Told::Failed
            }
        }
    }

    async fn first(&self, destination: &ServerName) -> Result<Option<Commit>, DatabaseError> {
        let destination = destination.to_owned();
        self.core
            .database
            .call(move |connection| first_commit(connection, &destination).map_err(Into::into))
            .await
    }

    async fn last(&self, destination: &ServerName) -> Result<Option<i64>, DatabaseError> {
        let destination = destination.to_owned();
        self.core
            .database
            .call(move |connection| last_commit(connection, &destination).map_err(Into::into))
            .await
    }

    async fn forget(&self, commit: Commit) -> Result<(), DatabaseError> {
        self.core
            .database
            .transaction(move |tx| {
                tx.execute("DELETE FROM m1_commits WHERE sequence = ?1", [commit.sequence])?;
                Ok::<_, DatabaseError>(())
            })
            .await?;
        self.acknowledged.ring();
        Ok(())
    }
}

/// What became of an attempt to tell the next commit.
enum Told {
    /// The destination has it.
    Acknowledged,
    /// Nothing is owed.
    Nothing,
    /// To be tried again.
    Failed,
}

async fn wait_or_wake(wait: Duration, wake: &Notify) {
    tokio::select! {
        biased;
        () = wake.notified() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
