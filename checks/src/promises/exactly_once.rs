//! `exactly-once`: no device is shown a message twice, and a message is one event. Whoever comes back
//! after leaving is told the room's recent history anew by the first sync of the new stay
//! (client-server API, "Syncing"), and that is no second copy. Nor is it one that a backend which was
//! set back to a backup tells its devices again what it has fetched anew: it cannot know what they
//! have seen, and must not leave out what they have not.

use std::collections::BTreeMap;

use scenarios::scenario::{FaultKind, NodeFault};

use crate::{
    Finding, Judgment,
    history::{History, Message, Sighting, note::Via, user_of},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    for message in &history.messages {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut event: Option<&str> = None;
        for sighting in history.sightings_of(&message.name) {
            let name = &message.name;
            let times = seen.entry(&sighting.device).or_default();
            *times += 1;
            let is_told_anew = is_of_a_new_stay(history, message, sighting, *times)
                || is_told_by_a_backup(history, sighting, *times);
            if *times > 1 && !is_told_anew {
                let sentence = format!("{} saw {name} twice", sighting.device);
                judgment.found(Finding::about(history, message, sighting.at.at, sentence));
            } else {
                judgment.judged += 1;
            }
            // A dishonest backend may make two events out of one message.
            let is_one = history.has_honest_backend(&message.device);
            if is_one && *event.get_or_insert(&sighting.event) != sighting.event {
                let sentence = format!("{} saw {name} as a second event", sighting.device);
                judgment.found(Finding::about(history, message, sighting.at.at, sentence));
            }
        }
    }
    judgment
}

/// Returns whether a sync may tell the user for this many times what was told before: the user joined
/// as often since the message was sent. A sync may have been under way meanwhile, so that nobody knows
/// which of the joins came before which telling.
fn is_of_a_new_stay(
    history: &History<'_>,
    message: &Message,
    again: &Sighting,
    times: usize,
) -> bool {
    let joins = history.joins.iter().filter(|join| {
        join.user == user_of(&again.device)
            && join.conversation == message.conversation
            && join.began < again.at.n
            && join.ended.is_none_or(|ended| ended > message.began.n)
    });
    again.via == Via::Sync && joins.count() + 1 >= times
}

/// Returns whether the device's backend was set back often enough to have told a message this many
/// times.
fn is_told_by_a_backup(history: &History<'_>, again: &Sighting, times: usize) -> bool {
    let backend = history.backend_of(&again.device);
    let restored = history.scenario.faults.iter().filter(|fault| {
        matches!(&fault.kind, FaultKind::Node(NodeFault::Restore { node, .. }) if node == backend)
    });
    again.via == Via::Sync && restored.count() + 1 >= times
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

    fn seen(sightings: &[(&str, &str)]) -> Judgment {
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        for (device, event) in sightings {
            fake.sees_event(device, "m1", event, "!team");
        }
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn each_device_sees_one_event_once() {
        let once = seen(&[("bob/1", "$m1"), ("carol/1", "$m1")]);
        assert_eq!((once.judged, once.finding), (2, None));
        let twice = seen(&[("bob/1", "$m1"), ("bob/1", "$m1")]).finding.expect("a violation");
        assert_eq!(twice.sentence, "bob/1 saw m1 twice");
        let two = seen(&[("bob/1", "$m1"), ("carol/1", "$other")]).finding.expect("a violation");
        assert_eq!(two.sentence, "carol/1 saw m1 as a second event");
    }

    #[test]
    fn who_comes_back_is_told_history_anew_and_nobody_else_is() {
        let back = |user: &str| {
            let (user, conversation) = (user.to_owned(), "team".to_owned());
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            fake.sees("bob/1", "m1");
            let (name, room) = (user.clone(), conversation.clone());
            fake.note(&Note::LeaveBegan { user: name, conversation: room });
            let (name, room, outcome) = (user.clone(), conversation.clone(), OpOutcome::Ok);
            fake.note(&Note::LeaveEnded { user: name, conversation: room, outcome });
            fake.note(&Note::JoinBegan { user, conversation });
            fake.sees("bob/1", "m1");
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!(back("bob").finding, None);
        assert!(back("carol").finding.is_some());
    }
}
