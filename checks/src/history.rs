//! What happened in a run, read from its journal in one pass: the only thing that checks see.
//!
//! - [`Exchange`]: a request and its fate; bodies are parsed when a check first asks.
//! - [`Message`], [`Sighting`], [`Membership`]: what the clients did and observed.
//! - [`Note`]: the vocabulary in which the harness writes that into the journal.
//! - [`mail::Mail`]: what relays accepted, handed out, and were told to forget.
//! - [`Finals`]: what was read through public APIs when everything had settled.

pub mod mail;
pub mod note;
pub mod pdu;

mod exchange;
#[cfg(test)]
pub(crate) mod fake;
mod finals;
mod graph;
mod membership;
mod messages;
mod operations;
mod reading;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use journal::{Event, Journal, duration, nanoseconds};
use serde_json::Value;

pub use self::{
    exchange::{Answered, Exchange, Moment},
    finals::Finals,
    messages::{Membership, Message, SendEnded, Sighting, user_of},
    note::{Note, Via},
    operations::{Answer, Operation, Redaction, Typing, TypingSeen, Unperformed},
    pdu::PduFacts,
};
pub(crate) use self::{
    graph::{carried, transacted},
    membership::has_its_power_changed,
};
use scenarios::{
    Vocabulary,
    scenario::{Delivery, FaultKind, NodeFault, Scenario},
    vocabulary::HOMESERVERS,
};

use self::graph::Graph;
use crate::{reachability::DiskLoss, record::OpOutcome};

/// What happened.
#[derive(Debug)]
pub struct History<'j> {
    /// What scenarios of this federation can name.
    pub vocabulary: &'static Vocabulary,
    /// The scenario that was run.
    pub scenario: &'j Scenario,
    /// The journal itself.
    pub journal: &'j Journal,
    /// When the cluster was ready; unset if it never was.
    pub ready: Option<Moment>,
    /// Why the cluster could not be made ready, if a note says so.
    pub not_ready: Option<String>,
    /// Whether its time was real, so that how long something took proves nothing.
    pub is_real_time: bool,
    /// Room ids by conversation.
    pub rooms: BTreeMap<String, String>,
    /// Every request, in the order in which they left.
    pub exchanges: Vec<Exchange<'j>>,
    /// Every message, in the order of its sending.
    pub messages: Vec<Message>,
    /// Every sighting by devices of honest backends, in order.
    pub sightings: Vec<Sighting>,
    /// Every sighting by devices of dishonest backends, in order: nobody promises anything about
    /// them.
    pub unjudged_sightings: Vec<Sighting>,
    /// Requests that nobody may accept, in order.
    pub forgeries: Vec<(Moment, Forgery)>,
    /// Every time that somebody joined, or tried to, in order.
    pub joins: Vec<Joining>,
    /// Users who were shown that somebody else removed them, and from which room, in order.
    pub removals_seen: Vec<(Moment, String, String)>,
    /// Every membership.
    pub memberships: Vec<Membership>,
    /// Faults of the scenario that began: their index in the scenario, and their number in the
    /// world.
    pub faults: Vec<(Moment, usize, u64)>,
    /// What the stranger attempted, in order.
    pub trespasses: Vec<(Moment, Trespass)>,
    /// Devices that caught up by notifications, and how many of these were new.
    pub catch_ups: Vec<(Moment, String, u64)>,
    /// Operations that never happened, in order.
    pub skipped: Vec<(Moment, Unperformed)>,
    /// Every time that somebody took away what a message says, in order.
    pub redactions: Vec<Redaction>,
    /// Who has said where that they type, in order.
    pub typing: Vec<(Moment, Typing)>,
    /// What devices were told of who types, in order.
    pub typing_seen: Vec<(Moment, TypingSeen)>,
    /// Devices that logged out: when they began to, and when they were told that it is done.
    pub logouts: BTreeMap<String, (Moment, Option<Moment>)>,
    /// Operations of which the scenario says how they must end, in order.
    pub operations: Vec<Operation>,
    /// When everything was repaired.
    pub repaired: Option<Moment>,
    /// When the time to settle was over, and what was still pending.
    pub settled: Option<(Moment, Vec<String>)>,
    /// What was read at the end.
    pub finals: Finals,
    /// Disks that were lost, in order of time.
    pub(crate) losses: Vec<DiskLoss>,
    /// Starts of each machine, in order.
    boots: BTreeMap<&'j str, Vec<Moment>>,
    /// Disk syncs of each machine, in order.
    syncs: BTreeMap<&'j str, Vec<Moment>>,
    /// Places in `messages` by name.
    by_name: BTreeMap<String, usize>,
    /// Names of messages by the ids of their events.
    names: BTreeMap<String, String>,
    /// Places in `sightings` by message.
    seen: BTreeMap<String, Vec<usize>>,
    /// Places in `exchanges` by the message that they carry.
    carriers: BTreeMap<String, Vec<usize>>,
    /// Places in `exchanges` by the number of their request.
    by_request: BTreeMap<u64, usize>,
    /// What follows what, read when a check first asks.
    graph: OnceCell<Graph>,
}

