//! Transactions that could not be judged when they came, from their origins or by a relay: tried
//! again and again, until they can be, or too often.

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

/// Entries of one relay, or of one origin, that wait here to be judged; what comes beyond that stays
/// where it is.
pub(super) const MAX_DEFERRED: usize = 500;

/// How often an entry is tried: at two tries a minute for two weeks, longer than any outage worth
/// waiting for, and counted without a clock. After that, only what could not be judged is lost; if
/// later events build on it, it is fetched with them.
const MAX_TRIES: u32 = 40_000;

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
            let record = record(&entry);
            self.incoming.handler().receive(&entry.origin, &entry.pdus, record).await?;
        }
        Ok(())
    }
}

/// Forgets the entry if all of it was judged, or if it was tried too often.
fn record(entry: &DeferredEntry) -> RecordAnswer {
    let (id, origin, tries) = (entry.id, entry.origin.clone(), entry.tries);
    Arc::new(move |tx, answer: &Answer| {
        let Some(reason) = answer.first_put_off() else { return deferred::forget(tx, id) };
        if tries < MAX_TRIES {
            return deferred::tried(tx, id);
        }
        tracing::warn!(%origin, reason, "gave up on a deferred entry");
        deferred::forget(tx, id)
    })
}
