//! Hands out what waits for a destination (`relay_txn`): oldest first, one at a time, deleted when
//! acknowledged.

use std::time::Duration;

use defects::{Defect, planted};
use ruma::OwnedServerName;
use transport::{
    Host,
    endpoints::relay::{
        RelayTxnRequest, RelayTxnResponse, RelayedTransaction, TakeRequest, TakeResponse,
        TakenEntry,
    },
    http::{AnswerRoom, TakenRoom},
    object::read_object,
};

use crate::{
    events::{Events, Kind},
    policy::destination_of,
    refusal::Refusal,
    store::{Entry, EntryId, Most, NOTHING, Next, Store, Taken},
    switch::Switch,
};

/// Hands out entries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Retriever {
    host: Host,
    store: Store,
    switch: Switch,
    events: Events,
}

impl Retriever {
    pub(crate) fn new(host: &Host, store: &Store, switch: &Switch, events: Events) -> Self {
        Self { host: host.clone(), store: store.clone(), switch: switch.clone(), events }
    }

    /// Returns the oldest entry for the server of `user_id`, which must be the one that signed, and the room
    /// that it has taken; what is acknowledged in `body` is deleted first. An entry is handed out again until
    /// then.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub(crate) async fn relay_txn(
        &self,
        origin: OwnedServerName,
        user_id: &str,
        body: &[u8],
        room: &AnswerRoom,
    ) -> Result<(RelayTxnResponse, Option<TakenRoom>), Refusal> {
        self.switch.check()?;
        let destination = destination_of(user_id)?;
        let now_ms = self.host.unix_ms();
        if planted(Defect::RelayAcknowledgesForAnybody) {
            let entry_id = acknowledged(body).unwrap_or(0);
            self.store.delivered(entry_id, now_ms).await?;
        }
        if origin != destination && !planted(Defect::RelayHandsOutToAnybody) {
            return Err(Refusal::NotYours { origin, destination });
        }
        let entry_id = acknowledged(body)?;
        if entry_id < 0 {
            return Err(Refusal::BadJson("entry_id cannot be negative".to_owned()));
        }
        let bytes = self.store.next_bytes(destination.clone(), entry_id).await?;
        // Most who ask find nothing, and to find that out takes no right to write.
        if bytes.is_none() && entry_id == NOTHING {
            return Ok((RelayTxnResponse::default(), None));
        }
        let room = room_for(bytes.unwrap_or(0), room).await;
        let taken = self.store.acknowledge_and_hand_out(destination.clone(), entry_id, now_ms);
        let Taken { acknowledged, next, aside } = taken.await?;
        self.events.set_aside(&aside, &destination);
        if acknowledged {
            self.events.entry(Kind::Acknowledged, entry_id, &origin, &destination);
        }
        match next {
            Next::Entry(entry) => {
                self.events.entry(Kind::HandedOut, entry.id, &entry.origin, &destination);
                Ok((answer(*entry, now_ms), room))
            }
            Next::Empty => Ok((RelayTxnResponse::default(), None)),
            Next::TooMuchPoison => Err(Refusal::TooMuchPoison),
        }
    }
}

/// The bytes of mail that take no room: whoever has little is served however many others have much.
const FREE: u64 = 32 << 10;

/// Takes room for mail of so many bytes before it is read: for what is read of it, and for the answer that
/// is made of that.
async fn room_for(bytes: u64, room: &AnswerRoom) -> Option<TakenRoom> {
    let bytes = usize::try_from(bytes.saturating_mul(2)).unwrap_or(usize::MAX);
    if bytes as u64 > 2 * FREE { Some(room.take(bytes).await) } else { None }
}

/// Entries handed out at once.
pub(crate) const MAX_ENTRIES: usize = 100;

/// Bytes handed out at once, of all entries but the first.
pub(crate) const MAX_BYTES: u64 = 8 << 20;

/// Entries acknowledged at once.
const MAX_ACKNOWLEDGED: usize = 1000;

impl Retriever {
    /// Returns the oldest entries for the server of `user_id`, which must be the one that signed, and the
    /// room that they have taken; what is acknowledged in `body` is deleted first. Each entry is handed out
    /// again until then.
    ///
    /// # Errors
    /// Nothing was deleted.
    pub(crate) async fn take(
        &self,
        origin: OwnedServerName,
        user_id: &str,
        body: &[u8],
        room: &AnswerRoom,
    ) -> Result<(TakeResponse, Option<TakenRoom>), Refusal> {
        self.switch.check()?;
        let destination = destination_of(user_id)?;
        if origin != destination {
            return Err(Refusal::NotYours { origin, destination });
        }
        let TakeRequest { acknowledged, max_entries, max_bytes } =
            read_object(body).map_err(|error| Refusal::of_body(&error))?;
        if acknowledged.len() > MAX_ACKNOWLEDGED {
            let problem = format!("at most {MAX_ACKNOWLEDGED} entries can be acknowledged at once");
            return Err(Refusal::BadJson(problem));
        }
        let most = Most {
            entries: max_entries.unwrap_or(MAX_ENTRIES).clamp(1, MAX_ENTRIES),
            bytes: max_bytes.unwrap_or(MAX_BYTES).min(MAX_BYTES),
        };
        let now_ms = self.host.unix_ms();
        // The oldest one may be larger than what was asked for.
        let waiting = self.store.bytes_waiting(destination.clone()).await?;
        let oldest = self.store.next_bytes(destination.clone(), NOTHING).await?.unwrap_or(0);
        let room = room_for(waiting.min(most.bytes.max(oldest)), room).await;
        let taken = self.store.take_many(destination.clone(), acknowledged, most, now_ms).await?;
        self.events.set_aside(&taken.aside, &destination);
        for id in taken.acknowledged {
            self.events.entry(Kind::Acknowledged, id, &origin, &destination);
        }
        let mut entries = Vec::new();
        for next in taken.next {
            match next {
                Next::Entry(entry) => {
                    self.events.entry(Kind::HandedOut, entry.id, &entry.origin, &destination);
                    let stored_ts = entry.stored_ms;
                    let RelayTxnResponse { transaction, entry_id, .. } = answer(*entry, now_ms);
                    entries.push(TakenEntry { entry_id, stored_ts, transaction });
                }
                Next::Empty => {}
                Next::TooMuchPoison => return Err(Refusal::TooMuchPoison),
            }
        }
        let room = room.filter(|_| !entries.is_empty());
        Ok((TakeResponse { entries, waiting: taken.waiting }, room))
    }
}

/// Returns what a request acknowledges. `null` is nothing, as Dendrite has it.
fn acknowledged(body: &[u8]) -> Result<EntryId, Refusal> {
    if body.trim_ascii() == b"null" {
        return Ok(0);
    }
    let request: RelayTxnRequest = read_object(body).map_err(|error| Refusal::of_body(&error))?;
    Ok(request.entry_id)
}

/// Returns the entry as it stands on the wire. Like Dendrite's, without the origin's time; unlike
/// it, with the origin's transaction id, by which a destination knows what it has from another
/// relay.
fn answer(entry: Entry, now_ms: u64) -> RelayTxnResponse {
    let Entry { id, origin, transaction_id, stored_ms, mut transaction, .. } = entry;
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
