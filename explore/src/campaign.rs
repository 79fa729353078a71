//! A campaign: draws scenarios from its sources, plays several at once, and keeps count of what came
//! of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io, iter,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use scenarios::{Scenario, Vocabulary, language, scenario::Delivery};

use crate::{
    coverage::Coverage,
    failure::{Failure, Failures},
    sources::{
        Bred, Candidate, Drawn, Legs, Method, Pairs, SETTLE, Schedules, Shard, Source, Topology,
        absences, crossings, is_beyond_belief, open,
    },
    trial::{End, Subject, Trial},
    workers,
};

/// How many scenarios are drawn before what came of them is learned. It does not depend on the
/// number of threads, so that a campaign does not either.
const BATCH: usize = 24;

/// What to explore, and for how long.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What is played first, and broken.
    pub bases: Vec<Scenario>,
    /// The ways of searching, which take turns.
    pub methods: BTreeSet<Method>,
    /// The most runs.
    pub runs: u64,
    /// The number of kinds of failures after which no run is begun anymore.
    pub fail_fast: Option<usize>,
    /// Which part of the campaign this is.
    pub shard: Shard,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many runs go on at once.
    pub threads: usize,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// How many runs there were, by the way of searching that they came from.
    pub runs: BTreeMap<Method, u64>,
    /// How many passed.
    pub passed: u64,
    /// How many violated something.
    pub failed: u64,
    /// How many showed neither, with the sentence of the first.
    pub unknown: u64,
    /// Why the first of these showed neither.
    pub first_unknown: Option<String>,
    /// How many had a fault that never began.
    pub inert: u64,
    /// Which situations they reached.
    pub coverage: Coverage,
    /// What they violated.
    pub failures: Failures,
    /// Simulated time of all runs.
    pub simulated: Duration,
    /// Whether nothing was left to try.
    pub is_exhausted: bool,
}

impl Exploration {
    /// Returns the number of runs.
    pub fn count(&self) -> u64 {
        self.passed + self.failed + self.unknown
    }

    /// Returns the failures, in the order in which they were found.
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures.into_list()
    }

    fn take(&mut self, candidate: &Candidate, trial: &Trial) -> usize {
        *self.runs.entry(candidate.method).or_default() += 1;
        self.simulated += trial.simulated;
        self.inert += u64::from(trial.is_inert);
        match &trial.end {
            End::Passed => self.passed += 1,
            End::Violated(_) => self.failed += 1,
            End::Unknown(why) => {
                self.unknown += 1;
                self.first_unknown.get_or_insert_with(|| why.clone());
            }
        }
        let number = self.count();
        self.failures.add(candidate, number, trial.violations());
        self.coverage.add(&trial.situations)
    }
}

impl Campaign {
    /// Plays the campaign until it has made all its runs, found as many failures as were asked for,
    /// has nothing left to try, or `stop` is set. `watch` is told of each run, in order.
    ///
    /// # Errors
    /// No thread could be begun.
    pub fn play(
        &self,
        subject: &Subject,
        stop: &AtomicBool,
        mut watch: impl FnMut(&Exploration, &Candidate, &Trial),
    ) -> io::Result<Exploration> {
        let mut found = Exploration::default();
        let mut bases = Vec::new();
        let as_they_are = self.bases();
        let on = On { subject, stop };
        self.batch(on, &mut found, &as_they_are, |found, index, trial, _| {
            watch(found, &as_they_are[index], trial);
            bases.push((as_they_are[index].scenario.clone(), trial.places.clone()));
        })?;
        let vocabulary = (subject.found)().promises().vocabulary;
        let mut sources = self.sources(vocabulary, &bases);
        let mut schedules = Schedules::new(self.seed);
        while !self.is_over(&found, stop) {
            let left = usize::try_from(self.runs - found.count()).unwrap_or(usize::MAX);
            let mut candidates = draw(&mut sources, vocabulary, BATCH.min(left));
            for candidate in &mut candidates {
                schedules.give(candidate);
            }
            if candidates.is_empty() {
                found.is_exhausted = true;
                break;
            }
            self.batch(on, &mut found, &candidates, |found, index, trial, news| {
                watch(found, &candidates[index], trial);
                for (_, source) in &mut sources {
                    source.learn(&candidates[index], trial, news);
                }
            })?;
        }
        Ok(found)
    }

