//! What `same-state` judges, and what it excuses.

use std::time::Duration;

use scenarios::scenario::{Delivery, Fault, Misdeed, NetworkFault, Op, OpKind, PeerFault, When};
use serde_json::{Value, json};

use super::judge;
use crate::{
    Judgment,
    history::{
        Note, PduFacts,
        fake::{Fake, restored, scenario},
    },
    record::OpOutcome,
};

#[test]
fn backends_agree_on_every_event_of_the_state() {
    let judged = |theirs: &str| {
        let mut fake = Fake::ready();
        fake.state_at_end("a", "$create");
        fake.state_at_end("b", theirs);
        fake.judged(Delivery::Eventual, judge)
    };
    assert_eq!((judged("$create").judged, judged("$create").finding), (1, None));
    let finding = judged("$other").finding.expect("a violation");
    assert_eq!(finding.sentence, "a and b differ about m.room.create in team");
}

#[test]
fn who_is_restored_need_not_agree_until_somebody_leads_it_back() {
    let differs = |is_led_back: bool| {
        let mut fake = Fake::ready();
        fake.begins_fault(0);
        fake.waits(10);
        fake.sent_ok("alice/1", "m1");
        fake.holds_at_end("b", if is_led_back { &["$m1"] } else { &[] });
        fake.state_at_end("a", "$create");
        fake.state_at_end("b", "$other");
        fake.judged_in(&restored("b", 0), judge).finding.is_some()
    };
    assert!(!differs(false) && differs(true));
}

/// Returns the event of a new topic, and its id.
fn topic_of_alice() -> (Value, String) {
    let topic = json!({"type": "m.room.topic", "state_key": "", "depth": 1, "content": {},
                       "room_id": "!team", "sender": "@alice:a"});
    let event = PduFacts::of(&topic).expect("a PDU").event;
    (topic, event)
}

/// Lets `a` tell `b` of a new topic while it is cut off from `c`, and then lose its disk.
fn told_b_alone(node: &str, is_cut: bool, is_led_to: bool) -> Judgment {
    let mut scenario = restored(node, 5);
    let (between, and) = (vec!["a".to_owned()], vec!["c".to_owned()]);
    let cut = NetworkFault::Partition { between, and, one_way: false };
    scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, cut.into()));
    let (topic, event) = topic_of_alice();
    let mut fake = Fake::ready();
    if is_cut {
        fake.begins(1, 1);
    }
    fake.waits(10);
    let what = "PUT /_matrix/federation/v1/send/1";
    fake.exchange(("a", "b"), what, &json!({"pdus": [topic]}), &Value::Null);
    fake.begins(0, if is_cut { 2 } else { 1 });
    if is_led_to {
        fake.sent_ok("bob/1", "m1");
    }
    fake.holds_at_end("c", if is_led_to { &["$m1"] } else { &[] });
    fake.state_at_end("b", &event);
    fake.state_at_end("c", "$before");
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_the_only_one_to_tell_it_lost_before_it_could_is_excused_until_somebody_leads_to_it() {
    let excused = told_b_alone("a", true, false);
    assert_eq!(excused.finding, None);
    let sentence = "a lost its disk at 10.007s, before it could tell c of m.room.create";
    assert_eq!(excused.excused, [sentence]);
    assert!(told_b_alone("a", true, true).finding.is_some());
    assert!(told_b_alone("a", false, false).finding.is_some());
}

/// Lets `a`, which lies if it `lies`, tell `b` of a new topic, and `c` if `is_told`.
fn told_by_a_liar(lies: bool, is_told: bool, is_led_to: bool) -> Judgment {
    let mut scenario = scenario(Delivery::Eventual);
    if lies {
        let (node, misdeed) = ("a".to_owned(), Misdeed::Oversize);
        let fault = PeerFault { node, to: Vec::new(), share: 1.0, misdeed };
        scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, fault.into()));
    }
    let (topic, event) = topic_of_alice();
    let mut fake = Fake::ready();
    for to in if is_told { &["b", "c"][..] } else { &["b"][..] } {
        let what = "PUT /_matrix/federation/v1/send/1";
        fake.exchange(("a", to), what, &json!({"pdus": [topic]}), &json!({}));
    }
    fake.waits(1);
    if is_led_to {
        fake.sent_ok("bob/1", "m1");
    }
    fake.holds_at_end("c", if is_led_to { &["$m1"] } else { &[] });
    fake.state_at_end("b", &event);
    fake.state_at_end("c", "$before");
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_a_liar_tells_one_alone_is_excused_until_somebody_leads_the_other_to_it() {
    let excused = told_by_a_liar(true, false, false);
    assert_eq!(excused.finding, None);
    assert_eq!(excused.excused, ["a misbehaves, and did not tell c of m.room.create"]);
    assert!(told_by_a_liar(true, false, true).finding.is_some(), "bob's message leads there");
    assert!(told_by_a_liar(true, true, false).finding.is_some(), "c was told");
    assert!(told_by_a_liar(false, false, false).finding.is_some(), "a is honest");
}

