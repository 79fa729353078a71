//! Hand-made journals, to try checks on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use journal::{Answer, Entry, Event, Journal, Request};
use scenarios::scenario::{
    Backend, Conversation, Delivery, Expect, Fault, Latency, Network, NodeFault, Op, OpKind, Reads,
    Relay, Scenario, Schedule, Taken, User, When,
};
use serde_json::{Value, json};

use super::{History, Note, Via};
use crate::record::OpOutcome;

/// Returns a scenario with three backends `a`, `b`, `c` with a user each (`alice`, `bob`, `carol`),
/// all in the conversation `team`, which alice made; a relay `r1` of `b`; and one message `m1` of
/// alice's.
pub(crate) fn scenario(delivery: Delivery) -> Scenario {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let user = |backend: &str| User { backend: backend.to_owned(), devices: 1, reads: Reads::Sync };
    let backend = |relays| Backend { relays: names(relays), ..Backend::default() };
    let team =
        Conversation { creator: "alice".to_owned(), members: names(&["bob", "carol"]), delivery };
    let [id, from, to, text] = ["m1", "alice", "team", "hello"].map(str::to_owned);
    let send = OpKind::message(id, from, to, text);
    let own = |name: &str| name.to_owned();
    Scenario {
        name: own("fake"),
        about: String::new(),
        tags: Vec::new(),
        seed: 1,
        limit: Duration::from_secs(600),
        settle: Duration::from_secs(120),
        schedule: Schedule::Fixed,
        network: Network { latency: Latency::Fixed(Duration::from_millis(5)), loss: 0.0 },
        backends: [
            (own("a"), backend(&[])),
            (own("b"), backend(&["r1"])),
            (own("c"), backend(&[])),
        ]
        .into(),
        relays: [(own("r1"), Relay::default())].into(),
        users: [(own("alice"), user("a")), (own("bob"), user("b")), (own("carol"), user("c"))]
            .into(),
        conversations: [(own("team"), team)].into(),
        ops: vec![Op::once(Duration::from_secs(1), send)],
        faults: Vec::new(),
        expect: Expect::default(),
    }
}

/// Returns the same, with a fault that restores a backend, from a backup that was made so many seconds
/// after the cluster was ready.
pub(crate) fn restored(backend: &str, taken: u64) -> Scenario {
    let taken = Taken(Box::new(When::At(Duration::from_secs(taken))));
    let kind = NodeFault::Restore { node: backend.to_owned(), taken }.into();
    let fault = Fault::new(When::At(Duration::ZERO), None, kind);
    Scenario { faults: vec![fault], ..scenario(Delivery::Eventual) }
}

/// A journal in the making, in which every entry comes a millisecond after the one before.
#[derive(Default)]
pub(crate) struct Fake {
    entries: Vec<Entry>,
    /// How long nothing happened, in all.
    waited: Duration,
}

impl Fake {
    /// Returns a journal that begins with the cluster being ready; `team` is the room `!team`.
    pub(crate) fn ready() -> Self {
        let mut fake = Self::default();
        fake.note(&Note::Ready { rooms: [("team".to_owned(), "!team".to_owned())].into() });
        fake
    }

    /// Appends an entry of any kind.
    pub(crate) fn push(&mut self, machine: &str, event: Event) -> u64 {
        let n = self.entries.len() as u64 + 1;
        let at = Duration::from_millis(n) + self.waited;
        self.entries.push(Entry { n, at, machine: Arc::from(machine), cause: None, event });
        n
    }

