//! Bred: runs that reached something new are changed in a few ways at once, and what two of them
//! broke is tried together.

use std::{collections::VecDeque, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use scenarios::{
    Scenario,
    scenario::{Fault, OpKind, When},
};

use super::{Candidate, Method, Source, with_way};
use crate::{
    places::Place,
    trial::{End, Trial},
    ways::{unused_message, ways},
};

/// The most parents that are kept; the oldest go first.
const MOST_PARENTS: usize = 256;
/// The most changes that are made at once.
const MOST_CHANGES: u32 = 3;
/// The most faults of a child.
const MOST_FAULTS: usize = 4;
/// The most operations of a child.
const MOST_OPS: usize = 24;

/// Changes runs that reached something new.
#[derive(Debug)]
pub struct Bred {
    rng: ChaCha8Rng,
    parents: VecDeque<Parent>,
}

#[derive(Debug)]
struct Parent {
    scenario: Scenario,
    places: Vec<Place>,
}

impl Bred {
    /// Returns a source without parents yet. The same seed and the same parents breed the same.
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), parents: VecDeque::new() }
    }

    /// Returns a source with one parent, which learns of no other.
    pub(crate) fn of(seed: u64, scenario: Scenario, places: Vec<Place>) -> Self {
        Self { parents: [Parent { scenario, places }].into(), ..Self::new(seed) }
    }

    /// Returns a number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.rng.random_range(0..end) }
    }

    /// Makes one change.
    fn change(&mut self, parent: usize, child: Scenario) -> Scenario {
        match self.below(8) {
            0 | 1 => self.break_more(parent, child),
            2 => self.mix(child),
            3 => self.drop_fault(child),
            4 => self.move_fault(child),
            5 => self.stretch_fault(child),
            6 => self.repeat_op(child),
            _ => self.move_op(child),
        }
    }

    /// Breaks one more place of the parent's run.
    fn break_more(&mut self, parent: usize, child: Scenario) -> Scenario {
        if child.faults.len() >= MOST_FAULTS || child.ops.len() >= MOST_OPS {
            return child;
        }
        let place = self.below(self.parents[parent].places.len());
        let Some(place) = self.parents[parent].places.get(place).cloned() else { return child };
        let mut ways = ways(&child, &place);
        let way = self.below(ways.len());
        if ways.is_empty() { child } else { with_way(&child, place.at, ways.swap_remove(way)) }
    }

    /// Takes over a fault of another parent that names the same machines.
    fn mix(&mut self, mut child: Scenario) -> Scenario {
        let other = self.below(self.parents.len());
        let other = &self.parents[other].scenario;
        let limit = other.limit;
        if child.faults.len() >= MOST_FAULTS || other.machines() != child.machines() {
            return child;
        }
        let faults: Vec<Fault> = other.faults.clone();
        let fault = self.below(faults.len());
        let fault = faults.get(fault).cloned();
        child.faults.extend(fault.map(|it| Fault::new(it.when, it.lasts, it.kind)));
        child.limit = child.limit.max(limit);
        child
    }

    fn drop_fault(&mut self, mut child: Scenario) -> Scenario {
        let fault = self.below(child.faults.len());
        if child.faults.len() > 1 {
            child.leave_out_faults(|left_out| left_out == fault);
        }
        child
    }

    /// Has a fault begin earlier or later, or at another exchange of its kind.
    fn move_fault(&mut self, mut child: Scenario) -> Scenario {
        let fault = self.below(child.faults.len());
        let limit = child.limit;
        let shift = self.share();
        let nth = self.rng.random_range(1..=4);
        let Some(fault) = child.faults.get_mut(fault) else { return child };
        match &mut fault.when {
            When::At(at) => *at = (at.mul_f64(2.0 * shift)).min(limit),
            When::Exchange { nth: known, .. } | When::Disk { nth: known, .. } => *known = nth,
        }
        child
    }

    /// Has a fault last shorter or longer.
    fn stretch_fault(&mut self, mut child: Scenario) -> Scenario {
        let fault = self.below(child.faults.len());
        let factor = 0.1 + 3.0 * self.share();
        if let Some(lasts) = child.faults.get_mut(fault).and_then(|fault| fault.lasts.as_mut()) {
            *lasts = rounded(lasts.mul_f64(factor));
        }
        child
    }

    /// Does an operation once more, at another time.
    fn repeat_op(&mut self, mut child: Scenario) -> Scenario {
        let op = self.below(child.ops.len());
        let at = rounded(child.limit.mul_f64(self.share()));
        if child.ops.len() >= MOST_OPS {
            return child;
        }
        let Some(mut op) = child.ops.get(op).cloned() else { return child };
        op.at = at;
        if let OpKind::Send { id, .. } = &mut op.kind {
            *id = unused_message(&child.ops);
        }
        child.ops.push(op);
        child.ops.sort_by_key(|op| op.at);
        child
    }

    fn move_op(&mut self, mut child: Scenario) -> Scenario {
        let op = self.below(child.ops.len());
        let at = rounded(child.limit.mul_f64(self.share()));
        if let Some(op) = child.ops.get_mut(op) {
            op.at = at;
        }
        child.ops.sort_by_key(|op| op.at);
        child
    }

    fn share(&mut self) -> f64 {
        self.rng.random_range(0.0..1.0)
    }
}

/// Returns a time in whole hundredths of a second, which is short to write.
fn rounded(time: Duration) -> Duration {
    let hundredths = time.as_millis() / 10;
    Duration::from_millis(u64::try_from(hundredths).unwrap_or(u64::MAX / 10) * 10)
}

impl Source for Bred {
    fn next(&mut self) -> Option<Candidate> {
        if self.parents.is_empty() {
            return None;
        }
        // Of two parents the later one: it is more likely to be at the edge of what is known.
        let parent = self.below(self.parents.len()).max(self.below(self.parents.len()));
        let mut child = self.parents[parent].scenario.clone();
        for _ in 0..self.rng.random_range(1..=MOST_CHANGES) {
            child = self.change(parent, child);
        }
        child.seed = u64::from(self.rng.random::<u32>());
        Some(Candidate { scenario: child, method: Method::Bred })
    }

    fn learn(&mut self, candidate: &Candidate, trial: &Trial, news: usize) {
        if news == 0 || trial.end != End::Passed || trial.is_inert {
            return;
        }
        if self.parents.len() == MOST_PARENTS {
            self.parents.pop_front();
        }
        let (scenario, places) = (candidate.scenario.clone(), trial.places.clone());
        self.parents.push_back(Parent { scenario, places });
    }
}
