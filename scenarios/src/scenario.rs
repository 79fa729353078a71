//! A scenario as data. Parts refer to each other by name; [`crate::language`] checks that these
//! exist.

mod faults;
mod ops;
mod servers;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use journal::{Latency, MOST_PRIORITIES, Schedule};

pub use self::{faults::*, ops::*, servers::*};

pub(crate) use self::faults::{MOST_RESTARTS, RATES};

/// One experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name, which is also its file's.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The seed, which repeats a run.
    pub seed: u64,
    /// The simulated time by which operations must have ended; operations and faults begin before
    /// it.
    pub limit: Duration,
    /// The simulated time that the world has to settle after everything is repaired.
    pub settle: Duration,
    /// In which order the tasks of all machines run.
    pub schedule: Schedule,
    /// The links between machines.
    pub network: Network,
    /// Homeservers by name; the name is also the server name.
    pub backends: BTreeMap<String, Backend>,
    /// Relays by name; the name is also the server name.
    pub relays: BTreeMap<String, Relay>,
    /// Users by name; the name is also the local part.
    pub users: BTreeMap<String, User>,
    /// Rooms by name.
    pub conversations: BTreeMap<String, Conversation>,
    /// What clients do, in order of time.
    pub ops: Vec<Op>,
    /// What is broken.
    pub faults: Vec<Fault>,
    /// What must hold.
    pub expect: Expect,
}

impl Scenario {
    /// Returns the relays of each backend that has some and of which the backend `to` is told: its own, and
    /// those of others that it does not learn.
    pub fn relays_told<'a>(
        &'a self,
        to: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Vec<String>)> {
        self.backends
            .iter()
            .filter(move |(name, it)| !it.relays.is_empty() && (!it.relays_learned || *name == to))
            .map(|(name, backend)| (name, &backend.relays))
    }

    /// Returns every machine that a fault can name: backends, relays, then devices (`alice/1`).
    pub fn machines(&self) -> Vec<String> {
        let servers = self.backends.keys().chain(self.relays.keys()).cloned();
        let devices = self.users.iter().flat_map(|(name, user)| {
            (1..=user.devices.min(MOST_DEVICES)).map(move |device| format!("{name}/{device}"))
        });
        servers.chain(devices).collect()
    }

    /// Returns the names of all backends, in order.
    pub fn backend_names(&self) -> Vec<String> {
        self.backends.keys().cloned().collect()
    }

    /// Returns the machines that a shape is about if it lists none: every server, relays too, for an
    /// isolation, and every backend for the others.
    pub fn meant_by(&self, shape: &Shape) -> Vec<String> {
        match shape {
            Shape::Isolate { .. } => {
                self.backends.keys().chain(self.relays.keys()).cloned().collect()
            }
            Shape::Halves { .. }
            | Shape::Ring { .. }
            | Shape::Bridge { .. }
            | Shape::Swizzle { .. } => self.backend_names(),
        }
    }

    /// Returns the machines that a fault of links is about if it lists none.
    pub fn meant_by_links(&self, fault: &NetworkFault) -> Vec<String> {
        match fault {
            NetworkFault::Shape(shape) => self.meant_by(shape),
            _ => self.backend_names(),
        }
    }

    /// Leaves out the faults whose index is told to be left out. What was to begin after one of them
    /// is counted from the beginning then.
    pub fn leave_out_faults(&mut self, left_out: impl Fn(usize) -> bool) {
        let mut index = 0;
        self.faults.retain(|_| {
            index += 1;
            !left_out(index - 1)
        });
        let known: BTreeSet<String> = self.faults.iter().filter_map(|it| it.id.clone()).collect();
        for fault in &mut self.faults {
            fault.after = fault.after.take().filter(|after| known.contains(after));
        }
        let meant: BTreeSet<String> =
            self.faults.iter().filter_map(|fault| fault.after.clone()).collect();
        for fault in &mut self.faults {
            fault.id = fault.id.take().filter(|id| meant.contains(id));
        }
    }

    /// Returns the conversation to which a message is sent.
    pub fn conversation_of(&self, message: &str) -> Option<String> {
        self.ops.iter().flat_map(Op::occurrences).find_map(|op| match op.kind {
            OpKind::Send { id, to, .. } if id == message => Some(to),
            _ => None,
        })
    }

    /// Returns whether a fault makes this backend or relay wrong others.
    pub fn is_byzantine(&self, machine: &str) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| matches!(&fault.kind, FaultKind::Peer(peer) if peer.node == machine))
    }

    /// Returns whether there is such a machine.
    pub fn has_machine(&self, name: &str) -> bool {
        if self.backends.contains_key(name) || self.relays.contains_key(name) {
            return true;
        }
        let Some((user, device)) = name.split_once('/') else { return false };
        let devices = self.users.get(user).map_or(0, |user| user.devices.min(MOST_DEVICES));
        // The number has to be written as it is everywhere else: no sign, no leading zero.
        (1..=devices).any(|known| known.to_string() == device)
    }
}

/// The links between all machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// One-way delay.
    pub latency: Latency,
    /// Probability that a segment has to be retransmitted.
    pub loss: f64,
}

/// The most devices that a user has.
pub const MOST_DEVICES: u32 = 16;

/// One user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The user's backend.
    pub backend: String,
    /// How many devices the user has.
    pub devices: u32,
    /// How the devices learn of messages.
    pub reads: Reads,
}

/// How a device learns of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Matrix: long-polls `/sync`.
    #[default]
    Sync,
    /// Wire: holds `/await` open and catches up with `/notifications?since=`.
    Await,
    /// Only when a `fetch` operation says so, with `/notifications?since=`.
    Never,
}

/// One room.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// The user who creates it; that user's backend owns it under `m1`.
    pub creator: String,
    /// The other members, invited and joined before the operations begin.
    pub members: Vec<String>,
    /// The delivery policy, which says what is promised about a message.
    pub delivery: Delivery,
}

/// A delivery policy, as the room's creation content names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Stored locally, sent to each backend until it arrives.
    #[default]
    Eventual,
    /// All or nothing.
    M1,
    /// As Wire implemented it in October 2021.
    M1Of2021,
}

impl Delivery {
    /// Every policy with its word in a scenario file and in a room's creation content.
    pub const WORDS: [(&'static str, Self); 3] = [
        (Self::Eventual.word(), Self::Eventual),
        (Self::M1.word(), Self::M1),
        (Self::M1Of2021.word(), Self::M1Of2021),
    ];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Eventual => "eventual",
            Self::M1 => "m1",
            Self::M1Of2021 => "m1-2021",
        }
    }
}

/// What must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Checks that must hold, in the place of all that apply; those, if empty.
    pub only: Vec<String>,
    /// Further checks that must hold at every moment, whether or not they apply.
    pub always: Vec<String>,
    /// Further checks that must hold once everything is repaired and settled.
    pub eventually: Vec<String>,
    /// Situations that must have come about.
    pub sometimes: Vec<String>,
    /// Checks that this design must violate: the run passes if it does, and fails if it does not.
    pub violates: Vec<String>,
    /// What must become of single messages, by name.
    pub messages: BTreeMap<String, MessageExpectation>,
}

/// What must become of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageExpectation {
    /// How the send must end.
    pub outcome: Option<Outcome>,
    /// The backends that a refusal must name, exactly.
    pub unreachable: Option<Vec<String>>,
    /// The users all of whose devices must have seen it at the end, exactly (the sender aside).
    pub seen_by: Option<Vec<String>>,
    /// The time, from the send, within which they must have seen it.
    pub within: Option<Duration>,
}
