//! What a server loses for good: its signing key; or all that its disk has, or all since a backup.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{Fault, NodeFault, Taken, When},
};

use super::{super::legs::mixed, dice::Dice};

/// How many of a hundred draws have a server that gets a new key.
const KEY: u64 = 6;

/// How many of a hundred lost disks come back as a backup has them, and not empty.
const BACKED_UP: u64 = 70;

/// When that happens, and how long the server is away, in milliseconds.
const BEGINS: (u64, u64) = (2_000, 45_000);
const AWAY: (u64, u64) = (200, 60_000);

/// Each has a stream of its own, so that what else a seed draws is the same with and without it.
const KEY_STREAM: u64 = 0x6b65_7900;
const DISK_STREAM: u64 = 0x6469_736b;

/// Lets a homeserver start with a new key, in some draws.
pub(super) fn key(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(mixed(seed, KEY_STREAM));
    if dice.chance(KEY) {
        let backends: Vec<String> = scenario.backends.keys().cloned().collect();
        let (node, at) = (dice.one(&backends), dice.time(BEGINS.0, BEGINS.1));
        scenario.faults.push(away(at, NodeFault::RotateKey { node }, dice));
    }
}

/// Lets a server lose its disk.
pub(super) fn disk(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(mixed(seed, DISK_STREAM));
    let servers: Vec<String> =
        scenario.backends.keys().chain(scenario.relays.keys()).cloned().collect();
    let (node, at) = (dice.one(&servers), dice.time(BEGINS.0, BEGINS.1));
    let kind = if dice.chance(BACKED_UP) {
        let taken = at.mul_f64(dice.one(&[0.2, 0.5, 0.8, 0.95]));
        NodeFault::Restore { node, taken: Taken(Box::new(When::At(taken))) }
    } else {
        NodeFault::Wipe { node }
    };
    scenario.faults.push(away(at, kind, dice));
}

fn away(at: Duration, kind: NodeFault, dice: &mut Dice) -> Fault {
    Fault::new(When::At(at), Some(dice.scale(AWAY.0, AWAY.1)), kind.into())
}