    /// Returns when its latest entry is.
    pub(crate) fn now(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |entry| entry.at)
    }

    /// Lets nothing happen for so many seconds.
    pub(crate) fn waits(&mut self, seconds: u64) {
        self.waited += Duration::from_secs(seconds);
    }

    /// Appends a note.
    pub(crate) fn note(&mut self, note: &Note) -> u64 {
        let (topic, body) = note.to_parts();
        self.push("harness", Event::Note { topic, body })
    }

    /// Notes that the fault at this place of the scenario begins.
    pub(crate) fn begins_fault(&mut self, index: usize) {
        self.begins(index, index as u64 + 1);
    }

    /// Notes the same of a fault that is the world's `fault`-th.
    pub(crate) fn begins(&mut self, index: usize, fault: u64) {
        self.push("", Event::FaultBegan { fault, what: String::new() });
        self.note(&Note::FaultSet { index, fault });
    }

    /// Lets `device` begin to send `message` to `team`.
    pub(crate) fn sends(&mut self, device: &str, message: &str) -> u64 {
        self.note(&Note::SendBegan {
            message: message.to_owned(),
            device: device.to_owned(),
            conversation: "team".to_owned(),
        })
    }

    /// Lets the send of `message` end; its event is `$m1` for `m1`.
    pub(crate) fn ends(&mut self, message: &str, outcome: OpOutcome) -> u64 {
        self.note(&Note::SendEnded {
            message: message.to_owned(),
            outcome,
            status: None,
            event: (outcome == OpOutcome::Ok).then(|| format!("${message}")),
            unreachable: Vec::new(),
            failed_to_send: Vec::new(),
            error: None,
        })
    }

    /// Lets `device` send `message`, with success.
    pub(crate) fn sent_ok(&mut self, device: &str, message: &str) {
        self.sends(device, message);
        self.ends(message, OpOutcome::Ok);
    }

    /// Lets `device` see `message`, as the event `$m1` for `m1`.
    pub(crate) fn sees(&mut self, device: &str, message: &str) -> u64 {
        self.sees_event(device, message, &format!("${message}"), "!team")
    }

    /// Lets `device` see `message` as `event` in `room`.
    pub(crate) fn sees_event(
        &mut self,
        device: &str,
        message: &str,
        event: &str,
        room: &str,
    ) -> u64 {
        self.note(&Note::Seen {
            device: device.to_owned(),
            message: Some(message.to_owned()),
            event: event.to_owned(),
            room: room.to_owned(),
            via: Via::Sync,
        })
    }

    /// Lets a request leave `from` for `to`; `what` is its method and target, such as `PUT /path`.
    pub(crate) fn request(&mut self, from: &str, to: &str, what: &str, body: &Value) -> u64 {
        let (method, target) = what.split_once(' ').expect("a method and a target");
        let request = Request {
            to: Arc::from(to),
            method: method.to_owned(),
            target: target.to_owned(),
            body: Bytes::from(body.to_string()),
            replays: None,
        };
        self.push(from, Event::RequestSent(request))
    }

    /// Lets the request arrive, and its receiver answer it.
    pub(crate) fn answer(&mut self, request: u64, status: u16, body: &Value) -> u64 {
        let receiver = self.ends_of(request).1;
        self.push(&receiver, Event::RequestArrived { request });
        self.answered(request, status, body)
    }

    /// Lets the receiver of a request that has arrived answer it.
    pub(crate) fn answered(&mut self, request: u64, status: u16, body: &Value) -> u64 {
        let (to, receiver) = self.ends_of(request);
        let body = Bytes::from(body.to_string());
        self.push(&receiver, Event::AnswerSent(Answer { request, to, status, body }))
    }

    /// Returns who sent a request, and whom it is for.
    fn ends_of(&self, request: u64) -> (Arc<str>, Arc<str>) {
        let index = usize::try_from(request - 1).expect("a small number");
        let (from, Event::RequestSent(sent)) =
            (Arc::clone(&self.entries[index].machine), self.entries[index].event.clone())
        else {
            panic!("entry {request} is not a request");
        };
        (from, sent.to)
    }

    /// Lets the answer to the request arrive.
    pub(crate) fn arrive(&mut self, request: u64, answer: u64) -> u64 {
        let index = usize::try_from(request - 1).expect("a small number");
        let machine = Arc::clone(&self.entries[index].machine);
        self.push(&machine, Event::AnswerArrived { request, answer })
    }

    /// Appends a whole exchange with status 200.
    pub(crate) fn exchange(
        &mut self,
        (from, to): (&str, &str),
        what: &str,
        body: &Value,
        answer: &Value,
    ) -> u64 {
        let request = self.request(from, to, what, body);
        let answered = self.answer(request, 200, answer);
        self.arrive(request, answered)
    }

    /// Lets the disk of `machine` sync.
    pub(crate) fn syncs(&mut self, machine: &str) -> u64 {
        self.push(machine, Event::DiskSynced { file: "db".to_owned(), bytes: 1 })
    }

    /// Lets `backend` have these events of `team` at the end, when everything was read.
    pub(crate) fn holds_at_end(&mut self, backend: &str, events: &[&str]) {
        self.note(&Note::FinalTimeline {
            backend: backend.to_owned(),
            conversation: "team".to_owned(),
            events: Some(events.iter().map(|&event| event.to_owned()).collect()),
            redacted: Vec::new(),
        });
    }

    /// Lets `backend` have `create` as its current creation event of `team` at the end.
    pub(crate) fn state_at_end(&mut self, backend: &str, create: &str) {
        let events = BTreeMap::from([("m.room.create|".to_owned(), create.to_owned())]);
        self.note(&Note::FinalState {
            backend: backend.to_owned(),
            conversation: "team".to_owned(),
            events: Some(events),
            members: BTreeSet::new(),
        });
    }

    /// Lets `backend` have these users in `team` at the end.
    pub(crate) fn members_at_end(&mut self, backend: &str, members: &[&str]) {
        self.note(&Note::FinalState {
            backend: backend.to_owned(),
            conversation: "team".to_owned(),
            events: Some(BTreeMap::new()),
            members: members.iter().map(|&user| user.to_owned()).collect(),
        });
    }

    /// Returns what `judge` says about this journal of [`scenario`].
    pub(crate) fn judged<T>(self, delivery: Delivery, judge: impl FnOnce(&History<'_>) -> T) -> T {
        self.judged_in(&scenario(delivery), judge)
    }

    /// Returns what `judge` says about this journal of `scenario`.
    pub(crate) fn judged_in<T>(
        self,
        scenario: &Scenario,
        judge: impl FnOnce(&History<'_>) -> T,
    ) -> T {
        judge(&History::read(scenario, &self.journal()))
    }

    /// Returns the journal.
    pub(crate) fn journal(self) -> Journal {
        Journal::from_entries(self.entries)
    }
}

/// Returns the body of a transaction with one PDU, which is the message called `message`.
pub(crate) fn transaction(message: &str) -> Value {
    json!({"origin": "a", "pdus": [pdu(message)]})
}

/// Returns a PDU that is the message called `message`.
pub(crate) fn pdu(message: &str) -> Value {
    json!({"content": {"org.fedsim.message": message}, "depth": 1, "room_id": "!team",
           "sender": "@alice:a", "type": "m.room.message"})
}