/// A request of a dishonest peer whose signature nobody may accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgery {
    /// The dishonest peer.
    pub peer: String,
    /// The server that it asked.
    pub to: String,
    /// The target of its request.
    pub target: String,
}

/// A user joined a conversation, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// The user.
    pub user: String,
    /// The conversation.
    pub conversation: String,
    /// The entry at which it began.
    pub began: u64,
    /// The entry at which it ended; unset while it is under way, or if its end is unknown.
    pub ended: Option<u64>,
}

/// What the stranger tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trespass {
    /// The relay.
    pub relay: String,
    /// The server whose mail it is.
    pub victim: String,
    /// The entry that it tried to acknowledge; 0 if none.
    pub entry_id: i64,
    /// The answer's status; unset without an answer.
    pub status: Option<u16>,
}

impl<'j> History<'j> {
    /// Reads the journal of a run of `scenario` on fedsim's own homeservers and relays.
    pub fn read(scenario: &'j Scenario, journal: &'j Journal) -> Self {
        Self::read_in(&HOMESERVERS, scenario, journal)
    }

    /// Reads the journal of a run of `scenario` on the federation that has this vocabulary.
    pub fn read_in(
        vocabulary: &'static Vocabulary,
        scenario: &'j Scenario,
        journal: &'j Journal,
    ) -> Self {
        reading::read(vocabulary, scenario, journal)
    }

    /// Returns every note with this topic, in order: when it was made, on which machine, and what
    /// it says.
    pub fn notes(&self, topic: &str) -> impl Iterator<Item = (Moment, &'j str, &'j Value)> {
        let entries = self.journal.entries().iter();
        entries.filter_map(move |entry| match &entry.event {
            Event::Note { topic: known, body } if known == topic => {
                Some((Moment { n: entry.n, at: entry.at }, &*entry.machine, body))
            }
            _ => None,
        })
    }

    /// Returns the graph of the events that were on the wire.
    pub(crate) fn graph(&self) -> &Graph {
        self.graph.get_or_init(|| Graph::read(&self.exchanges))
    }

