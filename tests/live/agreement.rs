//! Verdicts in both worlds, on fedsim's own servers.

use serde_json::Value;

use crate::command::Runs;

/// Asserts that a scenario comes to one verdict in both worlds, and that each fault touches something and
/// each check judges something in both.
fn agrees(scenario: &str) {
    let runs = Runs::new();
    let verdict = |world| -> Value {
        let said = Runs::said(&mut runs.command(world, scenario));
        serde_json::json!([said["verdict"], said["sentence"], said["weaknesses"]])
    };
    assert_eq!(verdict("live"), verdict("sim"), "{scenario}");
}

#[test]
fn a_cut_between_prepare_and_commit_leaves_nobody_out() {
    needs_namespaces!();
    agrees("m1-cut-between-prepare-and-commit");
}

#[test]
fn a_front_proxy_that_answers_for_a_member_is_the_same_in_both_worlds() {
    needs_namespaces!();
    agrees("m1-front-proxy-answers-for-a-member");
}

#[test]
fn a_request_that_is_cut_in_its_body_is_the_same_in_both_worlds() {
    needs_namespaces!();
    agrees("eventual-request-cut-in-its-body");
}

#[test]
fn a_relay_keeps_mail_for_a_process_that_is_dead() {
    needs_namespaces!();
    agrees("relay-offline-and-back");
}
