//! Transactions that could not be judged when they came, from their origins or by a relay: tried
//! again and again, until they can be, or too often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ruma::ServerName;
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::{
    Answer, Incoming, RecordAnswer,
    sealed::{Letter, Verdict},
};
use crate::{
    core::Core,
    store::{
        StoreError,
        deferred::{self, DeferredEntry},
        received,
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
            let due_ms = now.saturating_add(wait);
            let pdus = match &entry.letter {
                None => entry.pdus.clone(),
                Some(letter) => match self.verified(&entry, letter, due_ms).await? {
                    Some(pdus) => pdus,
                    None => continue,
                },
            };
            let record = record(&entry, due_ms);
            self.incoming.handler().receive(&entry.origin, &pdus, record).await?;
        }
        Ok(())
    }

    /// Takes the EDUs of a letter, and puts its PDUs in its place, which it returns; nothing of it, if it
    /// has come in another way meanwhile.
    async fn unseal(
        &self,
        id: i64,
        origin: &ServerName,
        letter: Letter,
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let transaction_id = letter.transaction_id().to_owned();
        let edus = letter.fresh_edus(self.core.host.unix_ms());
        let (handler, origin) = (Arc::clone(&self.incoming.edu_handler), origin.to_owned());
        let now = self.core.ages.now_ms();
        let taken = self.core.database.transaction(move |tx| {
            if received::answer(tx, &origin, &transaction_id)?.is_some() {
                deferred::put_pdus(tx, id, &[])?;
                return Ok(Vec::new());
            }
            handler.take(tx, &origin, &edus)?;
            deferred::put_pdus(tx, id, &letter.pdus)?;
            let answer = Answer::default().to_json().to_string();
            received::put_answer(tx, &origin, &transaction_id, &answer, now)?;
            Ok(letter.pdus)
        });
        taken.await
    }

    /// Asks the origin of a letter once more whether it is from there. If it is, takes the EDUs in it, and
    /// returns the PDUs, which are kept until they are judged; if it is not, forgets it.
    async fn verified(
        &self,
        entry: &DeferredEntry,
        text: &str,
        due_ms: i64,
    ) -> Result<Option<Vec<Box<RawValue>>>, StoreError> {
        let (id, origin, tries) = (entry.id, entry.origin.clone(), entry.tries);
        let database = &self.core.database;
        let reason = match Letter::read(text.to_owned()) {
            Err(error) => error.to_string(),
            Ok(letter) => match letter.verify(&self.core.keys, &origin, &entry.giver).await? {
                Verdict::Authentic => return self.unseal(id, &origin, letter).await.map(Some),
                Verdict::Unknown(_) if tries < MAX_TRIES => {
                    database.transaction(move |tx| deferred::tried(tx, id, due_ms)).await?;
                    return Ok(None);
                }
                Verdict::Unknown(reason) | Verdict::Forged(reason) => reason,
            },
        };
        tracing::warn!(origin = %entry.origin, reason, "discarded a sealed entry of a relay");
        database.transaction(move |tx| deferred::forget(tx, id)).await?;
        Ok(None)
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
