//! `exactly-once`: no device is shown a message twice, and a message is one event. Whoever comes back
//! after leaving is told the room's recent history anew by the first sync of the new stay
//! (client-server API, "Syncing"), and that is no second copy, whether by a join or because a removal
//! did not hold in the end; nor is what a backend shows that was
//! restored from a backup, or wiped, since it showed it first: it cannot know that it did. A client
//! that asks again after its backend was restored to before the first event makes a second one, and
//! nobody can know: that is one event for each such loss.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use crate::{
    Finding, Judgment,
    history::{History, Message, Sighting, note::Via, user_of},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    for message in &history.messages {
        let mut seen: BTreeMap<(&str, &str), Vec<&Sighting>> = BTreeMap::new();
        // The events that may be it, each with when it was seen first.
        let mut events: Vec<(&str, Duration)> = Vec::new();
        for sighting in history.sightings_of(&message.name) {
            let name = &message.name;
            let is_known = events.iter().any(|(event, _)| *event == sighting.event);
            let is_made_anew = !is_known
                && (events.is_empty() || is_made_anew(history, message, &events, sighting));
            if is_made_anew {
                events.push((&sighting.event, sighting.at.at));
            }
            let is_one_of_them = is_known || is_made_anew;
            let event = if is_one_of_them { &*sighting.event } else { events[0].0 };
            let before = seen.entry((&sighting.device, event)).or_default();
            let is_again =
                before.last().is_some_and(|last| !is_forgotten(history, message, last, sighting));
            before.push(sighting);
            if is_again && !is_of_a_new_stay(history, message, sighting, before.len()) {
                let sentence = format!("{} saw {name} twice", sighting.device);
                judgment.found(Finding::about(history, message, sighting.at.at, sentence));
            } else {
                judgment.judged += 1;
            }
            // A dishonest backend may make two events out of one message.
            let is_one = history.has_honest_backend(&message.device);
            if is_one && !is_one_of_them {
                let sentence = format!("{} saw {name} as a second event", sighting.device);
                judgment.found(Finding::about(history, message, sighting.at.at, sentence));
            }
        }
    }
    judgment
}

/// Returns whether a sync may tell the user for this many times what was told before: the user came
/// back as often since the message was sent. A sync may have been under way meanwhile, so that nobody knows
/// which of the joins came before which telling.
fn is_of_a_new_stay(
    history: &History<'_>,
    message: &Message,
    again: &Sighting,
    times: usize,
) -> bool {
    let user = user_of(&again.device);
    let joins = || {
        history.joins.iter().filter(|join| {
            join.user == user
                && join.conversation == message.conversation
                && join.began < again.at.n
                && join.ended.is_none_or(|ended| ended > message.began.n)
        })
    };
    let undone = history.removals_seen.iter().filter(|(seen, removed, room)| {
        removed == user
            && history.rooms.get(&message.conversation) == Some(room)
            && (message.began.n..again.at.n).contains(&seen.n)
            && !joins().any(|join| join.began > seen.n)
    });
    // One that was undone before the next sync, nobody is told of.
    let removed = history.memberships.iter().filter(|stay| {
        stay.user == user
            && stay.conversation == message.conversation
            && stay.removed_from.is_some_and(|from| from < again.at.n)
            && stay.possible_until.is_none_or(|until| until > message.began.n)
    });
    let undone = undone.count().max(removed.count());
    again.via == Via::Sync && joins().count() + undone + 1 >= times
}

/// Returns whether the device's backend lost what it had, the memory of the first telling with it,
/// between one telling and the next.
fn is_forgotten(
    history: &History<'_>,
    message: &Message,
    first: &Sighting,
    again: &Sighting,
) -> bool {
    let backend = history.backend_of(&again.device);
    let (from, to) = (first.at.at, again.at.at);
    let mut losses = history.losses.iter().filter(|loss| loss.at <= to);
    losses.any(|loss| {
        let is_told_before =
            loss.at <= from && !may_come_between(history, message, backend, loss.at..=from);
        loss.loses(backend, if is_told_before { loss.at } else { from })
    })
}

/// Returns whether a message may have come to a backend at those times. What a device is shown though it
/// did not was on its way to the device already when the backend lost it.
fn may_come_between(
    history: &History<'_>,
    message: &Message,
    backend: &str,
    times: RangeInclusive<Duration>,
) -> bool {
    let mut came = history.carriers_of(&message.name).filter_map(|it| it.came_to(backend));
    came.any(|came| times.contains(&came.at))
}

