//! Property tests: whatever the topology, the workload and the faults, the promises hold.
//!
//! A case that fails is printed as a scenario file, ready for `scenarios/regressions/` and for
//! `fedsim run`. `PROPTEST_CASES` sets how many cases each property draws.

mod draw;

use proptest::{
    prelude::ProptestConfig,
    test_runner::{TestCaseError, TestRunner},
};
use scenarios::{
    Scenario, language,
    record::Verdict,
    run::{self, Options},
    scenario::Delivery,
};

/// Cases that each property draws unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 48;

/// Draws scenarios with `draw` and asserts that none of them fails.
fn no_drawn_scenario_breaks_a_promise(draw: draw::Draw) {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default().cases,
        Err(_) => CASES,
    };
    // A failing case is kept as a scenario file, not as opaque bytes.
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome =
        runner.run(&draw::scenario(draw), |scenario| judge(&scenario).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// What is wrong with a run of `scenario`, with the scenario as a file.
fn judge(scenario: &Scenario) -> Result<(), String> {
    let record = run::run(scenario, scenario.seed, &Options::default()).record;
    if record.verdict == Verdict::Pass {
        return Ok(());
    }
    let sentence = record.sentence.unwrap_or_default();
    Err(format!("{:?}: {sentence}\n\n{}", record.verdict, language::to_toml(scenario)))
}

#[test]
fn an_m1_message_reaches_every_backend_or_none_whatever_breaks() {
    no_drawn_scenario_breaks_a_promise(draw::Draw { delivery: Delivery::M1, relays: 0 });
}

#[test]
fn an_eventual_message_reaches_every_backend_once_all_is_mended() {
    no_drawn_scenario_breaks_a_promise(draw::Draw { delivery: Delivery::Eventual, relays: 0 });
}

#[test]
fn mail_left_at_relays_is_kept_and_handed_out_once_whatever_breaks() {
    no_drawn_scenario_breaks_a_promise(draw::Draw { delivery: Delivery::Eventual, relays: 2 });
}

#[test]
fn the_properties_can_fail_the_design_of_2021_breaks_them() {
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let draw = draw::Draw { delivery: Delivery::M1Of2021, relays: 0 };
    let outcome =
        runner.run(&draw::scenario(draw), |scenario| judge(&scenario).map_err(TestCaseError::fail));
    let failure = outcome.expect_err("256 drawn runs find nothing wrong with it").to_string();
    assert!(failure.contains("all-or-nothing") || failure.contains("no-early-sight"), "{failure}");
}
