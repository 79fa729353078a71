//! Drawn: small topologies, a few messages, faults at times and at single requests, all from a seed.

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use scenarios::{
    Scenario,
    scenario::{
        AfterCrash, Backend, Change, Conversation, Delivery, DiskFault, Expect, Fault, FaultKind,
        Latency, LinkChange, Moment, Network, NetworkFault, NodeFault, Op, OpKind, Reads, Relay,
        Schedule, User, When,
    },
};

use super::{Candidate, Method, Shard, Source, legs::mixed};
use crate::{coverage::Coverage, trial::Trial};

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// The delivery policy of every room.
    pub delivery: Delivery,
    /// How many relays there are; every backend uses all of them.
    pub relays: usize,
}

/// Draws scenarios of several topologies in turn.
#[derive(Debug)]
pub struct Drawn {
    topologies: Vec<Topology>,
    seed: u64,
    shard: Shard,
    drawn: u64,
}

impl Drawn {
    /// Returns a source of scenarios of these topologies. The same seed draws the same.
    pub fn new(topologies: Vec<Topology>, seed: u64, shard: Shard) -> Self {
        Self { topologies, seed, shard, drawn: 0 }
    }
}

impl Source for Drawn {
    fn next(&mut self, _: &Coverage) -> Option<Candidate> {
        let number = self.drawn * self.shard.of + self.shard.index;
        self.drawn += 1;
        let topologies = self.topologies.len() as u64;
        let place = usize::try_from(number.checked_rem(topologies)?).ok()?;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&mixed(self.seed, number).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let drawn = strategy(self.topologies[place]).new_tree(&mut runner).ok()?;
        Some(Candidate { scenario: drawn.current(), method: Method::Drawn })
    }

    fn learn(&mut self, _: &Candidate, _: &Trial, _: usize) {}
}

/// Operations and faults begin within this time.
const BUSY: u64 = 40_000;
/// The longest fault. Longer than every back-off step that matters, shorter than the user timeout.
const LONGEST_FAULT: u64 = 45_000;

/// Draws scenarios of two to four backends with a user each.
pub fn strategy(draw: Topology) -> impl Strategy<Value = Scenario> {
    (2..=4usize, any::<u32>()).prop_flat_map(move |(backends, seed)| {
        let ops = vec(send(backends), 1..=5);
        let faults = vec(fault(draw, backends), 0..=3);
        let world = (Just(backends), Just(u64::from(seed)), loss(), vec(reads(), backends));
        (world, ops, faults)
            .prop_map(move |(world, ops, faults)| assemble(draw, world, ops, faults))
    })
}

fn loss() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(0.0), 1 => Just(0.02)]
}

fn reads() -> impl Strategy<Value = Reads> {
    select(vec![Reads::Sync, Reads::Await])
}

fn backend(index: usize) -> String {
    ["a", "b", "c", "d"][index].to_owned()
}

fn user(index: usize) -> String {
    ["alice", "bob", "carol", "dave"][index].to_owned()
}

