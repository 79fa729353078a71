//! Each scenario of the library that turmoil can express comes to the same verdict in both worlds.

use std::{path::Path, sync::Arc};

use checks::{Record, record::CheckVerdict};
use libtest_mimic::{Arguments, Failed, Trial};
use runs::{Homeservers, Options, run, run_on};
use scenarios::{Scenario, language};
use turmoil_world::{Turmoil, obstacles};

fn main() {
    let arguments = Arguments::from_args();
    let (mut trials, mut left_out) = (Vec::new(), Vec::new());
    for scenario in library() {
        let reasons = obstacles(&scenario);
        if reasons.is_empty() {
            let name = scenario.name.clone();
            trials.push(Trial::test(name, move || agree(&scenario)));
        } else {
            left_out.push(format!("{}: {}", scenario.name, reasons.join("; ")));
        }
    }
    let compared = trials.len();
    trials.push(Trial::test("twenty_scenarios_and_more_can_be_expressed", move || {
        let shown = left_out.join("\n");
        if compared < 20 { Err(Failed::from(shown)) } else { Ok(()) }
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn library() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library");
    let loaded = language::load_folder(&folder).expect("the library is there");
    let scenarios: Vec<_> =
        loaded.into_iter().map(|(_, scenario)| scenario.expect("it has no mistake")).collect();
    assert!(scenarios.len() >= 20, "the library is there");
    scenarios
}

/// What a record comes to: its verdict, and the checks that are violated.
fn verdicts(record: &Record) -> (String, Vec<&str>) {
    let violated = record.checks.iter().filter(|it| it.verdict == CheckVerdict::Violated);
    (format!("{:?}", record.verdict), violated.map(|it| it.name.as_str()).collect())
}

fn agree(scenario: &Scenario) -> Result<(), Failed> {
    let options = Options::default();
    let here = run(scenario, scenario.seed, &options).record;
    let federation = Arc::new(Homeservers::default());
    let there = run_on(&Turmoil, federation, scenario, scenario.seed, &options).record;
    if verdicts(&here) == verdicts(&there) {
        return Ok(());
    }
    let (here, there) = (verdicts(&here), (verdicts(&there), &there.sentence, &there.ended));
    Err(Failed::from(format!("here {here:?}\nin turmoil {there:?}")))
}
