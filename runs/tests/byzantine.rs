//! Dishonest peers: what they draw, whom they wrong, and that they are the ones to blame.

use std::time::Duration;

use checks::{
    Run,
    record::{CheckVerdict, Verdict},
};
use runs::{Options, run};
use scenarios::{
    Scenario,
    builder::wrongs,
    scenario::{Delivery, Misdeed, PeerFault, When},
};

/// Lets `b` send a message per second, with half of its requests tampered with.
fn half_of_the_time(seed: u64) -> Run {
    let mut scenario = Scenario::build("half-of-the-time")
        .backends(["a", "b"])
        .user("alice", "a")
        .user("bob", "b")
        .conversation("pair", "alice", ["bob"], Delivery::Eventual);
    for n in 0..10 {
        scenario = scenario.send(&format!("m{n}"), "bob", "pair").at(Duration::from_secs(n));
    }
    let fault = PeerFault { share: 0.5, ..wrongs("b", Misdeed::SameIdOtherBody) };
    let scenario = scenario.fault(When::At(Duration::ZERO), fault).finish();
    run(&scenario, seed, &Options::default())
}

#[test]
fn what_is_tampered_with_is_drawn_from_the_seed() {
    let run = half_of_the_time(1);
    let hits = run.record.faults[0].hits;
    assert!((1..10).contains(&hits), "{hits} of 10 were drawn");
    assert_eq!(run.recording.journal.hash(), half_of_the_time(1).recording.journal.hash());
    let other = (2..6).map(|seed| half_of_the_time(seed).record.faults[0].hits);
    assert!(other.into_iter().any(|it| it != hits), "every seed draws {hits}");
}

#[test]
fn a_repetition_with_another_body_is_judged_by_the_answer_to_it() {
    let record = half_of_the_time(1).record;
    assert_eq!(record.verdict, Verdict::Pass, "{:?}", record.sentence);
    let judged = |name: &str| {
        let check = record.checks.iter().find(|check| check.name == name).expect("judged");
        assert_eq!(check.verdict, CheckVerdict::Holds);
        check.judged
    };
    assert_eq!(judged("idempotent-transactions"), record.faults[0].hits);
    assert_eq!(judged("no-forgery"), record.faults[0].hits);
}