fn millis(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

/// Draws when a message is sent, by whom, and how often it is repeated.
fn send(backends: usize) -> impl Strategy<Value = (Duration, usize, u32)> {
    (millis(500..=BUSY), 0..backends, 0..=2u32)
}

fn machine(draw: Topology, backends: usize) -> impl Strategy<Value = String> {
    let mut names: Vec<String> = (0..backends).map(backend).collect();
    names.extend((1..=draw.relays).map(|n| format!("r{n}")));
    select(names)
}

fn fault(draw: Topology, backends: usize) -> impl Strategy<Value = Fault> {
    let lasts = millis(100..=LONGEST_FAULT);
    (when(draw), lasts, kind(draw, backends)).prop_map(|(when, lasts, kind)| Fault {
        when,
        lasts: Some(lasts),
        kind,
    })
}

fn when(draw: Topology) -> impl Strategy<Value = When> {
    let endpoints = match (draw.delivery, draw.relays) {
        (Delivery::M1, _) => vec!["prepare", "decision", "send_message", "outcome"],
        (Delivery::M1Of2021, _) => vec!["get_user_clients", "on_message_sent", "send_message"],
        (Delivery::Eventual, 0) => vec!["send", "client_send"],
        (Delivery::Eventual, _) => vec!["send", "send_relay", "relay_txn"],
    };
    let moments = vec![Moment::Sent, Moment::Arrived, Moment::Answered];
    prop_oneof![
        1 => millis(0..=BUSY).prop_map(When::At),
        2 => (select(moments), select(endpoints), 1..=4u64).prop_map(|(moment, endpoint, nth)| {
            When::Exchange { moment, endpoints: vec![endpoint.to_owned()], from: None, to: None, nth }
        }),
    ]
}

fn kind(draw: Topology, backends: usize) -> impl Strategy<Value = FaultKind> {
    let node = || machine(draw, backends);
    let pair = || {
        (node(), node(), any::<bool>())
            .prop_filter("two machines", |(one, other, _)| one != other)
            .prop_map(|(one, other, one_way)| (vec![one], vec![other], one_way))
    };
    let partition = pair().prop_map(|(between, and, one_way)| {
        NetworkFault::Partition { between, and, one_way }.into()
    });
    let link = (pair(), 0.05..0.4f64).prop_map(|((between, and, one_way), loss)| {
        let loss = Some((loss * 100.0).round() / 100.0);
        let change = Change { loss, ..Change::default() };
        NetworkFault::Link(LinkChange { from: between, to: and, both_ways: !one_way, change })
            .into()
    });
    let disk = (node(), any::<bool>()).prop_map(|(node, full)| disk_fault(&node, full).into());
    prop_oneof![
        3 => partition,
        3 => node().prop_map(|node| NodeFault::Crash { node, disk: AfterCrash::default() }.into()),
        1 => node().prop_map(|node| NodeFault::Kill { node }.into()),
        1 => node().prop_map(|node| NodeFault::Pause { node }.into()),
        1 => link,
        1 => disk,
    ]
}

fn disk_fault(node: &str, full: bool) -> DiskFault {
    let fails = (!full).then_some(1.0);
    DiskFault { full, write_fails: fails, sync_fails: fails, ..DiskFault::of(node) }
}

type World = (usize, u64, f64, Vec<Reads>);

fn assemble(
    draw: Topology,
    (backends, seed, loss, reads): World,
    sends: Vec<(Duration, usize, u32)>,
    faults: Vec<Fault>,
) -> Scenario {
    let relays: Vec<String> = (1..=draw.relays).map(|n| format!("r{n}")).collect();
    let attempts_before_relay = (draw.relays > 0).then_some(2);
    let home = Backend { relays: relays.clone(), attempts_before_relay };
    let users = reads
        .into_iter()
        .enumerate()
        .map(|(index, reads)| (user(index), User { backend: backend(index), devices: 1, reads }));
    let team = Conversation {
        creator: user(0),
        members: (1..backends).map(user).collect(),
        delivery: draw.delivery,
    };
    let latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(30));
    Scenario {
        name: "drawn".to_owned(),
        about: "Drawn by a property test.".to_owned(),
        tags: Vec::new(),
        seed,
        limit: Duration::from_secs(120),
        settle: Duration::from_secs(300),
        schedule: Schedule::Fixed,
        network: Network { latency, loss },
        backends: (0..backends).map(|index| (backend(index), home.clone())).collect(),
        relays: relays.into_iter().map(|name| (name, Relay::default())).collect(),
        users: users.collect(),
        conversations: BTreeMap::from([("team".to_owned(), team)]),
        ops: operations(sends),
        faults,
        expect: Expect::default(),
    }
}

fn operations(mut sends: Vec<(Duration, usize, u32)>) -> Vec<Op> {
    sends.sort_unstable();
    let numbered = sends.into_iter().zip(1..);
    numbered
        .map(|((at, sender, retries), n)| {
            let (id, from, to) = (format!("m{n}"), user(sender), "team".to_owned());
            let text = format!("message {n}");
            Op { at, kind: OpKind::Send { id, from, to, text, retries } }
        })
        .collect()
}
