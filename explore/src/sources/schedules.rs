//! Under which schedule a scenario is tried: most under the fixed order, some under a seeded one,
//! where races show that the fixed order hides.

use scenarios::scenario::Schedule;

use super::{Candidate, Method, legs::mixed};

/// One in this many plays under a seeded order.
const ONE_IN: u64 = 3;

/// How many priorities there are where there are any: enough for a bug that needs three steps in
/// order, which most of those that are known do not (Burckhardt et al. 2010).
const PRIORITIES: u32 = 3;

/// Hands out schedules. The same seed hands out the same.
#[derive(Debug)]
pub(crate) struct Schedules {
    seed: u64,
    asked: u64,
}

impl Schedules {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, asked: 0 }
    }

    /// Gives a candidate its schedule, or leaves it the one that it has. What is drawn has drawn it;
    /// what is broken again keeps it always: the places of its first run are those of its schedule.
    pub(crate) fn give(&mut self, candidate: &mut Candidate) {
        if matches!(
            candidate.method,
            Method::Base | Method::Pairs | Method::Drawn | Method::LostDisks
        ) {
            return;
        }
        self.asked += 1;
        // Drawn and not counted: the ways of searching take turns, and counting would give all to one.
        let schedule = drawn(mixed(self.seed, self.asked));
        if !schedule.is_fixed() {
            candidate.scenario.schedule = schedule;
        }
    }
}

/// Draws a schedule from a seed.
pub(super) fn drawn(seed: u64) -> Schedule {
    if !mixed(seed, 2).is_multiple_of(ONE_IN) {
        Schedule::Fixed
    } else if mixed(seed, 3).is_multiple_of(2) {
        Schedule::Random
    } else {
        Schedule::Priorities(PRIORITIES)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scenarios::Scenario;

    use super::*;

    #[test]
    fn a_third_of_what_is_tried_plays_under_seeded_orders_of_both_kinds() {
        let scenario = Scenario::build("empty").backends(["a"]).finish();
        let mut schedules = Schedules::new(1);
        let mut given: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..300 {
            let mut candidate = Candidate { scenario: scenario.clone(), method: Method::Bred };
            schedules.give(&mut candidate);
            *given.entry(candidate.scenario.schedule.to_string()).or_default() += 1;
        }
        assert_eq!(given.len(), 3, "{given:?}");
        assert!((160..240).contains(&given["fixed"]), "{given:?}");
        assert!(given["random"] > 30 && given["priorities 3"] > 30, "{given:?}");
    }
}
