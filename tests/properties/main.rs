//! Property tests: whatever the topology, the workload and the faults, the promises hold.
//!
//! A case that fails is printed as a scenario file, ready for `scenarios/regressions/` and for
//! `fedsim run`. `PROPTEST_CASES` sets how many cases each property draws.

use std::sync::atomic::AtomicBool;

use explore::{
    Subject, shrink,
    sources::{Topology, strategy},
    trial::End,
};
use proptest::{
    prelude::ProptestConfig,
    test_runner::{TestCaseError, TestRng, TestRunner},
};
use scenarios::{Scenario, language, scenario::Delivery};

/// The cases that each property draws, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 96;

/// Draws `cases` scenarios with `draw` and judges each. Returns what the first failing one says,
/// with its scenario, made small if `shrinks`.
fn first_failure(draw: Topology, cases: u32, shrinks: bool) -> Option<String> {
    let config = ProptestConfig {
        cases,
        // A failing case is kept as a scenario file, not as opaque bytes.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let judged = runner
        .run(&strategy(draw), |scenario| judge(&scenario, shrinks).map_err(TestCaseError::fail));
    judged.err().map(|failure| failure.to_string())
}

/// Asserts that no drawn scenario fails.
fn no_drawn_scenario_breaks_a_promise(draw: Topology) {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default().cases,
        Err(_) => CASES,
    };
    if let Some(failure) = first_failure(draw, cases, true) {
        panic!("{failure}");
    }
}

/// Judges a run of `scenario`. The error says what is wrong, with the scenario as a file.
fn judge(scenario: &Scenario, shrinks: bool) -> Result<(), String> {
    let subject = Subject::homeservers();
    let (sentence, check) = match subject.play(scenario).end {
        End::Passed => return Ok(()),
        End::Unknown(why) => (why, None),
        End::Violated(violations) => {
            let first = violations.first();
            let told = first.map(|it| format!("{}: {}", it.check, it.sentence));
            (told.unwrap_or_default(), first.map(|it| it.check.clone()))
        }
    };
    let shrunk = check
        .filter(|_| shrinks)
        .and_then(|check| shrink(&subject, scenario, &check, &AtomicBool::new(false)));
    let scenario = shrunk.map_or_else(|| scenario.clone(), |shrunk| shrunk.scenario);
    Err(format!("{sentence}\n\n{}", language::to_toml(&scenario)))
}

#[test]
fn an_m1_message_reaches_every_backend_or_none_whatever_breaks() {
    no_drawn_scenario_breaks_a_promise(Topology { delivery: Delivery::M1, relays: 0 });
}

#[test]
fn an_eventual_message_reaches_every_backend_once_all_is_mended() {
    no_drawn_scenario_breaks_a_promise(Topology { delivery: Delivery::Eventual, relays: 0 });
}

#[test]
fn mail_left_at_relays_is_kept_and_handed_out_once_whatever_breaks() {
    no_drawn_scenario_breaks_a_promise(Topology { delivery: Delivery::Eventual, relays: 2 });
}

#[test]
fn the_properties_can_fail_the_design_of_2021_breaks_them() {
    let draw = Topology { delivery: Delivery::M1Of2021, relays: 0 };
    let failure =
        first_failure(draw, 256, false).expect("256 drawn runs find nothing wrong with it");
    assert!(failure.contains("all-or-nothing") || failure.contains("no-early-sight"), "{failure}");
}
