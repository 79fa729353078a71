//! `delivered`: in the end, every device of every member has seen every message whose send was ok,
//! and every `eventual` message that anybody has seen. What crosses the removal of its sender is
//! promised to nobody.
//!
//! What cannot have come is excused: if there certainly was no way from the sender's backend to the
//! recipient's, over any others and through time, then what cut it is told in place of a violation.
//! So is what a lost disk, or the end of a time to live, has taken from the recipient, and what only those
//! have who left before they heard of the recipient.

use std::time::Duration;

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{History, Message},
    judgment::{expected_devices, missing_devices},
    reachability::{self, Outages, Reach, forgotten_memberships, reach},
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    let mut outages = None;
    for message in history.messages.iter().filter(|message| is_promised(history, message)) {
        judgment.judged += expected_devices(history, message).len() as u64;
        let mut missing = missing_devices(history, message);
        if !missing.is_empty() {
            let outages = outages.get_or_insert_with(|| Outages::read(history));
            judgment.excuse(&mut missing, |device| excuse(history, outages, message, device));
        }
        let Some(missing) = missing.into_iter().next() else { continue };
        if !history.finals.complete {
            judgment.cannot_tell(format!("{missing} may yet see {}", message.name));
            continue;
        }
        let end = message.ended.as_ref().map_or(message.began, |ended| ended.at);
        let sentence = format!("{missing} never saw {}", message.name);
        judgment.found(Finding::about(history, message, end.at, sentence));
    }
    judgment.excused.extend(forgotten_memberships(history));
    judgment
}

/// Returns why a message that was sent cannot have come to a device's backend; none if it can have.
fn excuse(
    history: &History<'_>,
    outages: &Outages,
    message: &Message,
    device: &str,
) -> Option<String> {
    let target = history.backend_of(device);
    let excuse = reachability::excuse(history, message, device)
        .or_else(|| reachability::left_unaware(history, message, target));
    if excuse.is_some() {
        return excuse;
    }
    // What nobody knows the end of may be sent again later.
    if message.outcome() != OpOutcome::Ok {
        return None;
    }
    let scenario = history.scenario;
    let origin = history.backend_of(&message.device);
    let end = history.journal.entries().last().map_or(Duration::ZERO, |entry| entry.at);
    let from = (origin, message.began.at);
    // Whoever has lost a message knows nobody to give it to: those who have it do not hand it on.
    let is_lost = outages.losses.iter().any(|loss| loss.loses(origin, message.began.at));
    let backends = scenario.backends.keys().filter(|_| !is_lost);
    let by: Vec<&str> = backends.chain(scenario.relays.keys()).map(String::as_str).collect();
    let Reach::Cut { lost, by } = reach(outages, from, target, end, &by) else { return None };
    let time = |at| history.since_ready(at);
    let lost = lost.iter().map(|(machine, at)| {
        format!("{machine} lost its disk at {} with its only copy", time(*at))
    });
    let cut = if by.is_empty() { Vec::new() } else { vec![format!("cut by {}", by.join(", "))] };
    let why: Vec<String> = lost.chain(cut).collect();
    Some(format!("{} could not reach {device}: {}", message.name, why.join("; ")))
}

fn is_promised(history: &History<'_>, message: &Message) -> bool {
    if !history.has_honest_backend(&message.device) || history.may_be_removed(message) {
        return false;
    }
    let is_eventual = history.delivery(&message.conversation) == Delivery::Eventual;
    message.outcome() == OpOutcome::Ok
        || (is_eventual && history.sightings_of(&message.name).next().is_some())
}

