//! One attempt to deliver everything that waits for a destination.

use std::time::Duration;

use defects::{Defect, planted};
use http::StatusCode;
use ruma::{
    MilliSecondsSinceUnixEpoch, ServerName, UInt,
    api::federation::transactions::send_transaction_message::v1::Request,
};
use transport::{
    DatabaseError, Host,
    federation::{CallError, Federation},
};

use crate::{
    events::{Events, Kind},
    store::{Entry, Next, Store},
    transaction::Transaction,
};

/// Delivers the entries of one destination, one after another.
pub(crate) struct Attempt {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) federation: Federation,
    /// For each request.
    pub(crate) deadline: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything that could be delivered is.
    NothingLeft,
    /// The destination or the disk failed; what is left is to be tried later.
    Failed,
}

/// How the destination received one entry.
enum Reception {
    /// It has the PDUs.
    Taken,
    /// It will never take this entry from us.
    Refused,
    /// It may take it later.
    Later,
}

impl Attempt {
    /// Sends entries of `destination`, oldest first, until none is left or one fails.
    pub(super) async fn deliver_all(&self, destination: &ServerName) -> Ended {
        // Bounded: each round takes an entry out of what is to be forwarded, or ends.
        loop {
            match self.deliver_next(destination).await {
                Ok(None) => {}
                Ok(Some(ended)) => return ended,
                Err(error) => {
                    tracing::warn!(%destination, %error, "failed to record a delivery");
                    return Ended::Failed;
                }
            }
        }
    }

    /// Sends the oldest entry. `None` if there may be more.
    async fn deliver_next(&self, destination: &ServerName) -> Result<Option<Ended>, DatabaseError> {
        let (next, aside) = self.store.next_to_forward(destination.to_owned()).await?;
        self.events.set_aside(&aside, destination);
        let entry = match next {
            Next::Entry(entry) => *entry,
            Next::Empty => return Ok(Some(Ended::NothingLeft)),
            Next::TooMuchPoison => return Ok(None),
        };
        let id = entry.id;
        match self.send(destination, &entry).await {
            Reception::Taken if entry.transaction.edus.is_empty() => {
                self.store.delivered(id, self.host.unix_ms()).await?;
                self.events.entry(Kind::Forwarded, id, &entry.origin, destination);
            }
            Reception::Taken => {
                let rest = Transaction { pdus: Vec::new(), edus: entry.transaction.edus };
                self.store.leave_to_the_retriever(id, rest).await?;
            }
            Reception::Refused => {
                self.store.leave_to_the_retriever(id, entry.transaction).await?;
            }
            Reception::Later => return Ok(Some(Ended::Failed)),
        }
        Ok(None)
    }

    async fn send(&self, destination: &ServerName, entry: &Entry) -> Reception {
        if entry.transaction.pdus.is_empty() {
            return Reception::Taken;
        }
        let request = self.request(entry);
        match self.federation.call(destination, request, self.deadline).await {
            Ok(_) => Reception::Taken,
            Err(CallError::Refused(error)) if is_final(error.status) => {
                tracing::warn!(%destination, id = entry.id, %error, "an entry was refused");
                Reception::Refused
            }
            Err(CallError::Unsendable(reason)) => {
                tracing::warn!(%destination, id = entry.id, reason, "an entry cannot be sent");
                Reception::Refused
            }
            Err(CallError::NoAnswer(_)) if planted(Defect::RelayCountsSentAsDelivered) => {
                Reception::Taken
            }
            Err(error) => {
                tracing::debug!(%destination, id = entry.id, %error, "failed to deliver an entry");
                Reception::Later
            }
        }
    }

    /// Returns the transaction as the relay's own. It has the same id however often it is sent; the
    /// hash keeps ids apart even if the relay's database, which counts the entries, was lost.
    fn request(&self, entry: &Entry) -> Request {
        let hash = blake3::Hash::from_bytes(entry.transaction.hash()).to_hex();
        let transaction_id = format!("relay-{}-{}", entry.id, &hash[..16]);
        let stored = UInt::try_from(entry.stored_ms).unwrap_or(UInt::MAX);
        let mut request = Request::new(
            transaction_id.into(),
            self.federation.identity.server_name.clone(),
            MilliSecondsSinceUnixEpoch(stored),
        );
        request.pdus.clone_from(&entry.transaction.pdus);
        request
    }
}

/// Returns whether a refusal is about the transaction, and not about the moment or about us: the
/// same transaction would be refused for ever, and would hold up those behind it.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
    )
}
