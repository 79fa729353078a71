//! One HTTP request and what became of it, as the network saw them.

use std::{cell::OnceCell, collections::BTreeMap, time::Duration};

use journal::{Loss, Request};
use scenarios::{endpoint, vocabulary::Endpoint};
use serde_json::Value;

use super::pdu::PduFacts;

/// A place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The entry's number.
    pub n: u64,
    /// Its simulated time since the world began.
    pub at: Duration,
}

/// An answer that left.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'j> {
    /// When it left.
    pub sent: Moment,
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'j [u8],
}

/// A request and its fate.
#[derive(Debug)]
pub struct Exchange<'j> {
    /// When the whole request had left.
    pub sent: Moment,
    /// The requesting machine.
    pub from: &'j str,
    /// The machine that it is for.
    pub to: &'j str,
    /// The request.
    pub request: &'j Request,
    /// The endpoint's name in the federation's vocabulary; empty if the vocabulary does not have
    /// it.
    pub endpoint: &'static str,
    /// The endpoint's path, with `{}` for any one segment.
    template: &'static str,
    /// When the whole request had arrived.
    pub arrived: Option<Moment>,
    /// The answer.
    pub answer: Option<Answered<'j>>,
    /// When the whole answer had arrived.
    pub answer_arrived: Option<Moment>,
    /// When and why its connection died before the answer arrived.
    pub lost: Option<(Moment, Loss)>,
    /// When whoever was asked let go of it without an answer.
    pub dropped: Option<Moment>,
    request_json: OnceCell<Option<Value>>,
    answer_json: OnceCell<Option<Value>>,
    pdus: OnceCell<Vec<PduFacts>>,
}

impl<'j> Exchange<'j> {
    /// Returns the exchange of a request that has just left.
    pub(super) fn new(
        endpoints: &'static [Endpoint],
        sent: Moment,
        from: &'j str,
        request: &'j Request,
    ) -> Self {
        let endpoint = endpoint::find(endpoints, &request.method, &request.target);
        let (endpoint, _, template) = endpoint.unwrap_or_default();
        Self {
            sent,
            from,
            to: &request.to,
            request,
            endpoint,
            template,
            arrived: None,
            answer: None,
            answer_arrived: None,
            lost: None,
            dropped: None,
            request_json: OnceCell::new(),
            answer_json: OnceCell::new(),
            pdus: OnceCell::new(),
        }
    }

    /// Returns the request's body as JSON; none if it is not JSON.
    pub fn request_json(&self) -> Option<&Value> {
        let parse = || serde_json::from_slice(&self.request.body).ok();
        self.request_json.get_or_init(parse).as_ref()
    }

    /// Returns the answer's body as JSON; none without an answer, or if it is not JSON.
    pub fn answer_json(&self) -> Option<&Value> {
        let parse = || self.answer.and_then(|answer| serde_json::from_slice(answer.body).ok());
        self.answer_json.get_or_init(parse).as_ref()
    }

    /// Returns the PDUs of the transaction that it carries: in the request of a `send` or
    /// `send_relay`, in the answer of a `relay_txn`.
    pub fn pdus(&self) -> &[PduFacts] {
        self.pdus.get_or_init(|| {
            let transaction = match self.endpoint {
                "send" | "send_relay" => self.request_json(),
                "relay_txn" => self.answer_json().and_then(|answer| answer.get("transaction")),
                _ => None,
            };
            transaction.map(PduFacts::all_of).unwrap_or_default()
        })
    }

    /// Gives what is left of messages that somebody took away their names back, by their event ids.
    pub(super) fn name_redacted(&mut self, names: &BTreeMap<String, String>) {
        self.pdus();
        for pdu in self.pdus.get_mut().into_iter().flatten() {
            if let (None, Some(name)) = (&pdu.message, names.get(&pdu.event)) {
                pdu.what.clone_from(name);
                pdu.message = Some(name.clone());
            }
        }
    }

    /// Returns what the target has where the endpoint's template has braces.
    pub fn arguments(&self) -> Vec<String> {
        endpoint::arguments(self.template, &self.request.target)
    }

    /// Returns the answer's status; 0 without an answer.
    pub fn status(&self) -> u16 {
        self.answer.map_or(0, |answer| answer.status)
    }

    /// Returns whether it was answered with 200, whether or not the answer arrived.
    pub fn is_accepted(&self) -> bool {
        self.status() == 200
    }

    /// Returns whether the answer to a transaction has an error for one of its events.
    pub fn refuses(&self, event: &str) -> bool {
        let results = self.answer_json().and_then(|answer| answer.get("pdus"));
        results.and_then(|results| results.get(event)).is_some_and(|it| it.get("error").is_some())
    }

    /// Returns when what it carries came to `machine`: its request to whoever is asked, its answer to
    /// whoever asks; none if it did not, or was none of that machine's.
    pub fn came_to(&self, machine: &str) -> Option<Moment> {
        match machine {
            asked if asked == self.to => self.arrived,
            asker if asker == self.from => self.answer_arrived,
            _ => None,
        }
    }

    /// Returns when it was over for its sender.
    pub fn concluded(&self) -> Option<Moment> {
        self.answer_arrived.or(self.lost.map(|(moment, _)| moment))
    }

    /// Returns the journal entries of the request and of its end.
    pub fn evidence(&self) -> Vec<u64> {
        let answer = self.answer.map(|answer| answer.sent.n);
        let lost = self.lost.map(|(moment, _)| moment.n);
        let arrived = self.arrived.map(|moment| moment.n).filter(|_| answer.is_none());
        let dropped = self.dropped.map(|moment| moment.n);
        [Some(self.sent.n), arrived, answer, lost, dropped].into_iter().flatten().collect()
    }
}
