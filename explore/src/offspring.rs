//! Scenarios that are made of one other scenario and a seed alone, so that whoever has both makes the
//! same: what machines that search together hand to each other.

use scenarios::{Scenario, Vocabulary, language};

use crate::{
    places::Place,
    sources::{Bred, Candidate, Method, SETTLE, Schedules, Source as _, is_beyond_belief, open},
};

/// How many changes are tried before a parent is played as it is: some make what no file could say.
const MOST_TRIES: usize = 16;

/// Returns `base` as something to change: without what it expects of single messages, operations and
/// situations, which holds for its own faults only, and with time to settle.
pub fn root(base: &Scenario) -> Scenario {
    open(base)
}

/// Returns `parent` changed in up to three ways, as `seed` draws them. `places` are those of a run of
/// the parent. The seed is also the child's own; where no change makes a scenario that can be judged,
/// the child is the parent under that seed.
pub fn child(
    vocabulary: &'static Vocabulary,
    parent: &Scenario,
    places: &[Place],
    seed: u64,
) -> Scenario {
    let mut bred = Bred::of(seed, parent.clone(), places.to_vec());
    let mut schedules = Schedules::new(seed);
    for _ in 0..MOST_TRIES {
        let Some(Candidate { scenario, .. }) = bred.next() else { break };
        let mut candidate = Candidate { scenario, method: Method::Bred };
        schedules.give(&mut candidate);
        let mut scenario = candidate.scenario;
        scenario.seed = seed;
        scenario.settle = scenario.settle.max(SETTLE);
        if let Ok(scenario) = language::check_in(vocabulary, scenario)
            && !is_beyond_belief(&scenario)
        {
            return scenario;
        }
    }
    Scenario { seed, ..parent.clone() }
}

#[cfg(all(test, feature = "homeservers"))]
mod tests {
    use super::*;
    use crate::Subject;

    #[test]
    fn what_a_scenario_expects_of_its_own_faults_is_not_expected_of_others() {
        let text = include_str!("../../scenarios/library/eventual-what-members-may-not-do.toml");
        let base = language::parse("library", text).expect("the library is valid");
        assert!(base.ops.iter().any(|op| op.outcome.is_some()));
        let open = root(&base);
        assert!(open.ops.iter().all(|op| op.outcome.is_none()));
        assert!(open.expect.messages.is_empty() && open.expect.sometimes.is_empty());
    }

    #[test]
    fn a_parent_and_a_seed_make_one_child_and_another_seed_another() {
        let text = include_str!("../../scenarios/library/m1-backend-down.toml");
        let parent = root(&language::parse("library", text).expect("the library is valid"));
        let subject = Subject::homeservers();
        let places = subject.play(&parent).places;
        let vocabulary = (subject.found)().promises().vocabulary;
        let child = |seed| child(vocabulary, &parent, &places, seed);
        assert_eq!(child(7), child(7));
        let distinct = (0..8).filter(|seed| child(*seed).faults != parent.faults).count();
        assert!(distinct > 2, "{distinct}");
    }
}