/// Returns whether a message may be one event more than those that were seen before: the sender's
/// backend lost the last of them, and the client asked again after that.
fn is_made_anew(
    history: &History<'_>,
    message: &Message,
    events: &[(&str, Duration)],
    again: &Sighting,
) -> bool {
    let backend = history.backend_of(&message.device);
    let seen = events.last().map_or(again.at.at, |(_, seen)| *seen);
    let is_asked_after = |lost: Duration| {
        history.carriers_of(&message.name).any(|exchange| {
            exchange.endpoint == "client_send"
                && exchange.from == message.device
                && exchange.sent.at >= lost
                && exchange.sent.at <= again.at.at
        })
    };
    let losses = history.losses.iter().filter(|loss| {
        // It was made at the latest when it was seen, or when its backend lost it.
        loss.loses(backend, seen.min(loss.at))
            && loss.at >= message.began.at
            && is_asked_after(loss.at)
    });
    losses.count() >= events.len()
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, restored},
        },
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

    #[test]
    fn who_was_removed_and_is_in_the_room_after_all_is_told_history_anew() {
        let told = |removed: &str| {
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            fake.sees("bob/1", "m1");
            let (user, room) = (removed.to_owned(), "!team".to_owned());
            fake.note(&Note::RemovalSeen { user, room });
            fake.sees("bob/1", "m1");
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!(told("bob").finding, None);
        assert!(told("carol").finding.is_some());
    }

    #[test]
    fn whose_removal_was_undone_before_anybody_was_told_is_told_history_anew() {
        let told = |removed: &str, times: usize| {
            let mut fake = Fake::ready();
            let (user, by, conversation) =
                (removed.to_owned(), "alice".to_owned(), "team".to_owned());
            fake.note(&Note::RemovalBegan { user, by, conversation });
            fake.sent_ok("alice/1", "m1");
            for _ in 0..times {
                fake.sees("bob/1", "m1");
            }
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!(told("bob", 2).finding, None);
        assert!(told("bob", 3).finding.is_some() && told("carol", 2).finding.is_some());
    }

    #[test]
    fn who_was_restored_to_before_a_telling_may_tell_again_and_nobody_else_may() {
        let again = |node: &str, taken: u64| {
            let scenario = restored(node, taken);
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            fake.sees("bob/1", "m1");
            fake.begins_fault(0);
            fake.sees("bob/1", "m1");
            fake.judged_in(&scenario, judge)
        };
        assert_eq!(again("b", 5).finding, None);
        assert!(again("b", 15).finding.is_some());
        assert!(again("c", 5).finding.is_some());
    }

    #[test]
    fn what_was_on_its_way_to_the_device_when_it_was_lost_may_be_told_again() {
        let again = |comes_anew: bool| {
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            let body = serde_json::json!({"pdus": [{"org.fedsim.message": "m1"}]});
            let comes = |fake: &mut Fake, id: u64| {
                let what = format!("PUT /_matrix/federation/v1/send/{id}");
                fake.exchange(("a", "b"), &what, &body, &serde_json::json!({}));
            };
            comes(&mut fake, 1);
            fake.begins_fault(0);
            if comes_anew {
                comes(&mut fake, 2);
            }
            fake.sees("bob/1", "m1");
            fake.sees("bob/1", "m1");
            fake.judged_in(&restored("b", 5), judge).finding
        };
        assert_eq!(again(false), None);
        assert!(again(true).is_some());
    }

    #[test]
    fn who_asks_again_after_a_loss_may_make_a_second_event_and_nobody_else_may() {
        let two_events = |taken: u64, is_asked_again: bool| {
            let scenario = restored("a", taken);
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("alice/1", "m1");
            let what = "PUT /_matrix/client/v3/rooms/!team/send/m.room.message/m1";
            let body = serde_json::json!({"org.fedsim.message": "m1"});
            fake.request("alice/1", "a", what, &body);
            fake.sees("bob/1", "m1");
            fake.waits(1);
            fake.begins_fault(0);
            if is_asked_again {
                fake.request("alice/1", "a", what, &body);
            }
            fake.sees_event("bob/1", "m1", "$again", "!team");
            fake.judged_in(&scenario, judge).finding.map(|finding| finding.sentence)
        };
        assert_eq!(two_events(5, true), None);
        assert_eq!(two_events(5, false).as_deref(), Some("bob/1 saw m1 twice"));
        assert_eq!(two_events(11, true).as_deref(), Some("bob/1 saw m1 twice"));
    }
}
