//! Hands out what waits for a destination (`relay_txn`): oldest first, one at a time, deleted when
//! acknowledged.

use std::time::Duration;

use defects::{Defect, planted};
use ruma::OwnedServerName;
use transport::{
    Host,
    endpoints::relay::{RelayTxnRequest, RelayTxnResponse, RelayedTransaction},
};

use crate::{
    policy::destination_of,
    refusal::Refusal,
    store::{Entry, Next, Store},
    switch::Switch,
};

/// Hands out entries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Retriever {
    host: Host,
    store: Store,
    switch: Switch,
}

impl Retriever {
    pub(crate) fn new(host: &Host, store: &Store, switch: &Switch) -> Self {
        Self { host: host.clone(), store: store.clone(), switch: switch.clone() }
    }

    /// Returns the oldest entry for the server of `user_id`, which must be the one that signed;
    /// what it acknowledges in `body` is deleted first. An entry is handed out again until then.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub(crate) async fn relay_txn(
        &self,
        origin: OwnedServerName,
        user_id: &str,
        body: &[u8],
    ) -> Result<RelayTxnResponse, Refusal> {
        self.switch.check()?;
        let destination = destination_of(user_id)?;
        let now_ms = self.host.unix_ms();
        if planted(Defect::RelayAcknowledgesForAnybody) {
            let request = serde_json::from_slice(body).unwrap_or(RelayTxnRequest { entry_id: 0 });
            self.store.delivered(request.entry_id, now_ms).await?;
        }
        if origin != destination && !planted(Defect::RelayHandsOutToAnybody) {
            return Err(Refusal::NotYours { origin, destination });
        }
        let RelayTxnRequest { entry_id } =
            serde_json::from_slice(body).map_err(|error| Refusal::of_body(&error))?;
        if entry_id < 0 {
            return Err(Refusal::BadJson("entry_id cannot be negative".to_owned()));
        }
        match self.store.acknowledge_and_hand_out(destination, entry_id, now_ms).await? {
            Next::Entry(entry) => Ok(answer(*entry, now_ms)),
            Next::Empty => Ok(RelayTxnResponse::default()),
            Next::TooMuchPoison => Err(Refusal::TooMuchPoison),
        }
    }
}

/// Returns the entry as it stands on the wire. Like Dendrite's, without the origin's time; unlike
/// it, with the origin's transaction id, by which a destination knows what it has from another
/// relay.
fn answer(entry: Entry, now_ms: u64) -> RelayTxnResponse {
    let Entry { id, origin, transaction_id, stored_ms, mut transaction } = entry;
    transaction.drop_stale_edus(Duration::from_millis(now_ms.saturating_sub(stored_ms)));
    RelayTxnResponse {
        transaction: RelayedTransaction {
            origin: origin.into(),
            origin_server_ts: 0,
            pdus: Some(transaction.pdus),
            edus: (!transaction.edus.is_empty()).then_some(transaction.edus),
            transaction_id: Some(transaction_id),
        },
        entry_id: id,
        entries_queued: true,
    }
}