    /// Returns the message called `name`.
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.messages.get(*self.by_name.get(name)?)
    }

    /// Returns every sighting of the message called `name`, in order.
    pub fn sightings_of(&self, name: &str) -> impl DoubleEndedIterator<Item = &Sighting> {
        let places = self.seen.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.sightings.get(*place))
    }

    /// Returns the first sighting of the message called `name` by `device`.
    pub fn first_sight(&self, name: &str, device: &str) -> Option<&Sighting> {
        self.sightings_of(name).find(|sighting| sighting.device == device)
    }

    /// Returns every exchange that carried the message called `name` or referred to its event, in
    /// order.
    pub fn carriers_of(&self, name: &str) -> impl Iterator<Item = &Exchange<'j>> {
        let places = self.carriers.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.exchanges.get(*place))
    }

    /// Returns every exchange of the endpoint called `endpoint`, in the order in which they were
    /// sent.
    pub fn exchanges_of(&self, endpoint: &'static str) -> impl Iterator<Item = &Exchange<'j>> {
        self.exchanges.iter().filter(move |exchange| exchange.endpoint == endpoint)
    }

    /// Returns the exchange whose request is entry `n`.
    pub fn exchange(&self, n: u64) -> Option<&Exchange<'j>> {
        self.exchanges.get(*self.by_request.get(&n)?)
    }

    /// Returns the name of the message whose event this is, if it is known.
    pub fn name_of(&self, event: &str) -> Option<&str> {
        self.names.get(event).map(String::as_str)
    }

    /// Returns the first sync of a disk of `machine` after entry `from` and before entry `to`.
    pub fn synced_between(&self, machine: &str, from: u64, to: u64) -> Option<u64> {
        first_after(self.syncs.get(machine)?, from).filter(|n| *n < to)
    }

    /// Returns whether what a machine had at entry `from` was on its disk by entry `to`, as far as
    /// anybody can tell: in a world that sees no disks, it may have been.
    pub fn may_be_durable(&self, machine: &str, from: u64, to: u64) -> bool {
        self.syncs.is_empty() || self.synced_between(machine, from, to).is_some()
    }

    /// Returns the first start of `machine` after entry `from` and before entry `to`.
    pub fn booted_between(&self, machine: &str, from: u64, to: u64) -> Option<u64> {
        first_after(self.boots.get(machine)?, from).filter(|n| *n < to)
    }

    /// Returns every start of every machine, in order of name and time.
    pub fn boots(&self) -> impl Iterator<Item = (&'j str, &[Moment])> {
        self.boots.iter().map(|(machine, boots)| (*machine, boots.as_slice()))
    }

    /// Returns whether entry `n` comes after the set-up.
    pub fn is_after_ready(&self, n: u64) -> bool {
        self.ready.is_some_and(|ready| ready.n < n)
    }

    /// Returns the delivery policy of a conversation.
    pub fn delivery(&self, conversation: &str) -> Delivery {
        let known = self.scenario.conversations.get(conversation);
        known.map(|conversation| conversation.delivery).unwrap_or_default()
    }

    /// Returns the backend of a user, or of a device's user.
    pub fn backend_of(&self, user_or_device: &str) -> &'j str {
        self.scenario.users.get(user_of(user_or_device)).map_or("", |user| &user.backend)
    }

    /// Returns the backend that owns a conversation, which is its creator's.
    pub fn owner_of(&self, conversation: &str) -> &'j str {
        let known = self.scenario.conversations.get(conversation);
        known.map_or("", |conversation| self.backend_of(&conversation.creator))
    }

    /// Returns whether a machine is honest: no fault of the scenario makes it wrong others.
    pub fn is_honest(&self, machine: &str) -> bool {
        !self.scenario.is_byzantine(machine)
    }

    /// Returns whether a machine still has on its disk what it has synced: no fault of the scenario
    /// empties it, sets it back, lets it lie or rot.
    pub fn keeps_its_disk(&self, machine: &str) -> bool {
        let mut faults = self.scenario.faults.iter();
        !faults.any(|fault| match &fault.kind {
            FaultKind::Node(NodeFault::Wipe { node } | NodeFault::Restore { node, .. }) => {
                node == machine
            }
            FaultKind::Disk(disk) => {
                disk.node == machine && (disk.lies.is_some() || disk.rots.is_some())
            }
            _ => false,
        })
    }

    /// Returns whether some fault of the scenario takes a machine's power, and not only its process.
    pub fn may_lose_power(&self, machine: &str) -> bool {
        self.scenario.faults.iter().any(|fault| match &fault.kind {
            FaultKind::Node(
                NodeFault::Crash { node, .. } | NodeFault::Storm { node, kill: false, .. },
            ) => node == machine,
            FaultKind::Disk(disk) => disk.node == machine && disk.dies_after.is_some(),
            _ => false,
        })
    }

    /// Returns whether a machine's wall clock is right all the time: no fault of the scenario sets it
    /// wrong.
    pub fn keeps_time(&self, machine: &str) -> bool {
        !self.scenario.faults.iter().any(|fault| match &fault.kind {
            FaultKind::Node(
                NodeFault::ClockSkew { node, .. }
                | NodeFault::ClockJump { node, .. }
                | NodeFault::ClockDrift { node, .. },
            ) => node == machine,
            _ => false,
        })
    }

    /// Returns the time of entry `n`; that of the last entry if there are not so many.
    pub fn time_of(&self, n: u64) -> Duration {
        let entries = self.journal.entries();
        let place = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        entries.get(place).or(entries.last()).map_or(Duration::ZERO, |entry| entry.at)
    }

    /// Returns a time in words, counted from when the cluster was ready, to the millisecond.
    pub(crate) fn since_ready(&self, at: Duration) -> String {
        let ready = self.ready.map_or(Duration::ZERO, |ready| ready.at);
        duration::moment(nanoseconds(at.saturating_sub(ready)))
    }

    /// Returns whether any sync of a machine's disk is in the journal: whoever recorded it may not
    /// have seen its disks.
    pub fn has_syncs(&self, machine: &str) -> bool {
        self.syncs.contains_key(machine)
    }

    /// Returns whether the backend of a user, or of a device's user, is honest.
    pub fn has_honest_backend(&self, user_or_device: &str) -> bool {
        self.is_honest(self.backend_of(user_or_device))
    }

    /// Returns the devices of a user.
    pub fn devices_of(&self, user: &str) -> Vec<String> {
        let devices = self.scenario.users.get(user).map_or(0, |user| user.devices);
        (1..=devices).map(|device| format!("{user}/{device}")).collect()
    }

    /// Returns the devices of a user that have not begun to log out: the others are promised nothing.
    pub fn lasting_devices_of(&self, user: &str) -> Vec<String> {
        let mut devices = self.devices_of(user);
        devices.retain(|device| !self.logouts.contains_key(device));
        devices
    }

    /// Returns the users who certainly are members of a conversation from entry `n` to the end.
    pub fn lasting_members(&self, conversation: &str, n: u64) -> Vec<&str> {
        self.members(conversation, |membership| membership.certain_since(n))
    }

    /// Returns the users who certainly were members of a conversation both at entry `from` and at
    /// entry `to`.
    pub fn members_through(&self, conversation: &str, from: u64, to: u64) -> Vec<&str> {
        self.members(conversation, |known| known.certain_at(from) && known.certain_at(to))
    }

    /// Returns the lasting members of a conversation from entry `n` on whose own backends know it: it
    /// is not one that lost its disk before, and the membership with it.
    pub fn known_members(&self, conversation: &str, n: u64) -> Vec<&str> {
        self.members(conversation, |known| known.certain_since(n) && known.is_known_since(n))
    }

    /// Returns the backends of the users who certainly were members of a conversation from the
    /// beginning to the end: whoever is in it sends them everything.
    pub fn lasting_backends(&self, conversation: &str) -> BTreeSet<&'j str> {
        let lasting = self.lasting_members(conversation, 0);
        lasting.into_iter().map(|user| self.backend_of(user)).collect()
    }

    fn members(&self, conversation: &str, is_in: impl Fn(&Membership) -> bool) -> Vec<&str> {
        let memberships = self.memberships.iter();
        let in_it = memberships.filter(|known| known.conversation == conversation && is_in(known));
        in_it.map(|known| known.user.as_str()).collect()
    }

    /// Returns whether the user may have been a member of a conversation at some moment between the
    /// entries `from` and `to`.
    pub fn may_be_member(&self, user: &str, conversation: &str, from: u64, to: u64) -> bool {
        self.memberships.iter().any(|known| {
            known.conversation == conversation
                && known.user == user
                && known.possible_between(from, to)
        })
    }

    /// Returns whether somebody else may have removed the sender of a message from its
    /// conversation, in the stay in which it was sent. The removal and the message may then have
    /// crossed, so that some backends refuse the message and are right.
    pub fn may_be_removed(&self, message: &Message) -> bool {
        self.memberships.iter().any(|stay| {
            stay.user == message.sender()
                && stay.conversation == message.conversation
                && stay.removed_from.is_some()
                && stay.possible_until.is_none_or(|until| message.began.n < until)
        })
    }

    /// Returns the messages whose send ended like this, if an honest backend said so.
    pub fn ended(&self, outcome: OpOutcome) -> impl Iterator<Item = (&Message, &SendEnded)> {
        let messages = self.messages.iter().filter(|it| self.has_honest_backend(&it.device));
        let ended = messages.filter_map(|it| Some((it, it.ended.as_ref()?)));
        ended.filter(move |(_, ended)| ended.outcome == outcome)
    }
}

fn first_after(moments: &[Moment], n: u64) -> Option<u64> {
    let place = moments.partition_point(|moment| moment.n <= n);
    moments.get(place).map(|moment| moment.n)
}
