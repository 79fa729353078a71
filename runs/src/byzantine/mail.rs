//! Misdeeds of relays: mail that is dropped, reordered, withheld, handed out twice or given to
//! another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use scenarios::scenario::Misdeed;
use sim::tamper::{Dealing, Fate, HttpMessage};
use transport::endpoints::relay::{RelayTxnRequest, RelayTxnResponse, RelayedTransaction};

use super::wire::arguments;

/// The most transactions that are remembered for one destination; the oldest make room.
const MAX_REMEMBERED: usize = 10_000;

/// The first id of entries that a dishonest relay makes up: higher than any that an honest one has.
const MADE_UP: i64 = 1 << 40;

/// A transaction by its destination, origin and id.
type Key = (String, String, String);

/// What a dishonest relay remembers.
#[derive(Default)]
pub(super) struct Mailroom {
    /// What was stored and not yet handed out, by destination, oldest first.
    waiting: BTreeMap<String, VecDeque<RelayedTransaction>>,
    /// What was ever stored.
    stored: BTreeSet<Key>,
    /// What is handed out in the place of another transaction, so that none is lost.
    swapped: BTreeMap<Key, RelayedTransaction>,
    /// The latest entry handed out to each destination.
    latest: BTreeMap<String, (i64, RelayedTransaction)>,
    /// What was given to another server: to which, and what.
    given_away: BTreeSet<(String, Key)>,
    made_up: i64,
}

impl Mailroom {
    /// Learns from an honest answer what is stored and what is handed out.
    pub(super) fn watch(&mut self, from: &str, request: &HttpMessage, answer: &HttpMessage) {
        if let Some(stored) = stored(from, request, answer)
            && let Some(destination) = destination(request)
        {
            // Who did not get the answer stores it again, and the relay still keeps it once.
            if !self.stored.insert(key(&destination, &stored)) {
                return;
            }
            if self.stored.len() > MAX_REMEMBERED {
                self.stored.pop_first();
            }
            let waiting = self.waiting.entry(destination).or_default();
            waiting.push_back(stored);
            if waiting.len() > MAX_REMEMBERED {
                waiting.pop_front();
            }
        }
    }

    /// Decides what becomes of a transaction that the relay is asked to keep.
    pub(super) fn request(misdeed: &Misdeed) -> Option<Dealing> {
        let kept = HttpMessage::answer("200 OK", "null");
        let kept = kept.with_header("content-type", "application/json");
        (*misdeed == Misdeed::DropMail).then(|| Fate::Answer(kept).into())
    }

    /// Decides what becomes of the answer to `from`, which asks for its mail.
    pub(super) fn answer(
        &mut self,
        misdeed: &Misdeed,
        from: &str,
        request: &HttpMessage,
        answer: &HttpMessage,
    ) -> Option<Dealing> {
        let entry = handed_out(request, answer)?;
        let another = match misdeed {
            Misdeed::WithholdMail => entry.entries_queued.then(RelayTxnResponse::default)?,
            Misdeed::ReorderMail => {
                self.reverse(from, &entry)?;
                return self.owed(from, request, answer);
            }
            Misdeed::ServeTwice => self.again(from, request)?,
            Misdeed::ServeAnothers if !entry.entries_queued => self.anothers(from)?,
            _ => return None,
        };
        Some(Fate::Replace(replaced(answer, &another)?).into())
    }

    /// Decides what an answer has to be because of earlier misdeeds, and remembers what is handed
    /// out.
    pub(super) fn owed(
        &mut self,
        from: &str,
        request: &HttpMessage,
        answer: &HttpMessage,
    ) -> Option<Dealing> {
        let mut entry = handed_out(request, answer).filter(|entry| entry.entries_queued)?;
        let key = key(from, &entry.transaction);
        let swapped = self.swapped.get(&key).cloned();
        if let Some(other) = &swapped {
            entry.transaction = other.clone();
        }
        self.forget(from, &key);
        self.latest.insert(from.to_owned(), (entry.entry_id, entry.transaction.clone()));
        swapped?;
        Some(Fate::Replace(replaced(answer, &entry)?).into())
    }