#[test]
fn what_a_liar_hands_out_only_when_asked_is_excused_as_well() {
    let asked_for = |liar: &str| {
        let mut scenario = scenario(Delivery::Eventual);
        let (node, misdeed) = (liar.to_owned(), Misdeed::Oversize);
        let fault = PeerFault { node, to: Vec::new(), share: 1.0, misdeed };
        scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, fault.into()));
        let (topic, event) = topic_of_alice();
        let mut fake = Fake::ready();
        let what = "POST /_matrix/federation/v1/get_missing_events/!team";
        fake.exchange(("b", "a"), what, &json!({}), &json!({"events": [topic]}));
        fake.state_at_end("b", &event);
        fake.state_at_end("c", "$before");
        fake.judged_in(&scenario, judge)
    };
    assert_eq!(asked_for("a").finding, None);
    assert_eq!(asked_for("a").excused, ["a misbehaves, and did not tell c of m.room.create"]);
    assert!(asked_for("r1").finding.is_some(), "a is honest");
}

/// Lets `a` tell `b` of a new topic, and `c`, which answers so, with the misdeed of `a`.
fn told_with_a_key_hidden(misdeed: Misdeed, answer: &str, is_led_to: bool) -> Judgment {
    let mut scenario = scenario(Delivery::Eventual);
    let fault = PeerFault { node: "a".to_owned(), to: Vec::new(), share: 1.0, misdeed };
    scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, fault.into()));
    let (topic, event) = topic_of_alice();
    let mut fake = Fake::ready();
    fake.begins(0, 1);
    let what = "PUT /_matrix/federation/v1/send/1";
    fake.exchange(("a", "b"), what, &json!({"pdus": [topic]}), &json!({}));
    let answer = json!({"pdus": {event.clone(): {answer: "no such key"}}});
    fake.exchange(("a", "c"), what, &json!({"pdus": [topic]}), &answer);
    fake.waits(1);
    if is_led_to {
        fake.sent_ok("bob/1", "m1");
    }
    fake.holds_at_end("c", if is_led_to { &["$m1"] } else { &[] });
    fake.state_at_end("b", &event);
    fake.state_at_end("c", "$before");
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_was_refused_while_its_server_hid_its_key_is_excused_until_somebody_leads_to_it() {
    let excused = told_with_a_key_hidden(Misdeed::ExpiredKey, "error", false);
    assert_eq!(excused.finding, None);
    let sentence = "a misbehaves, and c could not check what it had signed of m.room.create";
    assert_eq!(excused.excused, [sentence]);
    assert!(told_with_a_key_hidden(Misdeed::ExpiredKey, "error", true).finding.is_some());
    assert!(told_with_a_key_hidden(Misdeed::ExpiredKey, "ok", false).finding.is_some());
    assert!(told_with_a_key_hidden(Misdeed::Oversize, "error", false).finding.is_some());
}

#[test]
fn what_a_liar_leaves_at_a_relay_alone_is_excused_as_well() {
    let mut scenario = scenario(Delivery::Eventual);
    let (node, misdeed) = ("a".to_owned(), Misdeed::Oversize);
    let fault = PeerFault { node, to: Vec::new(), share: 1.0, misdeed };
    scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, fault.into()));
    let (topic, event) = topic_of_alice();
    let mut fake = Fake::ready();
    let what = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
    fake.exchange(("a", "r1"), what, &json!({"pdus": [topic]}), &json!({}));
    fake.state_at_end("b", &event);
    fake.state_at_end("c", "$before");
    let excused = fake.judged_in(&scenario, judge);
    assert_eq!(excused.finding, None);
    assert_eq!(excused.excused, ["a misbehaves, and did not tell c of m.room.create"]);
}

