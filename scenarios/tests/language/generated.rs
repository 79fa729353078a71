//! `[generate]`: the same world for the same seed, within its bounds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use scenarios::{
    Scenario,
    language::{parse, parse_seeded},
    scenario::{Fault, FaultKind, NodeFault, OpKind, When},
};

const MINUTES: Duration = Duration::from_mins(10);

fn text(seed: u64) -> String {
    format!(
        "name = \"world\"\nseed = {seed}\nlimit = \"10m\"\n[generate]\nbackends = 23\n\
         rooms-of = 5\nsends-per-second = 2.0\nfor = \"10m\"\ncrashes-every = \"5s\"\n\
         down-for = [\"5s\", \"40s\"]\nrelays = 2\n"
    )
}

fn world(seed: u64) -> Scenario {
    parse("world.toml", &text(seed)).expect("a scenario")
}

/// Returns when a crash begins and ends.
fn downtime(fault: &Fault) -> (Duration, Duration) {
    let (When::At(at), Some(lasts)) = (&fault.when, fault.lasts) else {
        panic!("not a timed fault: {fault:?}");
    };
    (*at, *at + lasts)
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_one_another() {
    assert_eq!(world(1), world(1));
    assert_ne!(world(1).ops, world(2).ops);
    assert_ne!(world(1).faults, world(2).faults);
    assert_eq!(world(1).users, world(2).users);
}

#[test]
fn a_seed_in_the_place_of_the_files_draws_another_world() {
    let seeded = |seed| parse_seeded("world.toml", &text(1), seed).expect("a scenario");
    assert_eq!(seeded(1), world(1));
    assert_eq!(seeded(2), world(2));
}

#[test]
fn everybody_is_in_one_room_and_only_the_last_is_smaller() {
    let world = world(1);
    assert_eq!((world.backends.len(), world.users.len(), world.relays.len()), (23, 23, 2));
    let sizes: Vec<_> = world.conversations.values().map(|room| room.members.len() + 1).collect();
    assert_eq!(sizes, [5, 5, 5, 5, 3]);
    let rooms = world.conversations.values();
    let members: BTreeSet<_> =
        rooms.flat_map(|room| room.members.iter().chain([&room.creator])).collect();
    assert_eq!(members.len(), 23);
}

#[test]
fn messages_come_as_often_as_asked_from_members_of_their_rooms() {
    let world = world(1);
    assert_eq!(world.ops.len(), 1200);
    assert!(world.ops.is_sorted_by_key(|op| op.at) && world.ops.iter().all(|op| op.at < MINUTES));
    for op in &world.ops {
        let OpKind::Send { from, to, .. } = &op.kind else { panic!("not a message: {op:?}") };
        let room = &world.conversations[to];
        assert!(room.creator == *from || room.members.contains(from));
    }
}

/// Returns the crashes of each machine, in the order in which they begin.
fn crashes(world: &Scenario) -> BTreeMap<&str, Vec<(Duration, Duration)>> {
    let mut of_machine: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for fault in &world.faults {
        let FaultKind::Node(NodeFault::Crash { node, .. }) = &fault.kind else {
            panic!("not a crash: {fault:?}")
        };
        of_machine.entry(node).or_default().push(downtime(fault));
    }
    for times in of_machine.values_mut() {
        times.sort();
    }
    of_machine
}

#[test]
fn a_machine_rests_after_a_crash_and_the_end_is_calm_for_as_long_as_asked() {
    let least_rest_and_calm = |more: &str| {
        let world = parse("world.toml", &format!("{}{more}", text(1))).expect("a scenario");
        let crashes = crashes(&world);
        let rests = crashes
            .values()
            .flat_map(|times| times.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].1)));
        let last = crashes.values().flatten().map(|(_, ends)| *ends).max();
        (rests.min().expect("two crashes"), MINUTES - last.expect("a crash"))
    };
    let (rest, calm) = least_rest_and_calm("");
    assert!((10..60).contains(&rest.as_secs()), "{rest:?}");
    assert!((30..90).contains(&calm.as_secs()), "{calm:?}");
    let (rest, calm) = least_rest_and_calm("rest = \"1m\"\ncalm = \"3m\"\n");
    assert!(rest >= Duration::from_mins(1), "{rest:?}");
    assert!(calm >= Duration::from_mins(3), "{calm:?}");
}

#[test]
fn crashes_of_a_machine_never_overlap_and_end_well_before_the_end() {
    let world = world(1);
    assert!(world.faults.len() > 80, "only {} crashes", world.faults.len());
    for (n, fault) in world.faults.iter().enumerate() {
        let (begins, ends) = downtime(fault);
        let (least, most) = (Duration::from_secs(5), Duration::from_secs(40));
        assert!(begins + least <= ends && ends <= begins + most);
        assert!(ends + Duration::from_secs(30) <= MINUTES);
        let FaultKind::Node(NodeFault::Crash { node, .. }) = &fault.kind else {
            panic!("not a crash: {fault:?}")
        };
        let same = world.faults[..n].iter().filter(|earlier| {
            matches!(&earlier.kind, FaultKind::Node(NodeFault::Crash { node: other, .. }) if other == node)
        });
        assert!(same.map(downtime).all(|(_, ended)| ended < begins), "{node} crashes while down");
    }
}
