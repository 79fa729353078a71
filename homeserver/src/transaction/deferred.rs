//! Transactions that could not be judged when they came, from their origins or by a relay: tried
//! again and again, until they can be, or too often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
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

/// How often an entry is tried: for two weeks, longer than any outage worth waiting for. After that,
/// only what could not be judged is lost; if later events build on it, it is fetched with them.
const MAX_TRIES: u32 = 4000;

/// The longest wait between two tries. It doubles from the interval of the rounds.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

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
        let now = self.core.ages.now_ms();
        let read = self.core.database.call(move |db| deferred::due(db, now, MAX_TRIED_PER_ROUND));
        let (entries, any): (Vec<DeferredEntry>, bool) =
            read.await.inspect_err(|_| self.any.store(true, Ordering::SeqCst))?;
        self.any.fetch_or(any, Ordering::SeqCst);
        for entry in entries {
            let wait = wait_after(entry.tries, self.core.config.relay_poll_interval);
            let record = record(&entry, now.saturating_add(wait));
            self.incoming.handler().receive(&entry.origin, &entry.pdus, record).await?;
        }
        Ok(())
    }
}

/// Returns how long an entry waits that was tried so often before, in milliseconds.
fn wait_after(tries: u32, first: Duration) -> i64 {
    let wait = first.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT);
    // Rounds come at their own pace: who waits as long as one is not to miss it by a hair.
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX) / 10 * 9
}

/// Forgets the entry if all of it was judged, or if it was tried too often.
fn record(entry: &DeferredEntry, due_ms: i64) -> RecordAnswer {
    let (id, origin, tries) = (entry.id, entry.origin.clone(), entry.tries);
    Arc::new(move |tx, answer: &Answer| {
        let Some(reason) = answer.first_unjudged() else { return deferred::forget(tx, id) };
        if tries < MAX_TRIES {
            return deferred::tried(tx, id, due_ms);
        }
        tracing::warn!(%origin, reason, "gave up on a deferred entry");
        deferred::forget(tx, id)
    })
}
