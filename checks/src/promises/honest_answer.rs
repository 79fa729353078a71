//! `honest-answer`: what the sender is told is true. If the send is ok, every device sees the
//! message in the end (or under `eventual`, the sender's backend keeps it). If it is refused,
//! nobody ever does. A backend whose disk was lost after that cannot keep what it promised, unless
//! somebody led it back who still has it. An owner whose disk was lost does not know what it decided:
//! whom it had not told is excused, and what it refuses after that may have been seen before. So may
//! what the sender's own backend refuses that lost its disk while the client asked again.

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{History, Message, SendEnded},
    judgment::{is_final, missing_devices},
    reachability::{excuse, forgotten_before_refusal, is_forgotten},
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("answers");
    for (message, ended) in history.ended(OpOutcome::Ok) {
        judgment.judged += 1;
        let Some(sentence) = unkept(history, &mut judgment, message, ended) else { continue };
        if is_final(history) {
            judgment.found(Finding::about(history, message, ended.at.at, sentence));
        } else {
            judgment.cannot_tell(format!("{sentence}, but the world had not settled"));
        }
    }
    for (message, _) in history.ended(OpOutcome::Refused) {
        judgment.judged += 1;
        if let Some(first) = history.sightings_of(&message.name).next() {
            if let Some(excuse) = forgotten_before_refusal(history, message) {
                judgment.excused.push(excuse);
                continue;
            }
            let sentence = format!("{} saw {}, which was refused", first.device, message.name);
            judgment.found(Finding::about(history, message, first.at.at, sentence));
        }
    }
    judgment
}

/// Returns what an ok send promised and did not keep.
fn unkept(
    history: &History<'_>,
    judgment: &mut Judgment,
    message: &Message,
    ended: &SendEnded,
) -> Option<String> {
    let name = &message.name;
    if history.delivery(&message.conversation) != Delivery::Eventual {
        let mut missing = missing_devices(history, message);
        judgment.excuse(&mut missing, |device| excuse(history, message, device));
        let missing = missing.first()?;
        return Some(format!(
            "{} was told that {name} is sent, {missing} never saw it",
            message.device
        ));
    }
    let backend = history.backend_of(&message.device);
    let event = ended.event.as_deref().unwrap_or_default();
    let is_lost = history.finals.lacks(backend, &message.conversation, event)
        && !is_forgotten(history, (backend, &message.conversation), Some((ended.at.at, event)));
    is_lost.then(|| format!("{} was told that {name} is sent, {backend} lost it", message.device))
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Finding,
        history::{
            Note,
            fake::{Fake, pdu, restored},
        },
        record::OpOutcome,
    };

    fn found(delivery: Delivery, mut fake: Fake) -> Option<Finding> {
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.note(&Note::Finished {});
        fake.judged(delivery, judge).finding
    }

    fn answered(outcome: OpOutcome, devices: &[&str]) -> Option<Finding> {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.ends("m1", outcome);
        for device in devices {
            fake.sees(device, "m1");
        }
        found(Delivery::M1, fake)
    }

    #[test]
    fn ok_means_all_and_refused_means_nobody() {
        assert_eq!(answered(OpOutcome::Ok, &["alice/1", "bob/1", "carol/1"]), None);
        assert_eq!(answered(OpOutcome::Refused, &[]), None);
        assert_eq!(answered(OpOutcome::Indefinite, &["bob/1"]), None);
        let all = answered(OpOutcome::Ok, &["alice/1", "bob/1"]).expect("a violation");
        assert_eq!(all.sentence, "alice/1 was told that m1 is sent, carol/1 never saw it");
        let nobody = answered(OpOutcome::Refused, &["bob/1"]).expect("a violation");
        assert_eq!(nobody.sentence, "bob/1 saw m1, which was refused");
    }

    #[test]
    fn what_is_answered_after_the_end_is_too_late_to_be_seen() {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.ends("m1", OpOutcome::Ok);
        assert_eq!(fake.judged(Delivery::M1, judge).finding, None);
    }

    #[test]
    fn an_eventual_message_that_is_ok_is_at_its_senders_backend_in_the_end() {
        let kept = |events: &[&str]| {
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            fake.holds_at_end("a", events);
            found(Delivery::Eventual, fake)
        };
        assert_eq!(kept(&["$m1"]), None);
        assert!(kept(&["$other"]).is_some());
    }

    #[test]
    fn what_a_backend_refuses_that_was_restored_while_its_client_asked_again_may_have_been_seen() {
        let found = |node: &str, asks_the_owner: bool| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("bob/1", "m1");
            fake.sees("alice/1", "m1");
            fake.begins_fault(0);
            if asks_the_owner {
                let what = "PUT /_matrix/federation/unstable/org.fedsim.m1/send_message/!team/1";
                let refused = json!({"delivered": false});
                fake.exchange(("b", "a"), what, &json!({"event": pdu("m1")}), &refused);
            }
            fake.ends("m1", OpOutcome::Refused);
            fake.judged_in(&restored(node, 5), judge).finding
        };
        assert_eq!(found("b", false), None);
        assert!(found("c", false).is_some());
        assert!(found("b", true).is_some(), "the owner knows what it decided");
    }

    #[test]
    fn who_is_restored_to_before_an_answer_is_excused_until_somebody_leads_it_back() {
        let lost = |taken: u64, is_led_back: bool| {
            let scenario = restored("a", taken);
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            fake.begins_fault(0);
            fake.waits(10);
            if is_led_back {
                fake.sent_ok("bob/1", "m2");
            }
            fake.holds_at_end("a", if is_led_back { &["$m2"] } else { &[] });
            fake.note(&Note::Settled { pending: Vec::new() });
            fake.note(&Note::Finished {});
            fake.judged_in(&scenario, judge).finding
        };
        assert_eq!(lost(5, false), None);
        assert!(lost(15, false).is_some());
        assert!(lost(5, true).is_some());
    }

    #[test]
    fn nobody_is_led_back_to_what_nobody_has() {
        let lost = |theirs: &[&str]| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            fake.begins_fault(0);
            fake.waits(10);
            fake.sent_ok("bob/1", "m2");
            fake.holds_at_end("a", &["$m2"]);
            for backend in ["b", "c"] {
                fake.holds_at_end(backend, theirs);
            }
            fake.note(&Note::Settled { pending: Vec::new() });
            fake.note(&Note::Finished {});
            fake.judged_in(&restored("a", 5), judge).finding
        };
        assert_eq!(lost(&["$m2"]), None);
        assert!(lost(&["$m1", "$m2"]).is_some());
    }

    #[test]
    fn an_owner_that_lost_its_decision_may_refuse_what_was_seen() {
        let refused = |taken: u64| {
            let mut scenario = restored("a", taken);
            for team in scenario.conversations.values_mut() {
                team.delivery = Delivery::M1;
            }
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("bob/1", "m1");
            fake.sees("carol/1", "m1");
            fake.waits(1);
            fake.begins_fault(0);
            fake.ends("m1", OpOutcome::Refused);
            fake.judged_in(&scenario, judge).finding
        };
        assert_eq!(refused(5), None);
        assert!(refused(11).is_some());
    }
}
