//! What relays accepted, handed out, and were told to forget: read from the wire.

use serde_json::Value;

use super::{Exchange, History, Moment, PduFacts};

/// A transaction that a relay accepted.
#[derive(Debug)]
pub struct Store<'h> {
    /// The relay.
    pub relay: &'h str,
    /// The server that made the transaction.
    pub origin: &'h str,
    /// The server that it is for.
    pub destination: String,
    /// The transaction's id.
    pub transaction_id: String,
    /// Its PDUs and EDUs as text.
    pub content: String,
    /// When the relay answered that it had stored it.
    pub accepted: Moment,
    /// The exchange.
    pub exchange: &'h Exchange<'h>,
}

/// A transaction that a relay handed out to its destination.
#[derive(Debug)]
pub struct Handout<'h> {
    /// The relay.
    pub relay: &'h str,
    /// The server that it is for.
    pub destination: &'h str,
    /// The relay's id for the entry.
    pub entry_id: i64,
    /// The server that made the transaction.
    pub origin: String,
    /// The transaction's id, if the relay says it.
    pub transaction_id: Option<String>,
    /// Its PDUs and EDUs as text.
    pub content: String,
    /// When it left the relay.
    pub answered: Moment,
    /// When it arrived; unset if it did not.
    pub arrived: Option<Moment>,
    /// The exchange.
    pub exchange: &'h Exchange<'h>,
}

/// A destination told its relay that it has stored an entry.
#[derive(Debug)]
pub struct Acknowledgment<'h> {
    /// The relay.
    pub relay: &'h str,
    /// The destination.
    pub destination: &'h str,
    /// The entry.
    pub entry_id: i64,
    /// The exchange.
    pub exchange: &'h Exchange<'h>,
}

/// A relay sent its destination what it keeps for it.
#[derive(Debug)]
pub struct Forward<'h> {
    /// The relay.
    pub relay: &'h str,
    /// The destination.
    pub destination: &'h str,
    /// The exchange.
    pub exchange: &'h Exchange<'h>,
}

/// All of it, each kind in the order of the requests.
#[derive(Debug)]
pub struct Mail<'h> {
    /// What relays accepted; a transaction that was accepted twice is here twice.
    pub stores: Vec<Store<'h>>,
    /// What they handed out.
    pub handouts: Vec<Handout<'h>>,
    /// What they were told to forget.
    pub acknowledgments: Vec<Acknowledgment<'h>>,
    /// What they sent to the destinations themselves.
    pub forwards: Vec<Forward<'h>>,
}

impl<'h> Mail<'h> {
    /// Reads it from the exchanges with relays.
    pub fn read(history: &'h History<'_>) -> Self {
        let retrievals = || history.exchanges_of("relay_txn").filter(|it| is_own_mail(it));
        Self {
            stores: history.exchanges_of("send_relay").filter_map(store).collect(),
            handouts: retrievals().filter_map(handout).collect(),
            acknowledgments: retrievals().filter_map(acknowledgment).collect(),
            forwards: history.exchanges_of("send").filter_map(|it| forward(history, it)).collect(),
        }
    }

    /// Returns whether the relay sent what was stored to its destination, and was told that it is
    /// there.
    pub fn is_forwarded(&self, store: &Store<'h>) -> bool {
        self.forwards.iter().any(|forward| {
            forward.relay == store.relay
                && forward.destination == store.destination
                && forward.exchange.is_accepted()
                && forward.exchange.answer_arrived.is_some()
                && forward.exchange.pdus() == store.exchange.pdus()
        })
    }

    /// Returns the handouts of what was stored, in order.
    pub fn handouts_of<'m>(
        &'m self,
        store: &'m Store<'h>,
    ) -> impl Iterator<Item = &'m Handout<'h>> {
        self.handouts.iter().filter(move |handout| handout.is_of(store))
    }

    /// Returns the acknowledgments of an entry that was handed out.
    pub fn acknowledgments_of<'m>(
        &'m self,
        handout: &'m Handout<'h>,
    ) -> impl Iterator<Item = &'m Acknowledgment<'h>> {
        self.acknowledgments.iter().filter(move |known| {
            known.relay == handout.relay
                && known.destination == handout.destination
                && known.entry_id == handout.entry_id
        })
    }
}

impl<'h> Handout<'h> {
    /// Returns whether it is what was stored.
    pub fn is_of(&self, store: &Store<'_>) -> bool {
        self.relay == store.relay && self.destination == store.destination && self.is_same(store)
    }

    fn is_same(&self, store: &Store<'_>) -> bool {
        self.origin == store.origin
            && match &self.transaction_id {
                Some(id) => *id == store.transaction_id,
                None => self.content == store.content,
            }
    }

    /// Returns the PDUs that it carries.
    pub fn pdus(&self) -> &'h [PduFacts] {
        self.exchange.pdus()
    }
}

fn store<'h>(exchange: &'h Exchange<'h>) -> Option<Store<'h>> {
    let accepted = exchange.answer.filter(|_| exchange.is_accepted())?;
    let [transaction_id, user]: [String; 2] = exchange.arguments().try_into().ok()?;
    Some(Store {
        relay: exchange.to,
        origin: exchange.from,
        destination: server_of(&user)?.to_owned(),
        transaction_id,
        content: content(exchange.request_json()?),
        accepted: accepted.sent,
        exchange,
    })
}

fn handout<'h>(exchange: &'h Exchange<'h>) -> Option<Handout<'h>> {
    let answered = exchange.answer.filter(|_| exchange.is_accepted())?;
    let body = exchange.answer_json()?;
    let transaction = body.get("transaction").filter(|_| body["entries_queued"] == true)?;
    let text = |field: &str| transaction.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(Handout {
        relay: exchange.to,
        destination: exchange.from,
        entry_id: body.get("entry_id").and_then(Value::as_i64)?,
        origin: text("origin").unwrap_or_default(),
        transaction_id: text("transaction_id"),
        content: content(transaction),
        answered: answered.sent,
        arrived: exchange.answer_arrived,
        exchange,
    })
}

fn acknowledgment<'h>(exchange: &'h Exchange<'h>) -> Option<Acknowledgment<'h>> {
    let entry_id = exchange.request_json()?.get("entry_id").and_then(Value::as_i64)?;
    let acknowledgment =
        Acknowledgment { relay: exchange.to, destination: exchange.from, entry_id, exchange };
    (entry_id > 0).then_some(acknowledgment)
}

fn forward<'h>(history: &History<'_>, exchange: &'h Exchange<'h>) -> Option<Forward<'h>> {
    let (relay, destination) = (exchange.from, exchange.to);
    let is_forward = history.scenario.relays.contains_key(relay);
    is_forward.then_some(Forward { relay, destination, exchange })
}

fn is_own_mail(exchange: &Exchange<'_>) -> bool {
    let user = exchange.arguments().pop().unwrap_or_default();
    server_of(&user) == Some(exchange.from)
}

fn server_of(user: &str) -> Option<&str> {
    user.split_once(':').map(|(_, server)| server)
}

fn content(transaction: &Value) -> String {
    format!("{}{}", transaction["pdus"], transaction["edus"])
}