#[cfg(test)]
mod tests {
    use journal::Event;
    use scenarios::scenario::{AfterCrash, Delivery, Fault, NodeFault, Reads, When};
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note, PduFacts,
            fake::{Fake, restored, scenario, transaction},
        },
        record::OpOutcome,
    };

    fn seen_by(outcome: OpOutcome, devices: &[&str]) -> Judgment {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.ends("m1", outcome);
        for device in devices {
            fake.sees(device, "m1");
        }
        fake.note(&Note::Finished {});
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn what_is_ok_or_seen_by_anybody_is_seen_by_all() {
        let all = seen_by(OpOutcome::Ok, &["alice/1", "bob/1", "carol/1"]);
        assert_eq!((all.judged, all.finding), (3, None));
        let ok = seen_by(OpOutcome::Ok, &["alice/1", "bob/1"]).finding.expect("a violation");
        assert_eq!(ok.sentence, "carol/1 never saw m1");
        assert!(seen_by(OpOutcome::Indefinite, &["bob/1"]).finding.is_some());
        assert_eq!(seen_by(OpOutcome::Indefinite, &[]).judged, 0);
    }

    /// Lets `a` leave `m1` for `b` at its relays, which lose their disks if they are `lost`.
    fn left_at(relays: &[&str], lost: &str) -> Option<String> {
        let mut fake = Fake::ready();
        fake.waits(10);
        fake.sends("alice/1", "m1");
        for relay in relays {
            let what = "PUT /_matrix/federation/v1/send_relay/1/@user:b";
            fake.exchange(("a", relay), what, &transaction("m1"), &json!({}));
        }
        fake.ends("m1", OpOutcome::Ok);
        for device in ["alice/1", "carol/1"] {
            fake.sees(device, "m1");
        }
        fake.begins_fault(0);
        fake.note(&Note::Finished {});
        let judged = fake.judged_in(&restored(lost, 5), judge);
        judged.finding.is_none().then(|| judged.excused.concat())
    }

    #[test]
    fn what_every_relay_that_took_it_has_lost_is_excused() {
        let excuse = left_at(&["r1"], "r1").expect("it is excused");
        assert!(excuse.starts_with("r1 lost its disk at ") && excuse.ends_with("m1 for b with it"));
        assert_eq!(left_at(&["r1"], "r2"), None, "r1 has it");
        assert_eq!(left_at(&["r1", "r2"], "r1"), None, "r2 has it");
    }

    #[test]
    fn what_was_on_its_way_from_a_disk_that_was_lost_is_excused_unless_it_was_answered_or_left() {
        type Answer = fn(&mut Fake, u64);
        let found = |answer: Answer, seconds: u64| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("alice/1", "m1");
            let what = "PUT /_matrix/federation/v1/send/1";
            for to in ["b", "c"] {
                let request = fake.request("a", to, what, &transaction("m1"));
                answer(&mut fake, request);
            }
            fake.ends("m1", OpOutcome::Ok);
            fake.sees("alice/1", "m1");
            fake.waits(seconds);
            fake.begins_fault(0);
            fake.note(&Note::Finished {});
            fake.judged_in(&restored("a", 5), judge).finding.is_some()
        };
        // When its sender has lost it already.
        let found_late = |status| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("alice/1", "m1");
            let what = "PUT /_matrix/federation/v1/send/1";
            let requests = ["b", "c"].map(|to| fake.request("a", to, what, &transaction("m1")));
            fake.ends("m1", OpOutcome::Ok);
            fake.sees("alice/1", "m1");
            fake.waits(2);
            fake.begins_fault(0);
            for request in requests {
                fake.answer(request, status, &json!({}));
            }
            fake.note(&Note::Finished {});
            fake.judged_in(&restored("a", 5), judge).finding.is_some()
        };
        let none: Answer = |_, _| {};
        let of_the_server: Answer = |fake, request| {
            fake.answer(request, 500, &json!({}));
        };
        let of_a_proxy: Answer = |fake, request| {
            fake.answered(request, 429, &json!({}));
        };
        assert!(!found(none, 2) && !found(of_a_proxy, 2));
        assert!(!found_late(503), "nobody was left who could try again");
        assert!(found_late(200), "it was taken");
        assert!(found(of_the_server, 2), "an error is an answer");
        assert!(found(none, 300), "nobody kept it from being sent again");
    }

    /// Lets `b` be down to the end, or `a` lose its disk, while `m1` is on its way.
    fn with_fault(kind: NodeFault, before_send: bool) -> Judgment {
        let mut scenario = scenario(Delivery::Eventual);
        let when = When::At(std::time::Duration::ZERO);
        scenario.faults = vec![Fault::new(when, None, kind.into())];
        let mut fake = Fake::ready();
        for is_now in [before_send, !before_send] {
            if is_now {
                fake.push("", Event::FaultBegan { fault: 1, what: String::new() });
                fake.note(&Note::FaultSet { index: 0, fault: 1 });
            } else {
                fake.sent_ok("alice/1", "m1");
            }
        }
        fake.sees("alice/1", "m1");
        fake.sees("carol/1", "m1");
        fake.note(&Note::Finished {});
        fake.judged_in(&scenario, judge)
    }

    #[test]
    fn what_cannot_have_come_is_excused_with_what_cut_it() {
        let down = NodeFault::Crash { node: "b".to_owned(), disk: AfterCrash::default() };
        let excused = with_fault(down.clone(), true);
        assert_eq!(excused.finding, None);
        assert_eq!(excused.excused, ["m1 could not reach bob/1: cut by crash b"]);
        let possible = with_fault(down, false);
        assert!(possible.finding.is_some() && possible.excused.is_empty());
    }

    /// Lets bob join, which `a` hears of if it `is_told`, alice send `m1`, and leave.
    fn left_before_hearing(is_told: bool, leaves: &[&str]) -> Judgment {
        let mut scenario = scenario(Delivery::Eventual);
        for team in scenario.conversations.values_mut() {
            team.members.retain(|member| member == "carol");
        }
        let conversation = || "team".to_owned();
        let mut fake = Fake::ready();
        fake.note(&Note::JoinBegan { user: "bob".to_owned(), conversation: conversation() });
        let outcome = OpOutcome::Ok;
        fake.note(&Note::JoinEnded {
            user: "bob".to_owned(),
            conversation: conversation(),
            outcome,
        });
        let join = json!({"type": "m.room.member", "state_key": "@bob:b", "depth": 1, "sender": "@bob:b",
                          "content": {"membership": "join"}, "room_id": "!team"});
        let event = PduFacts::of(&join).expect("a PDU").event;
        let answer =
            if is_told { json!({}) } else { json!({"pdus": {event: {"error": "no key"}}}) };
        let what = "PUT /_matrix/federation/v1/send/1";
        fake.exchange(("c", "a"), what, &json!({"pdus": [join]}), &answer);
        fake.sent_ok("alice/1", "m1");
        fake.sees("alice/1", "m1");
        fake.sees("carol/1", "m1");
        for user in leaves {
            let user = (*user).to_owned();
            fake.note(&Note::LeaveBegan { user: user.clone(), conversation: conversation() });
            fake.note(&Note::LeaveEnded { user, conversation: conversation(), outcome });
        }
        fake.holds_at_end("a", &["$m1"]);
        fake.holds_at_end("c", &["$m1"]);
        fake.note(&Note::Finished {});
        fake.judged_in(&scenario, judge)
    }

    #[test]
    fn what_only_those_have_who_left_before_they_heard_of_the_recipient_is_excused() {
        let excused = left_before_hearing(false, &["alice", "carol"]);
        assert_eq!(excused.finding, None);
        let sentence = "a and c left with m1 before hearing that anybody of b had joined";
        assert_eq!(excused.excused, [sentence]);
        assert!(left_before_hearing(true, &["alice", "carol"]).finding.is_some(), "a knew of b");
        assert!(left_before_hearing(false, &["alice"]).finding.is_some(), "c is in the room");
    }

    #[test]
    fn who_left_and_tried_to_leave_again_is_promised_nothing() {
        let mut fake = Fake::ready();
        let leaves = |fake: &mut Fake, outcome| {
            let (user, conversation) = ("bob".to_owned(), "team".to_owned());
            fake.note(&Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() });
            fake.note(&Note::LeaveEnded { user, conversation, outcome });
        };
        leaves(&mut fake, OpOutcome::Ok);
        fake.sent_ok("alice/1", "m1");
        leaves(&mut fake, OpOutcome::Refused);
        fake.sees("alice/1", "m1");
        fake.sees("carol/1", "m1");
        fake.note(&Note::Finished {});
        let judgment = fake.judged(Delivery::Eventual, judge);
        assert_eq!((judgment.judged, judgment.finding), (2, None));
    }

    #[test]
    fn who_forgot_the_own_join_is_promised_nothing_until_the_next() {
        let joins = |fake: &mut Fake| {
            let (user, conversation) = ("bob".to_owned(), "team".to_owned());
            fake.note(&Note::JoinBegan { user: user.clone(), conversation: conversation.clone() });
            fake.note(&Note::JoinEnded { user, conversation, outcome: OpOutcome::Ok });
        };
        let missed = |taken: u64, is_back: bool| {
            let mut scenario = restored("b", taken);
            for team in scenario.conversations.values_mut() {
                team.members.retain(|member| member == "carol");
            }
            let mut fake = Fake::ready();
            fake.waits(10);
            joins(&mut fake);
            fake.waits(1);
            fake.begins_fault(0);
            fake.push("", Event::FaultEnded { fault: 1, what: String::new() });
            if is_back {
                joins(&mut fake);
            }
            fake.sent_ok("alice/1", "m1");
            fake.sees("alice/1", "m1");
            fake.sees("carol/1", "m1");
            fake.note(&Note::Finished {});
            fake.judged_in(&scenario, judge)
        };
        let forgotten = missed(5, false);
        assert_eq!((forgotten.judged, forgotten.finding), (2, None));
        let sentence = "b lost its disk at 11.003s, and does not know that bob is in team";
        assert_eq!(forgotten.excused, [sentence]);
        assert!(missed(5, true).finding.is_some());
        assert!(missed(11, false).finding.is_some());
    }

    #[test]
    fn what_was_lost_before_the_first_attempt_could_be_made_is_excused_unless_there_was_time() {
        let lost_after = |seconds: u64| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            let what = "PUT /_matrix/federation/v1/send/1";
            fake.exchange(("a", "c"), what, &transaction("m1"), &json!({}));
            for device in ["alice/1", "carol/1"] {
                fake.sees(device, "m1");
            }
            fake.waits(seconds);
            fake.begins_fault(0);
            fake.note(&Note::Finished {});
            fake.judged_in(&restored("a", 5), judge)
        };
        let at_once = lost_after(2);
        assert_eq!(at_once.finding, None);
        assert!(at_once.excused.concat().ends_with("before m1 had come to b"));
        assert!(lost_after(120).finding.is_some());
    }

    /// Lets bob, who reads when he likes, fetch `m1` so many days after it came to his backend.
    fn fetched_after(days: &[u64]) -> Judgment {
        let mut scenario = scenario(Delivery::Eventual);
        scenario.users.get_mut("bob").expect("bob").reads = Reads::Never;
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        let what = "PUT /_matrix/federation/v1/send/1";
        fake.exchange(("a", "b"), what, &transaction("m1"), &Value::Null);
        for device in ["alice/1", "carol/1"] {
            fake.sees(device, "m1");
        }
        for days in days {
            fake.waits(days * 24 * 60 * 60);
            fake.exchange(("bob/1", "b"), "GET /notifications", &Value::Null, &json!({}));
        }
        fake.note(&Note::Finished {});
        fake.judged_in(&scenario, judge)
    }

    #[test]
    fn a_notification_is_kept_for_its_time_to_live_and_no_longer() {
        assert!(fetched_after(&[27]).finding.is_some());
        assert!(fetched_after(&[27, 2]).finding.is_some());
        let excused = fetched_after(&[29]);
        assert_eq!(excused.finding, None);
        assert_eq!(excused.excused, ["bob/1 did not read m1 in the 28 days for which it is kept"]);
    }

    #[test]
    fn what_a_relay_kept_for_its_time_to_live_is_excused_unless_somebody_leads_back_to_it() {
        let unfetched = |days: u64, is_led_back: bool| {
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            let what = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
            fake.exchange(("a", "r1"), what, &transaction("m1"), &Value::Null);
            for device in ["alice/1", "carol/1"] {
                fake.sees(device, "m1");
            }
            // It is handed out, and does not arrive.
            let ask = "GET /_matrix/federation/v1/relay_txn/@user:b";
            let request = fake.request("b", "r1", ask, &json!({"entry_id": 0}));
            let entry = json!({"transaction": transaction("m1"), "entry_id": 7});
            fake.answer(request, 200, &entry);
            fake.waits(days * 24 * 60 * 60);
            if is_led_back {
                fake.sent_ok("carol/1", "m2");
            }
            for device in ["alice/1", "bob/1", "carol/1"].iter().filter(|_| is_led_back) {
                fake.sees(device, "m2");
            }
            fake.holds_at_end("b", if is_led_back { &["$m2"] } else { &[] });
            fake.note(&Note::Finished {});
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!(unfetched(29, false).excused, ["r1 kept m1 for b for 28 days"]);
        assert!(unfetched(29, true).finding.is_some() && unfetched(27, false).finding.is_some());
    }
}