    /// Returns what is broken: each scenario that was named, and what is made of it by an absence, or
    /// by members who act before they have heard of each other.
    fn bases(&self) -> Vec<Candidate> {
        let absences = self.bases.iter().flat_map(absences);
        let crossings = self.bases.iter().flat_map(crossings);
        let scenarios = self.bases.iter().cloned().chain(absences).chain(crossings);
        let bases = scenarios.map(|base| Candidate { scenario: open(&base), method: Method::Base });
        bases.collect()
    }

    fn is_over(&self, found: &Exploration, stop: &AtomicBool) -> bool {
        let enough = self.fail_fast.is_some_and(|most| found.failures.count() >= most);
        enough || found.count() >= self.runs || stop.load(Ordering::Relaxed)
    }

    /// Plays some candidates, and takes in what came of each, in their order. `each` is told of
    /// what was found so far, which candidate was played, its run, and how many situations that was
    /// the first to reach.
    fn batch(
        &self,
        on: On<'_>,
        found: &mut Exploration,
        candidates: &[Candidate],
        mut each: impl FnMut(&Exploration, usize, &Trial, usize),
    ) -> io::Result<()> {
        let mut index = 0;
        let work = |number: usize| on.subject.play(&candidates[number].scenario);
        workers::in_order(candidates.len(), self.threads, work, |trial| {
            let news = found.take(&candidates[index], &trial);
            each(found, index, &trial, news);
            index += 1;
            if self.is_over(found, on.stop) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    fn sources(
        &self,
        vocabulary: &'static Vocabulary,
        bases: &[(Scenario, Vec<crate::places::Place>)],
    ) -> Vec<(Method, Box<dyn Source>)> {
        let legs = || Legs::new(vocabulary, bases, self.seed, self.shard);
        let source = |method: &Method| -> Option<(Method, Box<dyn Source>)> {
            let source: Box<dyn Source> = match method {
                Method::Base => return None,
                Method::EveryLeg if self.methods.len() > 1 => Box::new(legs().three_at_once()),
                Method::EveryLeg => Box::new(legs()),
                Method::Pairs => Box::new(Pairs::new(self.seed)),
                Method::Drawn => Box::new(Drawn::new(self.topologies(), self.seed, self.shard)),
                Method::Bred => Box::new(Bred::new(self.seed)),
                Method::LostDisks => {
                    Box::new(Drawn::new(self.topologies(), self.seed, self.shard).losing_disks())
                }
            };
            Some((*method, source))
        };
        self.methods.iter().filter_map(source).collect()
    }

    /// Returns what is drawn: rooms with the delivery policies of the bases, and relays in every
    /// other draw if one of the bases has relays.
    fn topologies(&self) -> Vec<Topology> {
        let relays = self.bases.iter().any(|base| !base.relays.is_empty());
        let rooms = || self.bases.iter().flat_map(|base| base.conversations.values());
        let all = [Delivery::M1, Delivery::Eventual, Delivery::M1Of2021];
        let used = all.into_iter().filter(|it| rooms().any(|room| room.delivery == *it));
        let deliveries: Vec<Delivery> = used.collect();
        if deliveries.is_empty() {
            return Vec::new();
        }
        let plain = Topology { deliveries: deliveries.clone(), relays: 0 };
        iter::once(plain).chain(relays.then_some(Topology { deliveries, relays: 2 })).collect()
    }
}

/// What a campaign is played on, and what ends it early.
#[derive(Clone, Copy)]
struct On<'s> {
    subject: &'s Subject,
    stop: &'s AtomicBool,
}

/// Draws up to `most` candidates, from all sources in turn, each with time to settle after the
/// longest outage. A change can make a scenario that no file could say, such as two faults that
/// contradict each other; those are left out, as are those that nobody could keep a promise in.
fn draw(
    sources: &mut [(Method, Box<dyn Source>)],
    vocabulary: &'static Vocabulary,
    most: usize,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    loop {
        let mut any = false;
        for (method, source) in sources.iter_mut() {
            for _ in 0..method.share() {
                let drawn = if candidates.len() < most { source.next() } else { None };
                any |= drawn.is_some();
                candidates.extend(drawn.and_then(|drawn| valid(vocabulary, drawn)));
            }
        }
        if candidates.len() == most || !any {
            return candidates;
        }
    }
}

fn valid(vocabulary: &'static Vocabulary, candidate: Candidate) -> Option<Candidate> {
    let Candidate { mut scenario, method } = candidate;
    scenario.settle = scenario.settle.max(SETTLE);
    let scenario = language::check_in(vocabulary, scenario).ok()?;
    if is_beyond_belief(&scenario) {
        return None;
    }
    Some(Candidate { scenario, method })
}
