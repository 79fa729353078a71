//! Where the scenarios of a campaign come from: one file for each way of searching.

mod absences;
mod bred;
mod crossings;
mod dates;
mod drawn;
mod legs;
mod pairs;
mod schedules;

use std::{fmt, time::Duration};

use scenarios::{
    Scenario,
    scenario::{Expect, Fault, OpKind},
};

use crate::{trial::Trial, ways::Way};

pub use self::{
    bred::Bred,
    drawn::{Drawn, Topology, strategy},
    legs::Legs,
    pairs::Pairs,
};

pub(crate) use self::{
    absences::absences, crossings::crossings, dates::is_beyond_belief, legs::mixed,
    schedules::Schedules,
};

/// A way of searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Each base as it is.
    Base,
    /// Each request, answer, sync and boot of a base broken once, in each way.
    EveryLeg,
    /// The same again, in the runs of single breaks that reached something new.
    Pairs,
    /// Topology, workload and faults drawn from a seed.
    Drawn,
    /// Changes of runs that reached something new.
    Bred,
    /// As `Drawn`, with a server that loses its disk. Only if it is asked for: what a promise is worth
    /// then is known for less than all of it.
    LostDisks,
}

impl Method {
    /// The ways of searching that take turns where nobody chooses.
    pub const SEARCHES: [Self; 4] = [Self::EveryLeg, Self::Pairs, Self::Drawn, Self::Bred];

    /// Returns how many scenarios it gives in each turn: breaking what is there and drawing
    /// everything find more than what builds on their runs.
    pub(crate) fn share(self) -> usize {
        match self {
            Self::EveryLeg | Self::Drawn | Self::LostDisks => 3,
            Self::Base | Self::Pairs | Self::Bred => 1,
        }
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::EveryLeg => "every-leg",
            Self::Pairs => "pairs",
            Self::Drawn => "drawn",
            Self::Bred => "bred",
            Self::LostDisks => "lost-disks",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A scenario to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The scenario, with the seed that it is played with.
    pub scenario: Scenario,
    /// How it came about.
    pub method: Method,
}

/// Where scenarios to try come from. Sources are asked and told on one thread, in an order that the
/// number of threads does not change.
pub trait Source {
    /// Returns the next scenario; none if it has no more, at least until it learns of other runs.
    fn next(&mut self) -> Option<Candidate>;

    /// Learns what came of a run of any source. `news` is how many situations it was the first to
    /// reach.
    fn learn(&mut self, candidate: &Candidate, trial: &Trial, news: usize);
}

/// Which part of a campaign is played: the `index`-th (from 0) of `of` parts, which share no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u64,
    /// How many parts there are; at least 1.
    pub of: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Shard {
    /// Returns whether this part has the item numbered `number`.
    pub fn has(self, number: u64) -> bool {
        number % self.of.max(1) == self.index
    }
}

/// The least time to settle of a scenario that is tried: as long as the longest back-off of
/// fedsim's own servers takes after the longest outage, so that what has not come about by then
/// does not.
pub(crate) const SETTLE: Duration = Duration::from_secs(2 * 60 * 60);

/// Returns `base` as something to break: without what it expects of single messages, operations and
/// situations, which holds for its own faults only, and with time to settle.
pub(crate) fn open(base: &Scenario) -> Scenario {
    let mut scenario = base.clone();
    for op in &mut scenario.ops {
        op.outcome = None;
    }
    scenario.expect = Expect {
        messages: std::collections::BTreeMap::new(),
        sometimes: Vec::new(),
        ..scenario.expect
    };
    scenario.settle = scenario.settle.max(SETTLE);
    scenario
}

/// Returns `scenario` with something more that happens at `at`, and with time for it.
pub(crate) fn with_way(scenario: &Scenario, at: Duration, way: Way) -> Scenario {
    let mut scenario = scenario.clone();
    let (fault, op) = match way {
        Way::Fault(fault) => (Some(fault), None),
        Way::Op(op) => (None, Some(op)),
        Way::Meanwhile(fault, op) => (Some(fault), Some(op)),
    };
    let lasts = fault.as_ref().and_then(Fault::lasts).unwrap_or_default();
    scenario.limit = scenario.limit.max(at + lasts + GRACE);
    scenario.faults.extend(fault);
    if let Some(op) = op {
        let place = scenario.ops.partition_point(|known| known.at <= op.at);
        scenario.ops.insert(place, op);
    }
    scenario
}

/// Operations have this much longer than the last fault lasts.
const GRACE: Duration = Duration::from_secs(60);

/// Returns `scenario` without the operations that begin after `at`: a later message can heal what a
/// fault left behind, and hide it.
pub(crate) fn ending_at(scenario: &Scenario, at: Duration) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.ops.retain(|op| {
        op.at <= at || !matches!(op.kind, OpKind::Send { .. } | OpKind::Redact { .. })
    });
    scenario
}
