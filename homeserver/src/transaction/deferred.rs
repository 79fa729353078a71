//! Relay entries that could not be judged when they came: tried again and again, until they can be,
//! or for too long.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::{Answer, Incoming, RecordAnswer};
use crate::{
    core::Core,
    store::{
        StoreError,
        deferred::{self, DeferredEntry},
    },
};

/// Entries that are tried again after one round, those tried least first.
const MAX_TRIED_PER_ROUND: usize = 20;

/// How long an entry is tried, in milliseconds: longer than any outage worth waiting for. After
/// that, only what could not be judged is lost; if later events build on it, it is fetched with
/// them.
const TRIED_FOR_MS: u64 = 14 * 24 * 3600 * 1000;

pub(super) struct Deferred {
    pub(super) core: Core,
    pub(super) incoming: Incoming,
    /// Whether there may be an entry: most rounds have nothing to look for.
    pub(super) any: Arc<AtomicBool>,
}

impl Deferred {
    /// Tries entries whenever a round of fetching has `ended`; for ever.
    pub(super) async fn run(&self, ended: &Notify) {
        loop {
            ended.notified().await;
            if let Err(error) = self.try_again().await {
                tracing::warn!(%error, "failed to retry deferred entries");
            }
        }
    }

    async fn try_again(&self) -> Result<(), StoreError> {
        // Cleared before the read: whatever is put off meanwhile sets it again.
        if !self.any.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let read = self.core.database.call(|db| deferred::least_tried(db, MAX_TRIED_PER_ROUND));
        let entries: Vec<DeferredEntry> =
            read.await.inspect_err(|_| self.any.store(true, Ordering::SeqCst))?;
        self.any.fetch_or(!entries.is_empty(), Ordering::SeqCst);
        for entry in entries {
            let record = self.record(&entry);
            self.incoming.handler().receive(&entry.origin, &entry.pdus, record).await?;
        }
        Ok(())
    }

    /// Forgets the entry if all of it was judged, or if it was tried for too long.
    fn record(&self, entry: &DeferredEntry) -> RecordAnswer {
        let (id, origin) = (entry.id, entry.origin.clone());
        let age = self.core.host.unix_ms().saturating_sub(entry.deferred_at_ms);
        Arc::new(move |tx, answer: &Answer| {
            let Some(reason) = answer.first_put_off() else { return deferred::forget(tx, id) };
            if age < TRIED_FOR_MS {
                return deferred::tried(tx, id);
            }
            tracing::warn!(%origin, reason, "gave up on a deferred entry");
            deferred::forget(tx, id)
        })
    }
}
