//! Incoming transactions: idempotent by origin and transaction id.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;
use ruma::{OwnedServerName, ServerName};
use serde_json::value::RawValue;
use transport::MatrixError;

use super::{Answer, MAX_EDUS, MAX_PDUS, PduHandler, Record};
use crate::{core::Core, pdu::Unavailable, store::received};

type Key = (OwnedServerName, String);

/// Takes transactions of other servers. Cheap to clone.
#[derive(Clone)]
pub struct Incoming {
    core: Core,
    handler: Arc<dyn PduHandler>,
    running: Arc<Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Incoming {
    /// Hands PDUs to `handler`.
    pub fn new(core: Core, handler: Arc<dyn PduHandler>) -> Self {
        Self { core, handler, running: Arc::default() }
    }

    /// Takes a transaction of `origin`, or answers as it was answered before. The answer is
    /// durable, as is everything in the transaction, when this returns it. EDUs are none of this
    /// server's kinds, and ignored.
    ///
    /// # Errors
    /// 400 for too many PDUs or EDUs, 503 when the transaction cannot be judged now and is to be
    /// sent again.
    pub async fn receive(
        &self,
        origin: &ServerName,
        transaction_id: &str,
        pdus: &[Box<RawValue>],
        edus: usize,
    ) -> Result<String, MatrixError> {
        within_limits(pdus.len(), edus)?;
        let turn = self.turn(origin, transaction_id);
        let _mine = turn.lock.lock().await;
        if let Some(answer) = self.answer_given(origin, transaction_id).await? {
            return Ok(answer);
        }
        let record = self.record(origin, transaction_id);
        match self.handler.receive(origin, pdus, record).await {
            Ok(answer) => Ok(answer.to_json().to_string()),
            Err(Unavailable::Store(error)) => Err(error.into()),
            Err(Unavailable::Elsewhere(reason)) => {
                tracing::info!(%origin, transaction_id, reason, "not judged yet");
                Err(MatrixError::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", reason))
            }
        }
    }

    /// The answer that the transaction was given before.
    pub(super) async fn answer_given(
        &self,
        origin: &ServerName,
        transaction_id: &str,
    ) -> Result<Option<String>, MatrixError> {
        let (origin, id) = (origin.to_owned(), transaction_id.to_owned());
        Ok(self.core.database.call(move |db| received::answer(db, &origin, &id)).await?)
    }

    pub(super) fn handler(&self) -> &dyn PduHandler {
        &*self.handler
    }

    fn record(&self, origin: &ServerName, transaction_id: &str) -> Record {
        let key = (origin.to_owned(), transaction_id.to_owned());
        let now = self.core.host.unix_ms();
        Arc::new(move |tx, answer: &Answer| {
            received::put_answer(tx, (&key.0, &key.1), &answer.to_json().to_string(), now)
        })
    }

    /// The turn of one transaction: a duplicate that comes meanwhile waits for it.
    fn turn(&self, origin: &ServerName, transaction_id: &str) -> Turn<'_> {
        let key = (origin.to_owned(), transaction_id.to_owned());
        let lock = Arc::clone(self.running().entry(key.clone()).or_default());
        Turn { incoming: self, key, lock }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<tokio::sync::Mutex<()>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn<'a> {
    incoming: &'a Incoming,
    key: Key,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = self.incoming.running();
        // One reference is the map's and one is this one's: nobody waits.
        if Arc::strong_count(&self.lock) == 2 {
            running.remove(&self.key);
        }
    }
}

/// Refuses what the specification forbids to put into one transaction.
pub(super) fn within_limits(pdus: usize, edus: usize) -> Result<(), MatrixError> {
    if pdus > MAX_PDUS || edus > MAX_EDUS {
        return Err(MatrixError::bad_json(format!(
            "{pdus} PDUs and {edus} EDUs; a transaction has at most {MAX_PDUS} and {MAX_EDUS}"
        )));
    }
    Ok(())
}
