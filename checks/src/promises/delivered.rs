//! `delivered`: in the end, every device of every member has seen every message whose send was ok,
//! and every `eventual` message that anybody has seen. What crosses the removal of its sender is
//! promised to nobody.

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{History, Message},
    judgment::{expected_devices, missing_devices},
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    for message in history.messages.iter().filter(|message| is_promised(history, message)) {
        judgment.judged += expected_devices(history, message).len() as u64;
        let Some(missing) = missing_devices(history, message).into_iter().next() else { continue };
        if !history.finals.complete {
            judgment.cannot_tell(format!("{missing} may yet see {}", message.name));
            continue;
        }
        let end = message.ended.as_ref().map_or(message.began, |ended| ended.at);
        let sentence = format!("{missing} never saw {}", message.name);
        judgment.found(Finding::about(history, message, end.at, sentence));
    }
    judgment
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
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        Judgment,
        history::{Note, fake::Fake},
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
}
