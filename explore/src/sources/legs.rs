//! Every leg: each request, answer, sync and boot of a run that passes, broken once in each way.
//!
//! The order spreads: at each kind of place one break comes first, then a second one of another kind
//! at each, and so on. So a few hundred runs touch every part of a protocol.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use scenarios::{
    Scenario, Vocabulary,
    scenario::{Fault, OpKind},
};

use super::{Candidate, Method, Shard, Source, ending_at, open, with_way};
use crate::{
    places::{Class, Place, Point},
    trial::Trial,
    ways::{self, Way, ways},
};

/// Breaks every leg of the bases.
#[derive(Debug)]
pub struct Legs {
    /// Each with where its run can be broken.
    bases: Vec<(Scenario, Vec<Place>)>,
    breaks: VecDeque<Break>,
    /// How many legs are broken in one run.
    at_once: usize,
    /// What could not be broken together with another one.
    alone: VecDeque<Break>,
    /// What was broken together in the runs that were not learned of yet.
    together: VecDeque<(Vec<Fault>, Vec<Break>)>,
}

/// One break of one base. There are a million in a large library, so that it says only which way at
/// which place it is.
#[derive(Clone, Copy, Debug)]
struct Break {
    base: usize,
    /// The place's index among those of the base.
    place: usize,
    /// The way's index among those of the place.
    way: usize,
    at: Duration,
    /// Whether nothing is sent after it.
    is_last: bool,
    /// Whether clients ask again for what got no answer.
    asks_again: bool,
}

impl Legs {
    /// Returns the breaks of these bases, given where the run of each can be broken, one in each run;
    /// endpoints are those of `vocabulary`.
    /// `seed` mixes their order.
    pub fn new(
        vocabulary: &Vocabulary,
        bases: &[(Scenario, Vec<Place>)],
        seed: u64,
        shard: Shard,
    ) -> Self {
        let is_small = |scenario: &Scenario| scenario.machines().len() <= MOST_MACHINES;
        let only_large = !bases.iter().any(|(scenario, _)| is_small(scenario));
        let open = |(scenario, places): &(Scenario, Vec<Place>)| (open(scenario), places.clone());
        let bases: Vec<(Scenario, Vec<Place>)> = bases.iter().map(open).collect();
        let mut found = Vec::new();
        for (base, (scenario, places)) in bases.iter().enumerate() {
            if is_small(scenario) || only_large {
                found.extend(of_base(base, scenario, places, seed));
            }
        }
        let breaks = in_order(vocabulary, found);
        let mine = breaks.into_iter().zip(0..).filter(|(_, number)| shard.has(*number));
        Self {
            bases,
            breaks: mine.map(|(it, _)| it).collect(),
            at_once: 1,
            alone: VecDeque::new(),
            together: VecDeque::new(),
        }
    }

    /// Breaks three legs in each run, which takes a third of the runs; what one of them hides of the
    /// others is lost.
    #[must_use]
    pub fn three_at_once(self) -> Self {
        Self { at_once: 3, ..self }
    }

    /// Returns what a break does.
    fn way(&self, it: Break) -> Option<Way> {
        let (scenario, places) = self.bases.get(it.base)?;
        ways(scenario, places.get(it.place)?).into_iter().nth(it.way)
    }

    /// Returns the next breaks that one run can have.
    fn next_together(&mut self) -> Option<Vec<Break>> {
        if let Some(alone) = self.alone.pop_front() {
            return Some(vec![alone]);
        }
        let first = self.breaks.pop_front()?;
        let base = first.base;
        let mut together = vec![first];
        while together.len() < self.at_once {
            let Some(other) = self.breaks.iter().position(|other| other.base == base) else {
                break;
            };
            together.extend(self.breaks.remove(other));
        }
        together.sort_by_key(|it| it.at);
        Some(together)
    }
}

/// A base with more machines is broken only if all are so large: its runs take as long as a hundred
/// of the others, and show the same protocol.
const MOST_MACHINES: usize = 24;

/// What breaks of a kind have in common: the kind of place, and the kind of way.
type Kind = (Class, ways::Kind);

/// A break with its kind, and a number that mixes those of the same turn.
type Mixed = (Kind, u64, Break);

/// Returns the breaks of one base.
fn of_base(base: usize, scenario: &Scenario, places: &[Place], seed: u64) -> Vec<Mixed> {
    let mut found = Vec::new();
    for (number, place) in places.iter().enumerate() {
        for (nth, way) in ways(scenario, place).iter().enumerate() {
            let kind = (place.class(), way.kind(place));
            let mixed = mixed(mixed(seed, base as u64), found.len() as u64);
            let is_last = mixed.is_multiple_of(2);
            let asks_again = is_of_client(scenario, place);
            let at = way.begun(place);
            let it = Break { base, place: number, way: nth, at, is_last, asks_again };
            found.push((kind, mixed, it));
        }
    }
    found
}

