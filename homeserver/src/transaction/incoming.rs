//! Incoming transactions: idempotent by origin and transaction id.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ruma::{OwnedServerName, ServerName};
use serde_json::value::RawValue;
use transport::Lock;

use super::{
    Answer, Edu, EduHandler, MAX_EDUS, MAX_PDUS, PduHandler, RecordAnswer, deferred::MAX_DEFERRED,
};
use crate::{
    core::{
        Core,
        guards::{Bounds, Guards},
    },
    store::{
        StoreError,
        deferred::{self, Handover},
        received,
    },
};

/// How often a transaction is tried of which some PDUs cannot be judged. The last try keeps these
/// here, to be tried again, so that they do not hold up what the origin sends after them.
const MAX_TRIES: u32 = 5;

/// How many origins' tries are counted at a time.
const MAX_ORIGINS_COUNTED: usize = 10_000;

/// How many requests of one origin may be under way; most of them are repetitions that wait.
const MAX_AT_ONCE: usize = 16;

/// Why a transaction was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It has more in it than the specification allows.
    #[error("{pdus} PDUs and {edus} EDUs, but a transaction has at most {MAX_PDUS} and {MAX_EDUS}")]
    TooLarge {
        /// Its PDUs.
        pdus: usize,
        /// Its EDUs.
        edus: usize,
    },
    /// Too much of its origin is under way.
    #[error("{MAX_AT_ONCE} transactions of {0} are already in progress")]
    Busy(OwnedServerName),
    /// Some of its PDUs cannot be judged now, and it was not tried often enough; the same one may
    /// come again.
    #[error("{0}")]
    NotYet(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a transaction carries.
struct Body {
    pdus: Vec<Box<RawValue>>,
    edus: Vec<Edu>,
}

/// Takes transactions of other servers. Cheap to clone.
#[derive(Clone)]
pub struct Incoming {
    core: Core,
    handler: Arc<dyn PduHandler>,
    pub(super) edu_handler: Arc<dyn EduHandler>,
    /// Requests under way, by origin.
    requests: Guards<OwnedServerName>,
    /// Transactions under way, by origin and id: a duplicate that comes meanwhile waits.
    transactions: Guards<(OwnedServerName, String)>,
    /// By origin: its latest transaction, and how often that was tried.
    tries: Arc<Lock<BTreeMap<OwnedServerName, (String, u32)>>>,
    /// Whether a transaction may be deferred.
    pub(super) any_deferred: Arc<AtomicBool>,
}

impl Incoming {
    /// Returns the intake of transactions whose PDUs go to `handler`, and whose EDUs to `edu_handler`.
    pub fn new(core: Core, handler: Arc<dyn PduHandler>, edu_handler: Arc<dyn EduHandler>) -> Self {
        Self {
            core,
            handler,
            edu_handler,
            requests: Guards::default(),
            transactions: Guards::default(),
            tries: Arc::default(),
            any_deferred: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Takes a transaction of `origin` and returns its answer, which is the same as before if it
    /// was answered before. The answer is durable, as is everything in the transaction, when this
    /// returns it. EDUs count when the answer is recorded, and so once.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn receive(
        &self,
        origin: &ServerName,
        transaction_id: &str,
        pdus: &[Box<RawValue>],
        edus: Vec<Edu>,
    ) -> Result<String, ReceiveError> {
        within_limits(pdus.len(), edus.len())?;
        let bounds = Bounds { per_key: MAX_AT_ONCE, keys: usize::MAX };
        let request = self.requests.try_hold(origin.to_owned(), bounds);
        let _request = request.ok_or_else(|| ReceiveError::Busy(origin.to_owned()))?;
        let key = (origin.to_owned(), transaction_id.to_owned());
        let _alone = self.transactions.alone(key).await;
        if let Some(answer) = self.answer_given(origin, transaction_id).await? {
            return Ok(answer);
        }
        let last = self.count_try(origin, transaction_id) >= MAX_TRIES;
        let body = Body { pdus: pdus.to_vec(), edus };
        let record = self.record(origin, transaction_id, body, last);
        let answer = self.handler.receive(origin, pdus, record).await?;
        if let Some(reason) = answer.first_unjudged() {
            tracing::info!(%origin, transaction_id, last, reason, "not judged yet");
            let is_kept = last || answer.put_off.is_empty();
            let kept =
                if is_kept { self.answer_given(origin, transaction_id).await? } else { None };
            return kept.ok_or(ReceiveError::NotYet(reason));
        }
        self.tries.lock().remove(origin);
        Ok(answer.to_json().to_string())
    }

    /// Counts a try of a transaction, and returns how many there have been. Only the latest
    /// transaction of an origin is remembered, since an origin sends one at a time.
    fn count_try(&self, origin: &ServerName, transaction_id: &str) -> u32 {
        let mut tries = self.tries.lock();
        if tries.len() >= MAX_ORIGINS_COUNTED && !tries.contains_key(origin) {
            tries.pop_first();
        }
        let latest = tries.entry(origin.to_owned()).or_default();
        if latest.0 != transaction_id {
            *latest = (transaction_id.to_owned(), 0);
        }
        latest.1 = latest.1.saturating_add(1);
        latest.1
    }

    /// Returns the answer that the transaction was given before.
    pub(super) async fn answer_given(
        &self,
        origin: &ServerName,
        transaction_id: &str,
    ) -> Result<Option<String>, StoreError> {
        let (origin, id) = (origin.to_owned(), transaction_id.to_owned());
        self.core.database.call(move |db| received::answer(db, &origin, &id)).await
    }

    pub(super) fn handler(&self) -> &dyn PduHandler {
        &*self.handler
    }

    /// Takes the EDUs and records the answer. If something was not judged, keeps the PDUs to be tried
    /// again; does nothing if that was put off and this is not the `last` try, or if too much of the origin is
    /// kept already.
    fn record(
        &self,
        origin: &ServerName,
        transaction_id: &str,
        body: Body,
        last: bool,
    ) -> RecordAnswer {
        let (origin, id, edu_handler) =
            (origin.to_owned(), transaction_id.to_owned(), Arc::clone(&self.edu_handler));
        let (now, any_deferred) = (self.core.ages.now_ms(), Arc::clone(&self.any_deferred));
        Arc::new(move |tx, answer: &Answer| {
            if !answer.put_off.is_empty() && !last {
                return Ok(());
            }
            if answer.first_unjudged().is_some() {
                if deferred::count(tx, &origin)? >= MAX_DEFERRED {
                    return Ok(());
                }
                let handover = Handover { giver: origin.clone(), entry_id: 0 };
                deferred::put(tx, &handover, &origin, &body.pdus, now)?;
                any_deferred.store(true, Ordering::SeqCst);
            }
            if !body.edus.is_empty() {
                edu_handler.take(tx, &origin, &body.edus)?;
            }
            received::put_answer(tx, &origin, &id, &answer.to_json().to_string(), now)
        })
    }
}

/// Refuses more than the specification allows in one transaction.
pub(super) fn within_limits(pdus: usize, edus: usize) -> Result<(), ReceiveError> {
    if pdus > MAX_PDUS || edus > MAX_EDUS {
        return Err(ReceiveError::TooLarge { pdus, edus });
    }
    Ok(())
}
