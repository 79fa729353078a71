//! A scenario written in Rust: it is the same struct, held to the same rules, as one from a file.
//!
//! ```
//! use scenarios::{Scenario, builder::{Amount, partition, sent}, scenario::Delivery};
//!
//! let scenario = Scenario::build("cut-between-prepare-and-commit")
//!     .backends(["a", "b", "c"])
//!     .user("alice", "a")
//!     .user("bob", "b")
//!     .user("carol", "c")
//!     .conversation("team", "alice", ["bob", "carol"], Delivery::M1)
//!     .send("m1", "carol", "team").at(1.s())
//!     .fault(sent(["decision"]).to("b"), partition(["a"], ["b"])).lasting(20.s())
//!     .finish();
//! assert_eq!(scenario.ops.len(), 1);
//! ```

mod faults;
mod when;

use std::time::Duration;

pub use self::{
    faults::*,
    when::{Amount, Begin, answered, arrived, sent, synced, written},
};
use crate::{
    language::{self, Mistakes},
    scenario::{
        Conversation, Delivery, Fault, FaultKind, Latency, MessageExpectation, Op, OpKind, Outcome,
        Reads, Relay, Repeat, Scenario, Schedule, User,
    },
    vocabulary::{HOMESERVERS, Vocabulary},
};

impl Scenario {
    /// Begins a scenario in which everything has its default.
    pub fn build(name: &str) -> Builder {
        Builder { scenario: Self::empty(name) }
    }
}

/// A scenario that is being written. Methods that refine something (`at`, `devices`, `lasting` ..)
/// refer to what was added last.
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `finish` or `check`"]
pub struct Builder {
    scenario: Scenario,
}

impl Builder {
    /// Says what the scenario shows.
    pub fn about(mut self, about: &str) -> Self {
        about.clone_into(&mut self.scenario.about);
        self
    }

