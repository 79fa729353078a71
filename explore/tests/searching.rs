//! What a campaign finds, in its order, and what is left of it.

use std::{collections::BTreeSet, path::Path, sync::atomic::AtomicBool};

use explore::{Campaign, Exploration, Method, Subject, shrink, sources::Shard};
use scenarios::{
    Scenario, language,
    scenario::{Delivery, Schedule},
};

/// Returns the scenario of the library that is called `name`, with this delivery policy.
fn library(name: &str, delivery: Delivery) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library");
    let path = folder.join(format!("{name}.toml"));
    let mut scenario = language::load(&path).expect("a scenario of the library is valid");
    scenario.conversations.values_mut().for_each(|room| room.delivery = delivery);
    scenario
}

fn campaign(base: Scenario, methods: impl Into<BTreeSet<Method>>, runs: u64) -> Campaign {
    Campaign {
        bases: vec![base],
        methods: methods.into(),
        runs,
        fail_fast: None,
        shard: Shard::default(),
        seed: 1,
        threads: 2,
    }
}

fn play(campaign: &Campaign) -> Exploration {
    let stop = AtomicBool::new(false);
    campaign.play(&Subject::homeservers(), &stop, |_, _, _| {}).expect("threads begin")
}

#[test]
fn the_window_of_2021_is_found_and_shrinks_to_one_fault_and_one_send() {
    let base = library("m1-all-up", Delivery::M1Of2021);
    let explored = play(&campaign(base, [Method::EveryLeg], 60));
    let failures = explored.into_failures();
    let found = failures.iter().find(|failure| failure.violation.check == "all-or-nothing");
    let found = found.expect("60 runs find that some backends have what others never get");
    let stop = AtomicBool::new(false);
    let shrunk = shrink(&Subject::homeservers(), &found.smallest.scenario, "all-or-nothing", &stop);
    let shrunk = shrunk.expect("it fails again");
    assert_eq!(shrunk.size(), (1, 1), "{}", shrunk.to_toml());
    assert!(language::parse("shrunk", &shrunk.to_toml()).is_ok(), "{}", shrunk.to_toml());
}

#[test]
fn a_campaign_does_not_depend_on_the_number_of_threads() {
    let one = Campaign {
        threads: 1,
        ..campaign(library("m1-all-up", Delivery::M1), Method::SEARCHES, 72)
    };
    let three = Campaign { threads: 3, ..one.clone() };
    let (one, three) = (play(&one), play(&three));
    assert_eq!(one.coverage, three.coverage);
    assert_eq!((one.runs, one.simulated), (three.runs, three.simulated));
}

#[test]
fn parts_of_a_campaign_share_no_leg_and_leave_none_out() {
    let part = |index, of| {
        let campaign = campaign(library("m1-all-up", Delivery::M1), [Method::EveryLeg], 40);
        let campaign = Campaign { shard: Shard { index, of }, ..campaign };
        let mut tried = Vec::new();
        let stop = AtomicBool::new(false);
        let watch = |_: &Exploration, candidate: &explore::Candidate, _: &explore::Trial| {
            if candidate.method == Method::EveryLeg {
                // Which of them run in a seeded order is drawn as they come.
                let schedule = Schedule::default();
                let scenario = Scenario { schedule, ..candidate.scenario.clone() };
                tried.push(language::to_toml(&scenario));
            }
        };
        campaign.play(&Subject::homeservers(), &stop, watch).expect("threads begin");
        tried
    };
    let whole = part(0, 1);
    let (even, odd) = (part(0, 2), part(1, 2));
    let halves: Vec<&String> = even.iter().zip(&odd).flat_map(|(even, odd)| [even, odd]).collect();
    assert_eq!(whole.iter().collect::<Vec<_>>(), halves[..whole.len()]);
}

#[test]
fn a_setting_that_is_not_needed_is_left_out_and_one_that_is_stays() {
    let text = r#"
        name = "settings"
        backends.a = { attempts_before_relay = 1, request_timeout = "3s" }
        backends.b = { relays = ["r1"], relay_poll_interval = "1h", backoff_max = "1m" }
        relays.r1 = { max_handouts = 10 }
        users.alice = { backend = "a" }
        users.bob = { backend = "b" }
        conversations.team = { creator = "alice", members = ["bob"] }
        [[ops]]
        at = "1s"
        send = { id = "m1", from = "alice", to = "team" }
        [[faults]]
        at = "0s"
        for = "50s"
        answers = { node = "b", to = ["a"], status = 502 }
        [expect]
        only = ["delivered"]"#;
    let scenario = language::parse("x.toml", text).expect("a scenario");
    let stop = AtomicBool::new(false);
    let shrunk = shrink(&Subject::homeservers(), &scenario, "delivered", &stop);
    let shrunk = shrunk.expect("mail that is not fetched is not delivered").to_toml();
    assert!(shrunk.contains("relay_poll_interval = \"1h\""), "{shrunk}");
    for gone in ["request_timeout", "backoff_max", "max_handouts"] {
        assert!(!shrunk.contains(gone), "{shrunk}");
    }
}
