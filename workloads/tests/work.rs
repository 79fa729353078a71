//! A workload does the work that it is measured for: one that does nothing is quick.

use std::time::Duration;

use scenarios::scenario::OpKind;
use workloads::{
    commits,
    federations::{pass, pass_in_turmoil, pass_recorded, rooms_of_three, three_backends},
    loopback, servers, simulated, stock_turmoil, yardstick,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_same_program_is_answered_in_each_world() {
    // Each of three machines asks in five seconds, and its last question may still be under way.
    assert!(simulated::loaded(3, Some(SECOND), 5 * SECOND).unwrap() >= 3 * 4);
    assert!(stock_turmoil::loaded(3, SECOND, 5 * SECOND).unwrap() >= 3 * 4);
    assert!(loopback::loaded(3, Duration::from_millis(100)).unwrap() >= 3);
}

#[test]
fn every_client_of_one_server_is_answered() {
    assert!(simulated::one_server(10, SECOND, 5 * SECOND).unwrap() >= 10 * 4);
}

#[test]
fn requests_one_after_the_other_are_answered_in_each_world() {
    for requests in [simulated::requests, stock_turmoil::requests, loopback::requests] {
        assert!(requests(3).unwrap() > Duration::ZERO);
    }
}

#[test]
fn no_answer_is_no_work() {
    assert!(simulated::loaded(3, Some(SECOND), Duration::ZERO).is_err());
}

#[test]
fn commits_are_made_and_idle_servers_run() {
    assert!(commits::simulated(3).unwrap() > Duration::ZERO);
    // Each is booted, and asks its relay now and then.
    assert!(servers::idle(2, 60 * SECOND).unwrap() > 10);
}

#[test]
fn federations_send_what_is_asked_and_pass() {
    let (few, rooms) = (three_backends(2), rooms_of_three(3, 1));
    let sends = |ops: &[scenarios::scenario::Op]| {
        ops.iter().filter(|op| matches!(op.kind, OpKind::Send { .. })).count()
    };
    assert_eq!((sends(&few.ops), sends(&rooms.ops)), (2, 3));
    pass(&few, 1).unwrap();
    pass(&rooms, 1).unwrap();
}

#[test]
fn a_federation_passes_in_stock_turmoil_too() {
    let few = three_backends(2);
    pass_recorded(&few, 1).unwrap();
    pass_in_turmoil(&few, 1).unwrap();
}

#[test]
fn a_yardstick_does_each_part_of_its_work() {
    yardstick::runs(1).unwrap();
}
