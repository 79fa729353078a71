//! How fast a known defect is found by an exploration that is not told where to look.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use defects::Defect;
use scenarios::{Scenario, language, scenario::Delivery};

use crate::{
    Campaign, Method,
    shrink::{Shrunk, shrink},
    sources::{Candidate, Shard},
    trial::{Subject, Violation},
};

/// The scenarios of the library whose topologies and workloads a hunt begins with: everybody writes
/// under `m1`; a member leaves; two rooms with two policies; devices that read in all ways; members
/// who join and leave; mail by one relay, by two, and by one that forwards; and a stranger who asks
/// for it.
const BASES: [&str; 9] = [
    include_str!("../../scenarios/library/m1-all-up.toml"),
    include_str!("../../scenarios/library/m1-member-leaves-during-vote.toml"),
    include_str!("../../scenarios/library/byzantine-oversized-bodies.toml"),
    include_str!("../../scenarios/library/catch-up-by-await-and-notifications.toml"),
    JOINS,
    include_str!("../../scenarios/library/relay-offline-and-back.toml"),
    include_str!("../../scenarios/library/relay-two-relays-one-down.toml"),
    include_str!("../../scenarios/library/relay-forwards-to-a-destination-that-is-back.toml"),
    include_str!("../../scenarios/library/relay-stranger-cannot-read-or-acknowledge.toml"),
];

const JOINS: &str =
    include_str!("../../scenarios/library/eventual-joins-and-leaves-under-partition.toml");

/// Returns what the hunt for every defect begins with: a few topologies of the library with their
/// operations, and without their faults; one of them under `m1`, too, since no scenario of the
/// library has somebody join under it.
///
/// # Panics
/// A scenario of the library is not valid, which its tests rule out.
pub fn bases() -> Vec<Scenario> {
    let base = |text: &&str| {
        let scenario = language::parse("library", text).expect("the library is valid");
        Scenario { faults: Vec::new(), ..scenario }
    };
    let mut bases: Vec<Scenario> = BASES.iter().map(base).collect();
    let mut joins = base(&JOINS);
    for room in joins.conversations.values_mut() {
        room.delivery = Delivery::M1;
    }
    joins.name = joins.name.replace("eventual", "m1");
    bases.push(joins);
    bases
}

/// How a defect is looked for.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// What the exploration begins with: the same for every defect.
    pub bases: Vec<Scenario>,
    /// The most runs.
    pub runs: u64,
    /// What the exploration is drawn from.
    pub seed: u64,
    /// How many runs go on at once.
    pub threads: usize,
}

/// A defect that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The run that found it, from 1.
    pub run: u64,
    /// How that run came about.
    pub method: Method,
    /// What it violated.
    pub violation: Violation,
    /// What is left of its scenario; none if it does not fail again, which is a defect of fedsim.
    pub shrunk: Option<Shrunk>,
}

impl Hunt {
    /// Looks for `defect`: explores servers that have it until some check is violated by a scenario
    /// in which sound servers keep that promise. Returns none if the runs were not enough, or if
    /// `stop` was set.
    ///
    /// # Errors
    /// No thread could be begun.
    pub fn find(&self, defect: Defect, stop: &AtomicBool) -> io::Result<Option<Found>> {
        let mut subject = Subject::homeservers();
        let sound = subject.clone();
        subject.options.defect = Some(defect);
        let over = AtomicBool::new(false);
        let mut first: Option<(u64, Candidate, Violation)> = None;
        self.campaign().play(&subject, &over, |so_far, candidate, trial| {
            let violations = trial.violations();
            if first.is_none() && !violations.is_empty() {
                let beside = sound.play(&candidate.scenario);
                let violation = violations.iter().find(|it| !beside.violates(&it.check));
                first = violation.map(|it| (so_far.count(), candidate.clone(), it.clone()));
            }
            if first.is_some() || stop.load(Ordering::Relaxed) {
                over.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(first.map(|(run, Candidate { scenario, method }, violation)| {
            let shrunk = shrink(&subject, &scenario, &violation.check, stop);
            Found { run, method, violation, shrunk }
        }))
    }

    fn campaign(&self) -> Campaign {
        Campaign {
            bases: self.bases.clone(),
            methods: Method::SEARCHES.into(),
            runs: self.runs,
            fail_fast: None,
            shard: Shard::default(),
            seed: self.seed,
            threads: self.threads,
        }
    }
}
