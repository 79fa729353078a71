//! Machines, users and rooms.

use std::{collections::BTreeMap, time::Duration};

use scenarios::{
    Scenario,
    scenario::{Backend, Conversation, Expect, Latency, Network, Reads, Relay, Schedule, User},
};

use super::{Topology, dice::Dice};

const BACKENDS: [&str; 4] = ["a", "b", "c", "d"];
const USERS: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
const ROOMS: [&str; 3] = ["team", "club", "crew"];

/// The most users beyond one of each backend.
const MORE_USERS: usize = 3;

/// Draws two to four backends with a user each at least, up to three rooms, and relays.
pub(super) fn drawn(draw: &Topology, dice: &mut Dice) -> Scenario {
    let count = dice.one(&[2, 3, 3, 3, 4]);
    let names =
        |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let backends = names(&BACKENDS[..count]);
    let relays = relays(draw, dice);
    let users = users(&backends, dice);
    let rooms = dice.one(&[1, 1, 2, 3]);
    let mut conversations = BTreeMap::new();
    for name in names(&ROOMS[..rooms]) {
        conversations.insert(name, room(draw, &users, dice));
    }
    let seed = dice.number(1, 1_000_000);
    Scenario {
        name: "drawn".to_owned(),
        about: "Drawn by an exploration.".to_owned(),
        tags: Vec::new(),
        seed,
        limit: Duration::ZERO,
        settle: Duration::ZERO,
        network: network(dice),
        backends: backends.into_iter().map(|name| (name, backend(&relays, dice))).collect(),
        relays,
        users,
        conversations,
        ops: Vec::new(),
        faults: Vec::new(),
        schedule: Schedule::default(),
        expect: Expect::default(),
    }
}

fn network(dice: &mut Dice) -> Network {
    let most = dice.scale(2, 400);
    // What is sent at once arrives at once only where all links are alike.
    let latency = if dice.chance(60) {
        Latency::Fixed(most)
    } else {
        Latency::Uniform(Duration::from_millis(1), most)
    };
    Network { latency, loss: dice.one(&[0.0, 0.0, 0.0, 0.02, 0.1]) }
}

fn relays(draw: &Topology, dice: &mut Dice) -> BTreeMap<String, Relay> {
    if draw.relays == 0 {
        return BTreeMap::new();
    }
    let count = 1 + dice.below(draw.relays);
    let relays = (1..=count).map(|number| {
        let mut relay = Relay::default();
        if dice.chance(35) {
            relay = relay.with("max_entries_per_destination", dice.number(1, 4));
        }
        if dice.chance(40) {
            relay = relay.with("forward", 1);
        }
        (format!("r{number}"), relay)
    });
    relays.collect()
}

/// Most backends use all relays, so that one relay has mail of several.
fn backend(relays: &BTreeMap<String, Relay>, dice: &mut Dice) -> Backend {
    if relays.is_empty() {
        return Backend::default();
    }
    let all: Vec<String> = relays.keys().cloned().collect();
    let own = if dice.chance(70) { all } else { dice.some(&all, all.len()) };
    let attempts = dice.one(&[1, 1, 2, 3]);
    Backend { relays: own, ..Backend::default() }.with("attempts_before_relay", attempts)
}

fn users(backends: &[String], dice: &mut Dice) -> BTreeMap<String, User> {
    let more = dice.below(MORE_USERS + 1);
    let homes: Vec<String> =
        backends.iter().cloned().chain((0..more).map(|_| dice.one(backends))).collect();
    let users = USERS.iter().zip(homes).map(|(name, backend)| {
        let devices = dice.one(&[1, 1, 1, 2]);
        let reads = dice.one(&[Reads::Sync, Reads::Sync, Reads::Await, Reads::Await, Reads::Never]);
        ((*name).to_owned(), User { backend, devices, reads })
    });
    users.collect()
}

/// Most users are members of most rooms; whoever is not may join.
fn room(draw: &Topology, users: &BTreeMap<String, User>, dice: &mut Dice) -> Conversation {
    let names: Vec<String> = users.keys().cloned().collect();
    let creator = dice.one(&names);
    let others: Vec<String> = names.into_iter().filter(|name| *name != creator).collect();
    let members = if dice.chance(50) { others } else { dice.some(&others, others.len()) };
    Conversation { creator, members, delivery: dice.one(&draw.deliveries) }
}
