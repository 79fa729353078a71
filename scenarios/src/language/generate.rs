//! Large worlds from a few numbers: what a `[generate]` table stands for.

use std::{collections::BTreeMap, time::Duration};

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use crate::scenario::{
    AfterCrash, Backend, Conversation, Delivery, Fault, NodeFault, Op, OpKind, Reads, Relay,
    Scenario, User, When,
};

/// The most machines that are generated: backends and relays together.
pub const MOST_MACHINES: u64 = 1_000;
/// The most messages that are generated.
pub const MOST_SENDS: f64 = 100_000.0;
/// How long a machine is left alone after its return, unless the file says otherwise.
pub const REST: Duration = Duration::from_secs(10);
/// How long nothing is broken at the end, so that the last message has a fair chance, unless the file
/// says otherwise.
pub const CALM: Duration = Duration::from_secs(30);

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many backends; each has one user with one device.
    pub backends: u64,
    /// How many consecutive users share a room; the last room may be smaller.
    pub rooms_of: u64,
    /// What the rooms promise.
    pub delivery: Delivery,
    /// Messages per second, over all rooms.
    pub sends_per_second: f64,
    /// How often a client repeats an attempt that got no answer.
    pub retries: u32,
    /// For how long messages are sent and machines crash.
    pub lasts: Duration,
    /// The mean time between two crashes; if unset, no machine crashes.
    pub crashes_every: Option<Duration>,
    /// How long a crashed machine is down: drawn evenly from this range.
    pub down_for: (Duration, Duration),
    /// How long a machine is left alone after its return.
    pub rest: Duration,
    /// How long no machine is down at the end.
    pub calm: Duration,
    /// How many relays; the backends use them in turn.
    pub relays: u64,
    /// How the devices learn of messages.
    pub reads: Reads,
}

impl Plan {
    /// Returns everything that the plan stands for, drawn from `seed`, as a scenario with nothing
    /// else in it.
    pub fn world(&self, seed: u64) -> Scenario {
        let mut world = Scenario::empty("generated");
        self.machines(&mut world);
        self.rooms(&mut world);
        self.sends(seed, &mut world);
        self.crashes(seed, &mut world);
        world
    }

    fn machines(&self, world: &mut Scenario) {
        for n in 0..self.relays {
            world.relays.insert(name("r", n, self.relays), Relay::default());
        }
        for n in 0..self.backends {
            let backend = name("b", n, self.backends);
            let relays = match self.relays {
                0 => Vec::new(),
                count => vec![name("r", n % count, count)],
            };
            world.backends.insert(backend.clone(), Backend { relays, ..Backend::default() });
            let user = User { backend, devices: 1, reads: self.reads };
            world.users.insert(name("u", n, self.backends), user);
        }
    }

    fn rooms(&self, world: &mut Scenario) {
        let users: Vec<_> = world.users.keys().cloned().collect();
        let size = usize::try_from(self.rooms_of).unwrap_or(usize::MAX).max(1);
        let count = users.chunks(size).len() as u64;
        for (n, group) in users.chunks(size).enumerate() {
            let conversation = Conversation {
                creator: group[0].clone(),
                members: group[1..].to_vec(),
                delivery: self.delivery,
            };
            world.conversations.insert(name("room", n as u64, count), conversation);
        }
    }

    /// Adds one message by anybody somewhere in each of many slots of equal length.
    fn sends(&self, seed: u64, world: &mut Scenario) {
        let mut random = journal::random::stream(seed, "generate sends");
        let slot = Duration::from_secs_f64(1.0 / self.sends_per_second);
        let rooms: Vec<_> = world.conversations.iter().collect();
        let mut ops = Vec::new();
        let mut begins = Duration::ZERO;
        while begins + slot <= self.lasts {
            let (room, conversation) = rooms[pick(&mut random, rooms.len())];
            let sender = match pick(&mut random, conversation.members.len() + 1) {
                0 => &conversation.creator,
                n => &conversation.members[n - 1],
            };
            let id = format!("g{}", ops.len() + 1);
            let kind = OpKind::Send {
                text: id.clone(),
                id,
                from: sender.clone(),
                to: room.clone(),
                content: toml::Table::new(),
                retries: self.retries,
            };
            ops.push(Op::once(begins + between(&mut random, Duration::ZERO, slot), kind));
            begins += slot;
        }
        world.ops = ops;
    }

    /// Adds a crash about every `crashes_every`, never of a machine that is down or just back.
    fn crashes(&self, seed: u64, world: &mut Scenario) {
        let Some(every) = self.crashes_every else { return };
        let mut random = journal::random::stream(seed, "generate crashes");
        let mut free_from: BTreeMap<&String, Duration> =
            world.backends.keys().chain(world.relays.keys()).map(|m| (m, Duration::ZERO)).collect();
        let mut faults = Vec::new();
        let mut at = every;
        while at + self.down_for.1 + self.calm <= self.lasts {
            let down = between(&mut random, self.down_for.0, self.down_for.1);
            let free: Vec<_> =
                free_from.iter().filter(|(_, from)| **from <= at).map(|(m, _)| *m).collect();
            if !free.is_empty() {
                let machine = free[pick(&mut random, free.len())];
                free_from.insert(machine, at + down + self.rest);
                let kind =
                    NodeFault::Crash { node: machine.clone(), disk: AfterCrash::default() }.into();
                faults.push(Fault::new(When::At(at), Some(down), kind));
            }
            at += between(&mut random, every / 2, every + every / 2);
        }
        world.faults = faults;
    }
}

/// Returns a name such as `b007`: numbered from 1, with as many digits as make names sort by
/// number.
fn name(prefix: &str, n: u64, count: u64) -> String {
    format!("{prefix}{:0width$}", n + 1, width = count.to_string().len())
}

/// Draws an index into a list that is not empty.
fn pick(random: &mut ChaCha12Rng, count: usize) -> usize {
    usize::try_from(below(random, count as u64)).expect("less than a usize")
}

/// Draws a duration in whole milliseconds, which are fine enough to differ and coarse enough to
/// read.
fn between(random: &mut ChaCha12Rng, low: Duration, high: Duration) -> Duration {
    let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX);
    low + Duration::from_millis(below(random, span.max(1)))
}

/// Draws a whole number below `bound`, which stays the same forever for the same stream.
fn below(random: &mut ChaCha12Rng, bound: u64) -> u64 {
    let wide = u128::from(random.next_u64()) * u128::from(bound);
    u64::try_from(wide >> 64).expect("less than the bound")
}