/// Lets `b` tell `a` that bob removed carol, and `a` not take it, with the power of `whose` changed.
fn removed_by_bob(whose: &str, is_led_to: bool) -> Judgment {
    let mut scenario = scenario(Delivery::Eventual);
    let (user, by) = (whose.to_owned(), "alice".to_owned());
    let kind = OpKind::Power { user, level: 0, by, conversation: "team".to_owned() };
    scenario.ops.push(Op::once(Duration::from_secs(1), kind));
    let removal = json!({"type": "m.room.member", "state_key": "@carol:c", "depth": 1,
                         "content": {"membership": "leave"}, "room_id": "!team",
                         "sender": "@bob:b"});
    let event = PduFacts::of(&removal).expect("a PDU").event;
    let mut fake = Fake::ready();
    let what = "PUT /_matrix/federation/v1/send/1";
    fake.exchange(("b", "a"), what, &json!({"pdus": [removal]}), &json!({}));
    fake.waits(1);
    if is_led_to {
        fake.sent_ok("bob/1", "m1");
    }
    fake.holds_at_end("a", if is_led_to { &["$m1"] } else { &[] });
    fake.state_at_end("a", "$join");
    fake.state_at_end("b", &event);
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_somebody_does_while_his_power_changes_is_excused_until_he_leads_the_others_to_it() {
    let excused = removed_by_bob("bob", false);
    assert_eq!(excused.finding, None);
    assert_eq!(excused.excused, ["a had another power in mind for the leave of carol"]);
    assert_eq!(removed_by_bob("carol", false).finding, None, "of whom he removed as well");
    assert!(removed_by_bob("bob", true).finding.is_some(), "his message leads there");
    assert!(removed_by_bob("alice", false).finding.is_some(), "bob's power stays");
}

/// Lets `a` remove bob, while the power of `whose` changes, and not take `m1` of his, which `c` has.
fn removed_beside_a_message(whose: &str, is_led_to: bool) -> Judgment {
    let mut scenario = scenario(Delivery::Eventual);
    let (user, by) = (whose.to_owned(), "alice".to_owned());
    let kind = OpKind::Power { user, level: 100, by, conversation: "team".to_owned() };
    scenario.ops.push(Op::once(Duration::from_secs(1), kind));
    let removal = json!({"type": "m.room.member", "state_key": "@bob:b", "depth": 1,
                         "content": {"membership": "leave"}, "room_id": "!team",
                         "sender": "@alice:a"});
    let event = PduFacts::of(&removal).expect("a PDU").event;
    let mut fake = Fake::ready();
    fake.sent_ok("bob/1", "m1");
    let what = "PUT /_matrix/federation/v1/send/1";
    fake.exchange(("a", "c"), what, &json!({"pdus": [removal]}), &json!({}));
    fake.waits(1);
    fake.sent_ok("alice/1", "m2");
    if is_led_to {
        fake.sent_ok("carol/1", "m3");
    }
    fake.holds_at_end("a", if is_led_to { &["$m2", "$m3"] } else { &["$m2"] });
    fake.holds_at_end("c", if is_led_to { &["$m1", "$m2", "$m3"] } else { &["$m1", "$m2"] });
    fake.state_at_end("a", &event);
    fake.state_at_end("c", "$join");
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_is_undone_beside_a_message_is_excused_until_that_message_is_led_to() {
    let excused = removed_beside_a_message("bob", false);
    assert_eq!(excused.finding, None);
    let sentence = "a did not take m1, beside which c judges the leave of bob";
    assert_eq!(excused.excused, [sentence]);
    assert!(removed_beside_a_message("bob", true).finding.is_some(), "carol leads a to m1");
    assert!(removed_beside_a_message("carol", false).finding.is_some(), "nothing is disputed");
}

/// Lets `a` and `c` end with another leave of bob each, the second of which was built on `parents`.
fn left_twice(parents: &[&str], is_told: bool) -> Judgment {
    let leave = |depth: u64, parents: &[&str]| {
        let content = json!({"membership": "leave"});
        json!({"type": "m.room.member", "state_key": "@bob:b", "depth": depth, "content": content,
               "room_id": "!team", "sender": "@bob:b", "prev_events": parents})
    };
    let event = |pdu: &Value| PduFacts::of(pdu).expect("a PDU").event;
    let first = leave(1, &["$join"]);
    let parents: Vec<String> =
        parents.iter().map(|it| it.replace("$first", &event(&first))).collect();
    let second = leave(2, &parents.iter().map(String::as_str).collect::<Vec<_>>());
    let mut fake = Fake::ready();
    let what = "PUT /_matrix/federation/v1/send/1";
    let told = [("b", "a", &first), ("b", "c", &first), ("c", "a", &second)];
    for (from, to, pdu) in told.into_iter().take(if is_told { 3 } else { 2 }) {
        fake.exchange((from, to), what, &json!({"pdus": [pdu]}), &json!({}));
    }
    fake.state_at_end("a", &event(&first));
    fake.state_at_end("c", &event(&second));
    fake.judged(Delivery::Eventual, judge)
}

#[test]
fn of_two_leaves_that_know_nothing_of_each_other_each_backend_may_keep_the_first() {
    let excused = left_twice(&["$join"], true);
    assert_eq!(excused.finding, None);
    assert_eq!(excused.excused, ["a and c each heard of another one first of the leave of bob"]);
    assert!(left_twice(&["$join"], false).finding.is_some(), "a was not told");
    assert!(left_twice(&["$first"], true).finding.is_some(), "one follows the other");
}

/// Lets bob join, which `c` hears of if it `is_told`, and carol leave, which `a` hears of.
fn left_beside_a_join(is_told: bool, leaves: bool, is_led_to: bool) -> Judgment {
    let mut scenario = scenario(Delivery::Eventual);
    for team in scenario.conversations.values_mut() {
        team.members.retain(|member| member == "carol");
    }
    let member = |user: &str, membership: &str| {
        let content = json!({"membership": membership});
        json!({"type": "m.room.member", "state_key": user, "depth": 2, "content": content,
               "room_id": "!team", "sender": user})
    };
    let event = |pdu: &Value| PduFacts::of(pdu).expect("a PDU").event;
    let (join, leave) = (member("@bob:b", "join"), member("@carol:c", "leave"));
    let what = "PUT /_matrix/federation/v1/send/1";
    let mut fake = Fake::ready();
    fake.exchange(("b", "a"), what, &json!({"pdus": [join]}), &json!({}));
    if is_told {
        fake.exchange(("a", "c"), what, &json!({"pdus": [join]}), &json!({}));
    }
    fake.exchange(("c", "a"), what, &json!({"pdus": [leave]}), &json!({}));
    if leaves {
        let (user, conversation) = ("carol".to_owned(), "team".to_owned());
        fake.note(&Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() });
        fake.note(&Note::LeaveEnded { user, conversation, outcome: OpOutcome::Ok });
    }
    fake.waits(1);
    if is_led_to {
        fake.sent_ok("alice/1", "m1");
    }
    fake.holds_at_end("b", if is_led_to { &["$m1"] } else { &[] });
    fake.state_at_end("a", &event(&leave));
    fake.state_at_end("b", "$join");
    fake.judged_in(&scenario, judge)
}

#[test]
fn what_somebody_said_who_left_before_hearing_of_a_newcomer_is_excused_until_others_lead_there() {
    let excused = left_beside_a_join(false, true, false);
    assert_eq!(excused.finding, None);
    let sentence = "c left before hearing that anybody of b had joined, and so did not tell it of \
                    m.room.create";
    assert_eq!(excused.excused, [sentence]);
    assert!(left_beside_a_join(true, true, false).finding.is_some(), "c knew of b");
    assert!(left_beside_a_join(false, false, false).finding.is_some(), "c is in the room");
    assert!(left_beside_a_join(false, true, true).finding.is_some(), "alice leads there");
}

/// Lets alice remove bob, and bob come back beside that, of which `order` says what comes to `c`.
fn back_beside_a_removal(order: [usize; 2], knows: bool, is_led_to: bool) -> Judgment {
    let member = |sender: &str, membership: &str, parents: &[&str]| {
        let content = json!({"membership": membership});
        json!({"type": "m.room.member", "state_key": "@bob:b", "depth": 2, "content": content,
               "room_id": "!team", "sender": sender, "prev_events": parents})
    };
    let event = |pdu: &Value| PduFacts::of(pdu).expect("a PDU").event;
    let removal = member("@alice:a", "leave", &["$invite"]);
    let removed = event(&removal);
    let back = member("@bob:b", "join", &[if knows { &removed } else { "$invite" }]);
    let joined = event(&back);
    let mut fake = Fake::ready();
    for one in order {
        let (from, pdu) = [("a", &removal), ("b", &back)][one];
        let what = "PUT /_matrix/federation/v1/send/1";
        fake.exchange((from, "c"), what, &json!({"pdus": [pdu]}), &json!({}));
    }
    fake.waits(1);
    if is_led_to {
        fake.sent_ok("bob/1", "m1");
    }
    let held = [removed.as_str(), "$m1"];
    fake.holds_at_end("c", &held[..if is_led_to { 2 } else { 1 }]);
    fake.state_at_end("b", &joined);
    fake.state_at_end("c", &removed);
    fake.judged(Delivery::Eventual, judge)
}

#[test]
fn a_return_that_comes_after_a_removal_beside_it_is_excused_until_somebody_leads_to_it() {
    let excused = back_beside_a_removal([0, 1], false, false);
    assert_eq!(excused.finding, None);
    assert_eq!(excused.excused, ["c knew of the leave of bob before the join of bob came"]);
    assert!(back_beside_a_removal([1, 0], false, false).finding.is_some(), "the join came first");
    assert!(back_beside_a_removal([0, 1], true, false).finding.is_some(), "it follows");
    assert!(back_beside_a_removal([0, 1], false, true).finding.is_some(), "bob leads there");
}