    /// Sets the seed, which repeats a run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.scenario.seed = seed;
        self
    }

    /// Sets the time for operations and faults.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.scenario.limit = limit;
        self
    }

    /// Sets the time to settle.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.scenario.settle = settle;
        self
    }

    /// Sets in which order the tasks of all machines run.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.scenario.schedule = schedule;
        self
    }

    /// Sets the one-way delay of every link.
    pub fn latency(mut self, latency: Latency) -> Self {
        self.scenario.network.latency = latency;
        self
    }

    /// Sets the probability that a segment has to be retransmitted.
    pub fn loss(mut self, loss: f64) -> Self {
        self.scenario.network.loss = loss;
        self
    }

    /// Adds backends.
    pub fn backends<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        for name in names {
            self.scenario.backends.entry(name.to_owned()).or_default();
        }
        self
    }

    /// Adds a relay that takes the mail of these backends, and adds the backends if need be.
    pub fn relay<'n>(mut self, name: &str, of: impl IntoIterator<Item = &'n str>) -> Self {
        self.scenario.relays.insert(name.to_owned(), Relay::default());
        for backend in of {
            let backend = self.scenario.backends.entry(backend.to_owned()).or_default();
            backend.relays.push(name.to_owned());
        }
        self
    }

    /// Sets something of a backend or a relay by the key of its configuration: a number, milliseconds,
    /// bytes, or 1 for true. Panics if there is no such server, or if it has no such setting.
    pub fn set(mut self, server: &str, key: &str, amount: u64) -> Self {
        if let Some(backend) = self.scenario.backends.get_mut(server) {
            *backend = std::mem::take(backend).with(key, amount);
        } else {
            let relay = self.scenario.relays.get_mut(server).expect("`set` follows a server");
            *relay = std::mem::take(relay).with(key, amount);
        }
        self
    }

    /// Adds a user with one device that syncs.
    pub fn user(self, name: &str, backend: &str) -> Self {
        self.user_with(name, backend, 1, Reads::default())
    }

    /// Adds a user.
    pub fn user_with(mut self, name: &str, backend: &str, devices: u32, reads: Reads) -> Self {
        let user = User { backend: backend.to_owned(), devices, reads };
        self.scenario.users.insert(name.to_owned(), user);
        self
    }

    /// Adds a conversation.
    pub fn conversation<'n>(
        mut self,
        name: &str,
        creator: &str,
        others: impl IntoIterator<Item = &'n str>,
        delivery: Delivery,
    ) -> Self {
        let members = others.into_iter().map(str::to_owned).collect();
        let conversation = Conversation { creator: creator.to_owned(), members, delivery };
        self.scenario.conversations.insert(name.to_owned(), conversation);
        self
    }

    /// Adds a message; it is sent a second after the one before, unless [`Self::at`] follows.
    pub fn send(self, id: &str, from: &str, to: &str) -> Self {
        let [id, from, to] = [id, from, to].map(str::to_owned);
        self.op(OpKind::message(id.clone(), from, to, id))
    }

    /// Adds an operation; it begins a second after the one before, unless [`Self::at`] follows.
    pub fn op(mut self, kind: OpKind) -> Self {
        let before = self.scenario.ops.last().map_or(Duration::ZERO, |op| op.at);
        self.scenario.ops.push(Op::once(before + Duration::from_secs(1), kind));
        self
    }

    /// Sets when the last operation begins, counted from the moment the cluster is ready.
    pub fn at(mut self, at: Duration) -> Self {
        self.scenario.ops.last_mut().expect("`at` follows an operation").at = at;
        self
    }

    /// Repeats the last operation, unless a device logs out by it: how often it is done in all, and how
    /// long after each other. Messages get numbers: `m1-1`, `m1-2` and so on.
    pub fn times(mut self, times: u32, every: Duration) -> Self {
        let op = self.scenario.ops.last_mut().expect("`times` follows an operation");
        op.repeat = Repeat { times, every };
        self
    }

    /// Lets each occurrence of the last operation begin up to so much later, as the seed of the run
    /// has it.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.scenario.ops.last_mut().expect("`jitter` follows an operation").jitter = most;
        self
    }

    /// Says how the last operation must end.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        let op = self.scenario.ops.last_mut().expect("`outcome` follows an operation");
        op.outcome = Some(outcome);
        self
    }

    /// Sets how often the last message is tried again.
    pub fn retries(mut self, count: u32) -> Self {
        let op = self.scenario.ops.last_mut().expect("`retries` follows a message");
        if let OpKind::Send { retries, .. } = &mut op.kind {
            *retries = count;
        }
        self
    }

    /// Adds a fault that lasts until everything is repaired, unless [`Self::lasting`] follows.
    /// `begin` is a time, or a request as in `sent(["prepare"]).to("b")`.
    pub fn fault(mut self, begin: impl Into<Begin>, kind: impl Into<FaultKind>) -> Self {
        let kind = kind.into();
        self.scenario.faults.push(Fault::new(begin.into().0, None, kind));
        self
    }

    /// Sets how long the last fault lasts.
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.scenario.faults.last_mut().expect("`lasting` follows a fault").lasts = Some(lasts);
        self
    }

    /// Names the last fault, for others that begin after it.
    pub fn called(mut self, id: &str) -> Self {
        self.scenario.faults.last_mut().expect("`called` follows a fault").id = Some(id.to_owned());
        self
    }

    /// Counts the beginning of the last fault from the beginning of the one with this id.
    pub fn after(mut self, id: &str) -> Self {
        let fault = self.scenario.faults.last_mut().expect("`after` follows a fault");
        fault.after = Some(id.to_owned());
        self
    }

    /// Names a check that is judged in the place of all that apply.
    pub fn only(mut self, check: &str) -> Self {
        self.scenario.expect.only.push(check.to_owned());
        self
    }

    /// Names a check that must hold at every moment.
    pub fn always(mut self, check: &str) -> Self {
        self.scenario.expect.always.push(check.to_owned());
        self
    }

    /// Names a check that must hold once everything is repaired and settled.
    pub fn eventually(mut self, check: &str) -> Self {
        self.scenario.expect.eventually.push(check.to_owned());
        self
    }

    /// Names a situation that must come about.
    pub fn sometimes(mut self, situation: &str) -> Self {
        self.scenario.expect.sometimes.push(situation.to_owned());
        self
    }

    /// Names a check that must be violated.
    pub fn violates(mut self, check: &str) -> Self {
        self.scenario.expect.violates.push(check.to_owned());
        self
    }

    /// Says what is to become of a message.
    pub fn expect(mut self, message: &str, expected: MessageExpectation) -> Self {
        self.scenario.expect.messages.insert(message.to_owned(), expected);
        self
    }

    /// Returns the scenario, or everything that is wrong with it.
    pub fn check(self) -> Result<Scenario, Mistakes> {
        self.check_in(&HOMESERVERS)
    }

    /// Returns the scenario on the federation that has this vocabulary, or everything that is wrong
    /// with it.
    pub fn check_in(self, vocabulary: &'static Vocabulary) -> Result<Scenario, Mistakes> {
        language::check_in(vocabulary, self.scenario)
    }

    /// Returns the scenario. Panics with everything that is wrong with it: a scenario written in
    /// Rust is a program, and its mistakes are bugs.
    pub fn finish(self) -> Scenario {
        self.finish_in(&HOMESERVERS)
    }

    /// Returns the scenario on the federation that has this vocabulary; panics as [`Self::finish`]
    /// does.
    pub fn finish_in(self, vocabulary: &'static Vocabulary) -> Scenario {
        self.check_in(vocabulary).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }
}