/// Puts breaks into an order in which each kind of place comes before any comes twice, as far as
/// they are equally telling, each time with another kind of way, and each kind of way before any
/// comes twice there.
fn in_order(vocabulary: &Vocabulary, mut found: Vec<Mixed>) -> Vec<Break> {
    found.sort_by_key(|(_, mixed, _)| *mixed);
    let mut turns: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut of_places: BTreeMap<Class, Vec<(u64, u8, u64, Break)>> = BTreeMap::new();
    for (kind, mixed, it) in found {
        let turn = turns.entry(kind).or_default();
        *turn += 1;
        let (class, way) = kind;
        of_places.entry(class).or_default().push((*turn, rank(class, way), mixed, it));
    }
    let mut turned: Vec<(u64, u64, Break)> = Vec::new();
    for (class, mut breaks) in of_places {
        breaks.sort_by_key(|(turn, others, mixed, _)| (*turn, *others, *mixed));
        let pace = pace(vocabulary, class);
        turned.extend((1..).zip(breaks).map(|(turn, (.., mixed, it))| (turn * pace, mixed, it)));
    }
    turned.sort_by_key(|(turn, mixed, _)| (*turn, *mixed));
    turned.into_iter().map(|(.., it)| it).collect()
}

/// Returns in which order ways come at a place: a newcomer beside an exchange first, for nothing else
/// changes who is concerned by it; then what is telling, then the rest.
fn rank(class: Class, way: ways::Kind) -> u8 {
    match (class.moment(), way) {
        ("answered", ("join", _)) => 0,
        _ if is_telling(class, way) => 1,
        _ => 2,
    }
}

/// Returns whether this is among the ways that come first there, because no other one shows as much.
/// A request is lost, or doubled, or goes beside another one; it is under way while whoever handles
/// it loses power, or while members come and go, and its answer is lost; either machine loses power
/// when it is handled. The rest is much like these: a machine that is killed loses less than one that
/// crashes, and a connection that is reset less than a link that is cut.
fn is_telling(class: Class, (way, is_asker): ways::Kind) -> bool {
    match (class.moment(), way) {
        ("sent", "crash") => is_asker,
        ("arrived", "crash") => !is_asker,
        ("sent", "partition" | "duplicate" | "send" | "lie")
        | ("arrived", "partition" | "join" | "leave" | "kick" | "clock-skew")
        | ("answered", "crash" | "send")
        | ("synced" | "boots", "crash") => true,
        _ => false,
    }
}

/// Returns how long a kind of place waits until its next turn. A sync of a disk is one of many
/// between which everything happens, a request that writes more telling than one that reads, and a
/// poll one of many alike.
fn pace(vocabulary: &Vocabulary, class: Class) -> u64 {
    let name = class.endpoint();
    if vocabulary.long_polls.contains(&name) || name == "notifications" {
        return 8;
    }
    match vocabulary.endpoints.iter().find(|(known, ..)| *known == name) {
        None => 1,
        Some((_, "PUT", _)) => 2,
        Some(_) => 3,
    }
}

/// Returns whether a client asks there, which then asks again if it gets no answer.
fn is_of_client(scenario: &Scenario, place: &Place) -> bool {
    let Point::Exchange { from, .. } = &place.point else { return false };
    !ways::is_server(scenario, from)
}

/// Returns a number that looks drawn, and is the same on every machine.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    // The finalizer of MurmurHash3.
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_add(1);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

impl Source for Legs {
    fn next(&mut self) -> Option<Candidate> {
        let together = self.next_together()?;
        let last = together.last()?;
        let mut scenario = self.bases.get(last.base)?.0.clone();
        for it in &together {
            scenario = with_way(&scenario, it.at, self.way(*it)?);
        }
        if last.is_last {
            scenario = ending_at(&scenario, last.at);
        }
        if together.iter().any(|it| it.asks_again) {
            ask_again(&mut scenario);
        }
        self.together.push_back((scenario.faults.clone(), together));
        Some(Candidate { scenario, method: Method::EveryLeg })
    }

    fn learn(&mut self, candidate: &Candidate, trial: &Trial, _: usize) {
        if candidate.method != Method::EveryLeg {
            return;
        }
        while let Some((faults, together)) = self.together.pop_front() {
            let is_it = faults == candidate.scenario.faults;
            // One of them kept another from beginning, or they made no scenario. Alone they do.
            if together.len() > 1 && (trial.is_inert || !is_it) {
                self.alone.extend(together);
            }
            if is_it {
                return;
            }
        }
    }
}

/// How often a client repeats what got no answer.
const RETRIES: u32 = 2;

fn ask_again(scenario: &mut Scenario) {
    for op in &mut scenario.ops {
        if let OpKind::Send { retries, .. } = &mut op.kind {
            *retries = (*retries).max(RETRIES);
        }
    }
}
