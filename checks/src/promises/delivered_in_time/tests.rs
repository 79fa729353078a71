//! Who is blamed for a message that is late, and who is not.

use journal::Event;
use scenarios::scenario::{
    AfterCrash, Delivery, Fault, FaultKind, NetworkFault, NodeFault, Scenario, When,
};
use serde_json::{Value, json};

use super::judge;
use crate::{
    Judgment,
    history::{
        Note,
        fake::{Fake, scenario, transaction},
    },
};

const STORE: &str = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
const RETRIEVE: &str = "GET /_matrix/federation/v1/relay_txn/@user:b";

/// Returns a scenario of `a` and `b` alone, with these faults.
fn two(kinds: &[FaultKind]) -> Scenario {
    let mut scenario = scenario(Delivery::Eventual);
    scenario.backends.remove("c");
    scenario.users.remove("carol");
    for conversation in scenario.conversations.values_mut() {
        conversation.members.retain(|member| member != "carol");
    }
    let at_once = || When::At(std::time::Duration::ZERO);
    let fault = |kind: &FaultKind| Fault::new(at_once(), None, kind.clone());
    scenario.faults = kinds.iter().map(fault).collect();
    scenario
}

fn crash(node: &str) -> FaultKind {
    NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::default() }.into()
}

fn partition() -> FaultKind {
    let (between, and) = (vec!["a".to_owned()], vec!["b".to_owned()]);
    NetworkFault::Partition { between, and, one_way: false }.into()
}

fn ends(fake: &mut Fake, index: usize) {
    fake.push("", Event::FaultEnded { fault: index as u64 + 1, what: String::new() });
}

fn judged(scenario: &Scenario, happens: impl FnOnce(&mut Fake)) -> Judgment {
    let mut fake = Fake::ready();
    happens(&mut fake);
    fake.note(&Note::Settled { pending: Vec::new() });
    fake.judged_in(scenario, judge)
}

fn sentence(judgment: Judgment) -> String {
    judgment.finding.expect("a violation").sentence
}

#[test]
fn what_nothing_is_in_the_way_of_comes_within_the_bound() {
    let sent = |wait: u64, arrives: bool| {
        judged(&two(&[]), |fake| {
            fake.sent_ok("alice/1", "m1");
            if arrives {
                let what = "PUT /_matrix/federation/v1/send/1";
                fake.exchange(("a", "b"), what, &transaction("m1"), &json!({}));
            }
            fake.waits(wait);
        })
    };
    assert_eq!((sent(200, true).judged, sent(200, true).finding), (1, None));
    assert_eq!(sent(20, false).finding, None);
    let late = sentence(sent(200, false));
    assert!(late.starts_with("b did not have m1 by 1m 30."), "{late}");
    assert!(late.contains("a could have reached it from"), "{late}");
}

#[test]
fn after_an_outage_it_may_take_as_long_as_the_back_off() {
    let healed = |wait: u64| {
        judged(&two(&[partition()]), |fake| {
            fake.begins_fault(0);
            fake.sent_ok("alice/1", "m1");
            // A relay has it, so that only the direct way is judged.
            fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
            fake.waits(100);
            ends(fake, 0);
            fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
            fake.waits(wait);
        })
    };
    assert!(healed(80).finding.is_none() || sentence(healed(80)).contains("did not ask"));
    assert!(healed(700).finding.is_some());
}

#[test]
fn what_a_relay_took_is_not_sent_directly_while_the_relay_cannot_be_asked() {
    let far = |kind: FaultKind| {
        judged(&two(&[kind]), |fake| {
            fake.sent_ok("alice/1", "m1");
            fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            fake.begins_fault(0);
            fake.waits(200);
        })
    };
    let from_the_relay = {
        let (between, and) = (vec!["b".to_owned()], vec!["r1".to_owned()]);
        NetworkFault::Partition { between, and, one_way: false }.into()
    };
    assert_eq!(far(from_the_relay).finding, None);
    assert_eq!(far(crash("r1")).finding, None);
    assert!(far(crash("r2")).finding.is_some());
}

#[test]
fn a_destination_that_calls_is_called_back_whatever_the_back_off() {
    let late = judged(&two(&[partition()]), |fake| {
        fake.begins_fault(0);
        fake.sent_ok("alice/1", "m1");
        fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
        fake.waits(60);
        fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
        ends(fake, 0);
        fake.waits(30);
        let what = "PUT /_matrix/federation/v1/send/9";
        fake.exchange(("b", "a"), what, &json!({"pdus": []}), &json!({}));
        fake.waits(40);
    });
    assert!(sentence(late).starts_with("b did not have m1 by 2m 0."));
}

#[test]
fn a_call_right_after_an_outage_counts_once_its_traces_are_gone() {
    let late = judged(&two(&[partition()]), |fake| {
        fake.begins_fault(0);
        fake.sent_ok("alice/1", "m1");
        fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
        fake.waits(60);
        fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
        ends(fake, 0);
        let what = "PUT /_matrix/federation/v1/send/9";
        fake.exchange(("b", "a"), what, &json!({"pdus": []}), &json!({}));
        fake.waits(60);
    });
    assert!(sentence(late).starts_with("b did not have m1 by 1m 50."));
}

#[test]
fn an_outage_that_was_over_when_something_came_excuses_no_wait() {
    let after = |is_reached: bool| {
        judged(&two(&[partition()]), |fake| {
            fake.begins_fault(0);
            fake.waits(300);
            ends(fake, 0);
            if is_reached {
                let what = "PUT /_matrix/federation/v1/send/1";
                fake.exchange(("a", "b"), what, &json!({"pdus": []}), &json!({}));
            }
            fake.waits(60);
            fake.sent_ok("alice/1", "m1");
            fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            fake.waits(60);
            fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
            fake.waits(60);
        })
    };
    assert_eq!(after(false).finding, None);
    assert!(sentence(after(true)).starts_with("b did not have m1 by 7m 30."));
}

#[test]
fn while_a_destination_is_down_its_mail_goes_to_the_relay() {
    let down = |is_stored: bool| {
        judged(&two(&[crash("b")]), |fake| {
            fake.begins_fault(0);
            fake.sent_ok("alice/1", "m1");
            if is_stored {
                fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            }
            fake.waits(200);
        })
    };
    assert_eq!(down(true).finding, None);
    let late = sentence(down(false));
    assert!(late.starts_with("a gave m1 neither to b nor to r1 by 1m 30."), "{late}");
}

#[test]
fn who_can_reach_its_relay_asks_it() {
    let partitioned = |asks: bool| {
        judged(&two(&[partition()]), |fake| {
            fake.begins_fault(0);
            fake.sent_ok("alice/1", "m1");
            fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            fake.waits(30);
            if asks {
                fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
            }
            fake.waits(100);
        })
    };
    assert_eq!(partitioned(true).finding, None);
    let late = sentence(partitioned(false));
    assert!(late.starts_with("b did not ask r1, which had m1 for it, from"), "{late}");
}

#[test]
fn nobody_is_blamed_who_was_out_himself() {
    let out = judged(&two(&[crash("a"), crash("r1"), partition()]), |fake| {
        fake.sent_ok("alice/1", "m1");
        fake.begins_fault(0);
        fake.begins_fault(1);
        fake.waits(2000);
    });
    assert_eq!((out.judged, out.finding), (1, None));
}
