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
    coverage::Coverage,
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
        let mut found = Vec::new();
        for (base, (scenario, places)) in bases.iter().enumerate() {
            for place in places {
                let faults = ways(scenario, place).into_iter();
                found.extend(
                    faults.map(|fault| (place.class(), is_poll(place), base, place.at, fault)),
                );
            }
        }
        let breaks = in_order(found, seed);
        let mine = breaks.into_iter().zip(0..).filter(|(_, number)| shard.has(*number));
        Self {
            bases: bases.iter().map(|(scenario, _)| open(scenario)).collect(),
            breaks: mine.map(|(it, _)| it).collect(),
        }
    }

    /// Returns how many breaks are left.
    pub fn left(&self) -> usize {
        self.breaks.len()
    }
}

type Found = (Class, bool, usize, Duration, Fault);

/// Puts breaks into an order in which each kind comes once before any comes twice, and in which
/// what clients poll comes after everything else of its turn.
fn in_order(found: Vec<Found>, seed: u64) -> Vec<Break> {
    let mut counts: BTreeMap<(Class, &'static str), u64> = BTreeMap::new();
    let mut keyed: Vec<(u64, u64, Break)> = Vec::new();
    for (number, (class, is_poll, base, at, fault)) in (0u64..).zip(found) {
        let turn = counts.entry((class, fault.kind.key())).or_default();
        *turn += 1;
        // A poll is one of many alike.
        let rank = if is_poll { *turn * POLLS } else { *turn };
        let is_last = mixed(seed ^ 1, number) % 2 == 0;
        keyed.push((rank, mixed(seed, number), Break { base, at, fault, is_last }));
    }
    keyed.sort_by_key(|(rank, mixed, _)| (*rank, *mixed));
    keyed.into_iter().map(|(_, _, it)| it).collect()
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
    fn next(&mut self, _: &Coverage) -> Option<Candidate> {
        let Break { base, at, fault, is_last } = self.breaks.pop_front()?;
        let scenario = with_fault(&self.bases[base], at, fault);
        let scenario = if is_last { ending_at(&scenario, at) } else { scenario };
        Some(Candidate { scenario, method: Method::EveryLeg })
    }

    fn learn(&mut self, _: &Candidate, _: &Trial, _: usize) {}
}
