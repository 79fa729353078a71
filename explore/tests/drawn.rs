//! What is drawn: scenarios that a file could say, of every kind.

use std::collections::BTreeSet;

use explore::sources::{Drawn, Shard, Source, Topology, strategy};
use proptest::prelude::*;
use scenarios::{
    Scenario, language,
    scenario::{Delivery, Misdeed, OpKind, Relay},
    vocabulary::HOMESERVERS,
};

/// How many scenarios a test draws.
const MANY: usize = 1500;

fn drawn(seed: u64) -> Vec<Scenario> {
    drawn_from(source(seed))
}

fn source(seed: u64) -> Drawn {
    let topologies = [0, 2].into_iter().flat_map(|relays| {
        Delivery::WORDS.map(|(_, delivery)| Topology { deliveries: vec![delivery], relays })
    });
    Drawn::new(topologies.collect(), seed, Shard::default())
}

fn drawn_from(mut source: Drawn) -> Vec<Scenario> {
    let mut next = || source.next().expect("there is always one more");
    (0..MANY).map(|_| next().scenario).collect()
}

#[test]
fn every_drawn_scenario_is_one_that_a_file_could_say() {
    let lost = drawn_from(source(1).losing_disks());
    for scenario in drawn(1).into_iter().chain(lost.into_iter().take(MANY / 5)) {
        let checked = language::check_in(&HOMESERVERS, scenario.clone());
        let checked = checked.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(checked, scenario);
        let text = language::to_toml(&scenario);
        assert_eq!(language::parse("drawn.toml", &text).expect("it reads back"), scenario);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_property_test_draws_the_same_kinds_of_scenarios(
        scenario in strategy(Topology { deliveries: vec![Delivery::Eventual], relays: 2 }),
    ) {
        let checked = language::check_in(&HOMESERVERS, scenario.clone());
        prop_assert_eq!(checked.map_err(|it| it.to_string()), Ok(scenario.clone()));
        prop_assert!(scenario.relays.len() <= 2);
        let rooms = scenario.conversations.values();
        prop_assert!(rooms.map(|it| it.delivery).all(|it| it == Delivery::Eventual));
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
}

#[test]
fn every_kind_of_fault_and_operation_is_drawn() {
    let drawn = drawn(1);
    let faults: BTreeSet<&str> =
        drawn.iter().flat_map(|it| &it.faults).map(|fault| fault.kind.key()).collect();
    let expected = [
        "partition",
        "split",
        "shape",
        "hold",
        "link",
        "reset",
        "duplicate",
        "answers",
        "refuse",
        "hang",
        "crash",
        "kill",
        "pause",
        "storm",
        "rotate-key",
        "disk",
        "clock-skew",
        "clock-drift",
    ];
    let lies = Misdeed::PLAIN.into_iter().filter(|(_, misdeed)| !misdeed.is_of_relay());
    let expected = expected.into_iter().chain(lies.map(|(key, _)| key));
    assert_eq!(faults, expected.collect());
    let has =
        |is_it: fn(&OpKind) -> bool| drawn.iter().flat_map(|it| &it.ops).any(|op| is_it(&op.kind));
    assert!(has(|it| matches!(it, OpKind::Join { .. })));
    assert!(has(|it| matches!(it, OpKind::Leave { .. })));
    assert!(has(|it| matches!(it, OpKind::Invite { .. })));
    assert!(has(|it| matches!(it, OpKind::Redact { .. })));
    assert!(has(|it| matches!(it, OpKind::Kick { .. })));
    assert!(has(|it| matches!(it, OpKind::Ban { .. })));
    assert!(has(|it| matches!(it, OpKind::Power { .. })));
    assert!(has(|it| matches!(it, OpKind::State { .. })));
    assert!(has(|it| matches!(it, OpKind::Fetch { .. })));
    assert!(has(|it| matches!(it, OpKind::Trespass { .. })));
    assert!(drawn.iter().flat_map(|it| &it.ops).any(|op| op.repeat.times > 200));
    assert!(drawn.iter().any(|it| it.relays.values().any(Relay::forwards)));
}

#[test]
fn a_disk_is_lost_in_each_draw_that_is_to_lose_one_and_in_no_other() {
    let losses = |drawn: &[Scenario], key: &str| {
        let losing = |it: &&Scenario| it.faults.iter().any(|fault| fault.kind.key() == key);
        drawn.iter().filter(losing).count()
    };
    let (plain, losing) = (drawn(1), drawn_from(source(1).losing_disks()));
    assert_eq!((losses(&plain, "wipe"), losses(&plain, "restore")), (0, 0));
    let (wiped, restored) = (losses(&losing, "wipe"), losses(&losing, "restore"));
    assert!(wiped + restored == MANY && wiped > MANY / 5 && restored > MANY / 2);
}
