//! Transactions: idempotent in, queued and one at a time out, by relay if need be.
//!
//! - [`Incoming`]: the same transaction gets the same answer, and its PDUs are handed upwards once.
//! - [`Outgoing`]: a persisted queue per destination, with back-off.
//! - [`RelaySync`]: what waits for this server at its relays.

mod incoming;
mod outgoing;
mod relay_sync;
mod sender;

use std::{collections::BTreeMap, sync::Arc};

use ruma::{OwnedEventId, ServerName};
use serde_json::{Value, json, value::RawValue};
use transport::BoxFuture;

pub use self::{incoming::Incoming, outgoing::Outgoing, relay_sync::RelaySync};
use crate::{
    pdu::{Refusal, Unavailable},
    store::StoreError,
};

/// PDUs in one transaction (server-server API, "Transactions").
pub const MAX_PDUS: usize = 50;

/// EDUs in one transaction (server-server API, "Transactions").
pub const MAX_EDUS: usize = 100;

/// What became of the PDUs of a transaction; the body of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// By event id: taken, or why not.
    pub pdus: BTreeMap<OwnedEventId, Result<(), String>>,
}

impl From<BTreeMap<OwnedEventId, Result<(), Refusal>>> for Answer {
    fn from(outcomes: BTreeMap<OwnedEventId, Result<(), Refusal>>) -> Self {
        let text = |outcome: Result<(), Refusal>| outcome.map_err(|refusal| refusal.to_string());
        Self { pdus: outcomes.into_iter().map(|(id, outcome)| (id, text(outcome))).collect() }
    }
}

impl Answer {
    /// As it goes over the wire.
    pub fn to_json(&self) -> Value {
        let entry = |outcome: &Result<(), String>| match outcome {
            Ok(()) => json!({}),
            Err(reason) => json!({ "error": reason }),
        };
        let pdus: serde_json::Map<_, _> =
            self.pdus.iter().map(|(id, outcome)| (id.to_string(), entry(outcome))).collect();
        json!({ "pdus": pdus })
    }
}

/// Writes down, inside the transaction that makes the last PDU durable, that all of them are.
pub type Record =
    Arc<dyn Fn(&rusqlite::Transaction<'_>, &Answer) -> Result<(), StoreError> + Send + Sync>;

/// What the transaction layer tells upwards.
pub trait PduHandler: Send + Sync + 'static {
    /// Takes the PDUs that `origin` sent. When this returns an answer, what was taken is durable,
    /// and so is what `record` wrote; when it returns an error, nothing was recorded, and some of
    /// the PDUs may be durable: the same ones may come again.
    fn receive<'a>(
        &'a self,
        origin: &'a ServerName,
        pdus: &'a [Box<RawValue>],
        record: Record,
    ) -> BoxFuture<'a, Result<Answer, Unavailable>>;
}
