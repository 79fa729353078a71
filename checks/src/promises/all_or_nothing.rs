//! `all-or-nothing`: once everything has settled, a message of an `m1` conversation was seen by all
//! devices of the conversation or by none. (This is also asked of `m1-2021`, which does not keep
//! it.)

use super::promises_all_or_nothing;
use crate::{
    Finding, Judgment,
    history::{History, Message},
    judgment::{expected_devices, is_final},
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
        let mut expected = expected_devices(history, message).into_iter();
        let missing = expected.find(|it| history.first_sight(&message.name, it).is_none());
        let Some(missing) = missing else { continue };
        let sentence = format!(
            "{} saw {}, {} never showed it to {missing}",
            first.device,
            message.name,
            history.backend_of(&missing),
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
        history::{Note, fake::Fake},
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
}
