//! `all-or-nothing`: once everything has settled, a message of an `m1` conversation was seen by all
//! devices of the conversation or by none. (This is also asked of `m1-2021`, which does not keep
//! it.)
//!
//! The owner alone knows what it decided. If it loses its disk, then whom it had not told by then can
//! never know, and is excused; so is who joined through it before, where it has forgotten that.

use super::promises_all_or_nothing;
use crate::{
    Finding, Judgment,
    history::{History, Message},
    judgment::{expected_devices, is_final},
    reachability::excuse,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("messages");
    // A dishonest owner may tell everybody something different.
    let promised = |message: &&Message| {
        promises_all_or_nothing(history.delivery(&message.conversation))
            && history.is_honest(history.owner_of(&message.conversation))
    };
    for message in history.messages.iter().filter(promised) {
        judgment.judged += 1;
        let Some(first) = history.sightings_of(&message.name).next() else { continue };
        let mut missing = expected_devices(history, message);
        missing.retain(|it| history.first_sight(&message.name, it).is_none());
        judgment.excuse(&mut missing, |device| excuse(history, message, device));
        let Some(missing) = missing.first() else { continue };
        let sentence = format!(
            "{} saw {}, {} never showed it to {missing}",
            first.device,
            message.name,
            history.backend_of(missing),
        );
        if is_final(history) {
            judgment.found(Finding::about(history, message, first.at.at, sentence));
        } else {
            judgment.cannot_tell(format!("{sentence}, but the world had not settled"));
        }
    }
    judgment
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, pdu, restored},
        },
        record::OpOutcome,
    };

    fn seen_by(devices: &[&str], pending: Vec<String>) -> Judgment {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.ends("m1", OpOutcome::Indefinite);
        for device in devices {
            fake.sees(device, "m1");
        }
        fake.note(&Note::Settled { pending });
        fake.note(&Note::Finished {});
        fake.judged(Delivery::M1, judge)
    }

    #[test]
    fn all_and_none_hold_and_some_does_not() {
        assert_eq!(seen_by(&["alice/1", "bob/1", "carol/1"], vec![]).finding, None);
        assert_eq!(seen_by(&[], vec![]).finding, None);
        let finding = seen_by(&["alice/1", "carol/1"], vec![]).finding.expect("a violation");
        assert_eq!(finding.sentence, "alice/1 saw m1, b never showed it to bob/1");
        assert_eq!(finding.message.as_deref(), Some("m1"));
        assert_eq!(finding.evidence, [2, 3, 4, 5]);
    }

    #[test]
    fn it_is_unknown_while_something_is_pending() {
        let judgment = seen_by(&["alice/1"], vec!["b asks a".to_owned()]);
        assert!(judgment.finding.is_none() && judgment.unknown.is_some());
    }

    /// Lets the owner be restored after it decided, while carol has seen `m1` and bob has not; `b` was
    /// told before that, if it `is_told`.
    fn forgotten(node: &str, taken: u64, is_told: bool) -> Judgment {
        let mut scenario = restored(node, taken);
        for team in scenario.conversations.values_mut() {
            team.delivery = Delivery::M1;
        }
        let mut fake = Fake::ready();
        fake.waits(10);
        fake.sent_ok("alice/1", "m1");
        for device in ["alice/1", "carol/1"] {
            fake.sees(device, "m1");
        }
        let path = "/_matrix/federation/unstable/org.fedsim.m1";
        let (prepare, decision) =
            (format!("PUT {path}/prepare/!team/$m1"), format!("PUT {path}/decision/!team/$m1"));
        let body = serde_json::json!({"event": pdu("m1"), "devices": {}});
        fake.exchange(("a", "b"), &prepare, &body, &serde_json::json!({"vote": "yes"}));
        if is_told {
            let commit = serde_json::json!({"decision": "commit"});
            fake.exchange(("a", "b"), &decision, &commit, &serde_json::json!({}));
        }
        fake.waits(1);
        fake.begins_fault(0);
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.note(&Note::Finished {});
        fake.judged_in(&scenario, judge)
    }

    #[test]
    fn whom_an_owner_had_not_told_before_it_lost_its_decision_is_excused_and_nobody_else_is() {
        let excused = forgotten("a", 5, false);
        assert_eq!(excused.finding, None);
        assert_eq!(
            excused.excused,
            ["a lost its disk at 11.009s, and forgot that it had decided for m1"]
        );
        assert!(forgotten("a", 5, true).finding.is_some());
        assert!(forgotten("a", 11, false).finding.is_some());
        assert!(forgotten("c", 5, false).finding.is_some());
    }
}
