//! Transactions: idempotent in, queued and one at a time out, by relay if need be.
//!
//! - [`Incoming`]: the same transaction gets the same answer, and its PDUs are handed upwards once.
//! - [`Outgoing`]: a persisted queue per destination, with back-off.
//! - [`RelaySync`]: what waits for this server at its relays.
//! - `sealed`: what a relay carries and cannot read.

mod deferred;
mod incoming;
mod outgoing;
pub(crate) mod own_relays;
mod relay_sync;
mod sealed;
mod sender;

use std::{collections::BTreeMap, sync::Arc};

use ruma::{OwnedEventId, ServerName};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use transport::BoxFuture;

pub use self::{
    incoming::{Incoming, ReceiveError},
    outgoing::Outgoing,
    relay_sync::RelaySync,
};
use crate::store::StoreError;
pub use crate::store::queues::MAX_EDUS;

/// PDUs in one transaction (server-server API, "Transactions").
pub const MAX_PDUS: usize = 50;

/// What became of the PDUs of a transaction; the body of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// By event id: taken, or why not.
    pub pdus: BTreeMap<OwnedEventId, Result<(), String>>,
    /// By event id: why it cannot be judged now, though later it may be. Its origin had better send
    /// it again.
    pub put_off: BTreeMap<OwnedEventId, String>,
    /// By event id: what is lacking to judge it that nobody who was asked has. Sending it again soon
    /// is of no use; it is kept here and tried again.
    pub parked: BTreeMap<OwnedEventId, String>,
}

impl Answer {
    /// Returns the answer as it goes over the wire, where what was put off is taken: it is kept here
    /// and judged later, as what soft-fails is, of which the sender is not told either.
    pub fn to_json(&self) -> Value {
        let taken = self.pdus.iter().map(|(id, outcome)| (id, outcome.as_ref().err().cloned()));
        let put_off = self.put_off.keys().chain(self.parked.keys()).map(|id| (id, None));
        let entry = |(id, refusal): (&OwnedEventId, Option<String>)| {
            let outcome = refusal.map_or_else(|| json!({}), |reason| json!({ "error": reason }));
            (id.to_string(), outcome)
        };
        let pdus: serde_json::Map<_, _> = taken.chain(put_off).map(entry).collect();
        json!({ "pdus": pdus })
    }

    /// Returns what was put off, in words; `None` when nothing was.
    pub fn first_put_off(&self) -> Option<String> {
        self.put_off.iter().next().map(|(id, reason)| format!("{id}: {reason}"))
    }

    /// Returns what was not judged, for whatever reason, in words; `None` when everything was.
    pub fn first_unjudged(&self) -> Option<String> {
        let mut unjudged = self.put_off.iter().chain(&self.parked);
        unjudged.next().map(|(id, reason)| format!("{id}: {reason}"))
    }
}

/// Records the answer, inside the transaction that makes the last PDU durable: all of them are
/// durable then, except those put off.
pub type RecordAnswer =
    Arc<dyn Fn(&transport::Transaction<'_>, &Answer) -> Result<(), StoreError> + Send + Sync>;

/// An ephemeral data unit, as it comes in.
#[derive(Clone, Debug, Deserialize)]
pub struct Edu {
    /// Its type, as `m.typing`.
    #[serde(rename = "edu_type")]
    pub kind: String,
    /// What it says.
    #[serde(default)]
    pub content: Value,
}

/// What the transaction layer tells of EDUs to the layer above.
pub trait EduHandler: Send + Sync + 'static {
    /// Takes the EDUs that `origin` sent, in the transaction that records the answer to theirs. What
    /// makes no sense is dropped.
    ///
    /// # Errors
    /// The store refuses.
    fn take(
        &self,
        tx: &transport::Transaction<'_>,
        origin: &ServerName,
        edus: &[Edu],
    ) -> Result<(), StoreError>;
}

/// What the transaction layer tells the layer above.
pub trait PduHandler: Send + Sync + 'static {
    /// Takes the PDUs that `origin` sent. When this returns an answer, what was taken is durable,
    /// and so is what `record` wrote; when it returns an error, nothing was recorded, and some of
    /// the PDUs may be durable: the same ones may come again.
    fn receive<'a>(
        &'a self,
        origin: &'a ServerName,
        pdus: &'a [Box<RawValue>],
        record: RecordAnswer,
    ) -> BoxFuture<'a, Result<Answer, StoreError>>;
}
