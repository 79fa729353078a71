//! Pairs: where one break led somewhere new, the run that it led to is broken again, after the first
//! break or before it.

use std::collections::{BTreeSet, VecDeque};

use scenarios::Scenario;

use super::{Candidate, Method, Source, legs::mixed, with_way};
use crate::{
    places::{Class, Place},
    trial::{End, Trial},
    ways::{Kind, Way, ways},
};

/// The most second breaks of one run.
const PER_RUN: usize = 4;
/// The most runs that wait to be broken again.
const MOST_WAITING: usize = 512;
/// The most faults that a scenario gets this way.
const DEEPEST: usize = 3;

/// Breaks runs again.
#[derive(Debug)]
pub struct Pairs {
    seed: u64,
    drawn: u64,
    /// Runs to break again, the most promising first, each with how many situations it was the
    /// first to reach.
    waiting: VecDeque<(usize, Scenario, Vec<Place>)>,
    breaks: VecDeque<(Scenario, Place, Way)>,
    /// Kinds of second breaks that were tried, by the kind of the first.
    tried: BTreeSet<(&'static str, Class, Kind)>,
}

impl Pairs {
    /// Returns a source that has learned nothing yet. `seed` mixes what it tries.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: 0,
            waiting: VecDeque::new(),
            breaks: VecDeque::new(),
            tried: BTreeSet::new(),
        }
    }

    /// Fills the queue of breaks from the most promising run.
    fn refill(&mut self) {
        let Some((_, scenario, places)) = self.waiting.pop_front() else { return };
        let first = scenario.faults.last().map_or("", |fault| fault.kind.key());
        let mut found = Vec::new();
        for place in &places {
            for way in ways(&scenario, place) {
                let kind = (first, place.class(), way.kind(place));
                self.drawn += 1;
                let is_known = self.tried.contains(&kind);
                found.push((is_known, mixed(self.seed, self.drawn), place.clone(), way));
            }
        }
        found.sort_by_key(|(is_known, mixed, ..)| (*is_known, *mixed));
        for (_, _, place, way) in found.into_iter().take(PER_RUN) {
            self.tried.insert((first, place.class(), way.kind(&place)));
            self.breaks.push_back((scenario.clone(), place, way));
        }
    }
}

impl Source for Pairs {
    fn next(&mut self) -> Option<Candidate> {
        if self.breaks.is_empty() {
            self.refill();
        }
        let (scenario, place, way) = self.breaks.pop_front()?;
        let scenario = with_way(&scenario, place.at, way);
        Some(Candidate { scenario, method: Method::Pairs })
    }

    fn learn(&mut self, candidate: &Candidate, trial: &Trial, news: usize) {
        let scenario = &candidate.scenario;
        let is_worth_it = news > 0 && trial.end == End::Passed && !trial.is_inert;
        let faults = scenario.faults.len();
        if !is_worth_it || faults == 0 || faults >= DEEPEST || candidate.method == Method::Base {
            return;
        }
        let at = self.waiting.partition_point(|(known, ..)| *known >= news);
        self.waiting.insert(at, (news, scenario.clone(), trial.places.clone()));
        self.waiting.truncate(MOST_WAITING);
    }
}