    fn forget(&mut self, destination: &str, handed_out: &Key) {
        if let Some(waiting) = self.waiting.get_mut(destination) {
            waiting.retain(|transaction| key(destination, transaction) != *handed_out);
        }
    }

    /// Lets everything that waits for `from` be handed out in reverse order, unless it already is,
    /// or only one transaction waits.
    fn reverse(&mut self, from: &str, oldest: &RelayTxnResponse) -> Option<()> {
        if !oldest.entries_queued || self.swapped.contains_key(&key(from, &oldest.transaction)) {
            return None;
        }
        let waiting = self.waiting.get(from).filter(|waiting| waiting.len() > 1)?;
        let keys = waiting.iter().map(|transaction| key(from, transaction));
        self.swapped.extend(keys.zip(waiting.iter().rev().cloned()));
        Some(())
    }

    /// Returns what `from` acknowledges with this request once more, as another entry.
    fn again(&mut self, from: &str, request: &HttpMessage) -> Option<RelayTxnResponse> {
        let acknowledged: RelayTxnRequest = serde_json::from_slice(&request.body).ok()?;
        if self.latest.get(from).is_none_or(|(entry_id, _)| *entry_id != acknowledged.entry_id) {
            return None;
        }
        let (_, transaction) = self.latest.remove(from)?;
        Some(self.make_up(transaction))
    }

    /// Returns the oldest transaction waiting for another server that `from` was not given before.
    fn anothers(&mut self, from: &str) -> Option<RelayTxnResponse> {
        let others = self.waiting.iter().filter(|(destination, _)| *destination != from);
        let mut mail =
            others.flat_map(|(whose, waiting)| waiting.iter().map(move |it| (whose, it)));
        let given_away = &mut self.given_away;
        let transaction = mail.find_map(|(whose, transaction)| {
            let given = (from.to_owned(), key(whose, transaction));
            given_away.insert(given).then(|| transaction.clone())
        })?;
        Some(self.make_up(transaction))
    }

    /// Returns an entry that an honest relay does not have.
    fn make_up(&mut self, transaction: RelayedTransaction) -> RelayTxnResponse {
        self.made_up += 1;
        let entry_id = MADE_UP + self.made_up;
        RelayTxnResponse { transaction, entry_id, entries_queued: true }
    }
}

fn key(destination: &str, transaction: &RelayedTransaction) -> Key {
    let id = transaction.transaction_id.clone().unwrap_or_default();
    (destination.to_owned(), transaction.origin.clone(), id)
}

/// Returns the server whose mail a request asks the relay to keep.
pub(super) fn destination(request: &HttpMessage) -> Option<String> {
    let user = arguments("send_relay", request)?.pop()?;
    user.split_once(':').map(|(_, server)| server.to_owned())
}

/// Returns what a request asked the relay to keep, as it will be handed out, if the answer says
/// that it is kept.
fn stored(from: &str, request: &HttpMessage, answer: &HttpMessage) -> Option<RelayedTransaction> {
    let id = arguments("send_relay", request)?.into_iter().next()?;
    if answer.status() != 200 {
        return None;
    }
    let transaction: RelayedTransaction = serde_json::from_slice(&request.body).ok()?;
    Some(RelayedTransaction {
        origin: from.to_owned(),
        origin_server_ts: 0,
        transaction_id: Some(id),
        ..transaction
    })
}

/// Reads the answer to a request for mail; none if the request is another one.
fn handed_out(request: &HttpMessage, answer: &HttpMessage) -> Option<RelayTxnResponse> {
    arguments("relay_txn", request)?;
    let is_given = answer.status() == 200;
    if is_given { serde_json::from_slice(&answer.body).ok() } else { None }
}

fn replaced(answer: &HttpMessage, entry: &RelayTxnResponse) -> Option<HttpMessage> {
    Some(answer.clone().with_body(serde_json::to_vec(entry).ok()?))
}
