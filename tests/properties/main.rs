//! Property tests: whatever the topology, the workload and the faults, the promises hold.
//!
//! They draw with the strategies of `fedsim explore --ways drawn`. A case that fails is shrunk and
//! printed as a scenario file, with the command that replays it. `FEDSIM_CASES` sets how many cases
//! each property draws, and `FEDSIM_SEED` what from; both are printed when a property fails.

use std::{env, fs, iter, ops::ControlFlow, path::Path, sync::atomic::AtomicBool};

use explore::{
    Subject, Trial, shrink,
    sources::{Candidate, Drawn, Shard, Source, Topology},
    trial::End,
    workers,
};
use scenarios::{language, scenario::Delivery};

/// The cases that each property draws, unless `FEDSIM_CASES` says otherwise.
const CASES: u64 = 96;

/// What they are drawn from, unless `FEDSIM_SEED` says otherwise.
const SEED: u64 = 1;

/// How many cases are played at once. The properties themselves are tested at once, too.
const THREADS: usize = 2;

/// Draws `cases` scenarios and plays each. Returns the first that does not pass.
fn first_failure(topology: Topology, cases: u64, seed: u64) -> Option<(Candidate, Trial)> {
    let mut drawn = Drawn::new(vec![topology], seed, Shard::default());
    let draw = iter::from_fn(|| drawn.next());
    let candidates: Vec<Candidate> = draw.take(usize::try_from(cases).expect("fits")).collect();
    let subject = Subject::homeservers();
    let play = |number: usize| subject.play(&candidates[number].scenario);
    let (mut first, mut number) = (None, 0);
    let begun = workers::in_order(candidates.len(), THREADS, play, |trial| {
        number += 1;
        if trial.end == End::Passed {
            return ControlFlow::Continue(());
        }
        first = Some((candidates[number - 1].clone(), trial));
        ControlFlow::Break(())
    });
    begun.expect("threads begin");
    first
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let Ok(text) = env::var(variable) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{variable}=`{text}` is not a whole number"))
}

/// Asserts that no drawn scenario fails. `name` is that of the file which one that does is kept in.
fn no_drawn_scenario_breaks_a_promise(name: &str, topology: Topology) {
    let (cases, seed) = (number("FEDSIM_CASES", CASES), number("FEDSIM_SEED", SEED));
    if let Some((candidate, trial)) = first_failure(topology, cases, seed) {
        let (text, story) = told(&candidate, &trial);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{name}.toml"));
        let kept = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &text));
        panic!(
            "FEDSIM_CASES={cases} FEDSIM_SEED={seed}: {story}\n\n{text}\n\n{}",
            match kept {
                Ok(()) => format!("fedsim run {}", path.display()),
                Err(error) => format!("it could not be kept in {}: {error}", path.display()),
            }
        );
    }
}

/// Returns a scenario that does not pass as a file, made small if it violates something, and what
/// is wrong with its run.
fn told(candidate: &Candidate, trial: &Trial) -> (String, String) {
    let whole = || language::to_toml(&candidate.scenario);
    let Some(violation) = trial.violations().first() else {
        return (whole(), format!("{:?}", trial.end));
    };
    let stop = AtomicBool::new(false);
    let check = &violation.check;
    let shrunk = shrink(&Subject::homeservers(), &candidate.scenario, check, &stop);
    let text = shrunk.map_or_else(whole, |shrunk| shrunk.to_toml());
    (text, format!("{check}: {}", violation.sentence))
}

#[test]
fn an_m1_message_reaches_every_backend_or_none_whatever_breaks() {
    let topology = Topology { deliveries: vec![Delivery::M1], relays: 0 };
    no_drawn_scenario_breaks_a_promise("m1", topology);
}

#[test]
fn an_eventual_message_reaches_every_backend_once_all_is_mended() {
    let topology = Topology { deliveries: vec![Delivery::Eventual], relays: 0 };
    no_drawn_scenario_breaks_a_promise("eventual", topology);
}

#[test]
fn mail_left_at_relays_is_kept_and_handed_out_once_whatever_breaks() {
    let topology = Topology { deliveries: vec![Delivery::Eventual], relays: 2 };
    no_drawn_scenario_breaks_a_promise("relays", topology);
}

#[test]
fn the_properties_can_fail_the_design_of_2021_breaks_them() {
    let topology = Topology { deliveries: vec![Delivery::M1Of2021], relays: 0 };
    let failure = first_failure(topology, 32, SEED);
    let (_, trial) = failure.expect("32 drawn runs find nothing wrong with it");
    assert!(
        trial.violates("all-or-nothing") || trial.violates("no-early-sight"),
        "{:?}",
        trial.end
    );
}
