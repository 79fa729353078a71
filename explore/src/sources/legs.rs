//! Every leg: each request, answer, sync and boot of a run that passes, broken once in each way.
//!
//! The order spreads: of each kind of break at each kind of place one comes first, mixed, then a
//! second one of each, and so on. So a few hundred runs touch every part of a protocol.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use scenarios::{Scenario, scenario::Fault};

use super::{Candidate, Method, Shard, Source, ending_at, open, with_fault};
use crate::{
    places::{Class, Place, Point},
    trial::Trial,
    ways::ways,
};

/// Breaks every leg of the bases.
#[derive(Debug)]
pub struct Legs {
    bases: Vec<Scenario>,
    breaks: VecDeque<Break>,
}

/// One break of one base.
#[derive(Debug)]
struct Break {
    base: usize,
    at: Duration,
    fault: Fault,
    /// Whether nothing is sent after it.
    is_last: bool,
}

impl Legs {
    /// Returns the breaks of these bases, given where the run of each can be broken. `seed` mixes
    /// their order.
    pub fn new(bases: &[(Scenario, Vec<Place>)], seed: u64, shard: Shard) -> Self {
        let is_small = |scenario: &Scenario| scenario.machines().len() <= MOST_MACHINES;
        let only_large = !bases.iter().any(|(scenario, _)| is_small(scenario));
        let mut found = Vec::new();
        for (base, (scenario, places)) in bases.iter().enumerate() {
            if is_small(scenario) || only_large {
                found.extend(of_base(base, scenario, places, seed));
            }
        }
        let breaks = in_order(found);
        let mine = breaks.into_iter().zip(0..).filter(|(_, number)| shard.has(*number));
        Self {
            bases: bases.iter().map(|(scenario, _)| open(scenario)).collect(),
            breaks: mine.map(|(it, _)| it).collect(),
        }
    }
}

/// A base with more machines is broken only if all are so large: its runs take as long as a hundred
/// of the others, and show the same protocol.
const MOST_MACHINES: usize = 24;

/// What breaks of a kind have in common: the kind of place, and the kind of fault.
type Kind = (Class, &'static str);

/// Returns the breaks of one base, each with its kind, the turn that it has among those of its kind
/// in this base, and a number that mixes those of the same turn.
fn of_base(
    base: usize,
    scenario: &Scenario,
    places: &[Place],
    seed: u64,
) -> Vec<(Kind, u64, u64, Break)> {
    let mut turns: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for place in places {
        for fault in ways(scenario, place) {
            let kind = (place.class(), fault.kind.key());
            let turn = turns.entry(kind).or_default();
            // A poll is one of many alike.
            *turn += if is_poll(place) { POLLS } else { 1 };
            let mixed = mixed(mixed(seed, base as u64), found.len() as u64);
            let is_last = mixed.is_multiple_of(2);
            found.push((kind, *turn, mixed, Break { base, at: place.at, fault, is_last }));
        }
    }
    found
}

/// Puts breaks into an order in which each kind comes once before any comes twice, and in which the
/// bases take turns in showing a kind.
fn in_order(mut found: Vec<(Kind, u64, u64, Break)>) -> Vec<Break> {
    found.sort_by_key(|(_, turn, mixed, _)| (*turn, *mixed));
    let mut turns: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut turned: Vec<(u64, u64, Break)> = Vec::new();
    for (kind, in_base, mixed, it) in found {
        let turn = turns.entry(kind).or_default();
        *turn = (*turn + 1).max(in_base);
        turned.push((*turn, mixed, it));
    }
    turned.sort_by_key(|(turn, mixed, _)| (*turn, *mixed));
    turned.into_iter().map(|(.., it)| it).collect()
}

/// The turns that a break of a poll waits.
const POLLS: u64 = 4;

fn is_poll(place: &Place) -> bool {
    let Point::Exchange { endpoint, .. } = &place.point else { return false };
    scenarios::vocabulary::HOMESERVERS.long_polls.contains(endpoint) || *endpoint == "notifications"
}

/// Returns a number that looks drawn, and is the same on every machine.
pub(super) fn mixed(seed: u64, number: u64) -> u64 {
    // The finalizer of MurmurHash3.
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_add(1);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

impl Source for Legs {
    fn next(&mut self) -> Option<Candidate> {
        let Break { base, at, fault, is_last } = self.breaks.pop_front()?;
        let scenario = with_fault(&self.bases[base], at, fault);
        let scenario = if is_last { ending_at(&scenario, at) } else { scenario };
        Some(Candidate { scenario, method: Method::EveryLeg })
    }

    fn learn(&mut self, _: &Candidate, _: &Trial, _: usize) {}
}
