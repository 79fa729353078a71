//! `sender-order`: if a device sends messages to a conversation, each after an earlier one was ok,
//! then whoever has been a member since the earlier one sees it first: any two of them, also where
//! one between them was never seen.
//!
//! What was said before somebody joined is history, which a device may come to know in any order. A
//! backend whose disk was lost builds an `eventual` message on nothing that it has forgotten, until
//! somebody leads it back; an owner of an `m1` room tells the order to it.
//! Finds `queue-loses-its-order` and `relay-hands-out-newest-first` where the events that were
//! overtaken are not fetched as missing ones.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{History, Message, Moment, Sighting, user_of},
    reachability::had_forgotten,
    record::OpOutcome,
};

/// What one device saw of what another one sent to a conversation: each message once, with its end,
/// as it was first seen.
type Seen<'h> = Vec<(&'h Message, Moment, &'h Sighting)>;

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("pairs");
    for seen in seen(history) {
        judgment.judged += pairs(&seen);
        judge_order(history, &mut judgment, &seen);
    }
    judgment
}

/// Returns the messages that were ok, by who saw them, during which stay in the conversation, and
/// who sent them.
fn seen<'h>(history: &'h History<'_>) -> impl Iterator<Item = Seen<'h>> {
    let mut known = BTreeSet::new();
    let mut seen: BTreeMap<(&str, usize, &str), Seen<'h>> = BTreeMap::new();
    for sighting in &history.sightings {
        let message = sighting.message.as_deref().and_then(|name| history.message(name));
        let Some(message) = message.filter(|it| history.has_honest_backend(&it.device)) else {
            continue;
        };
        let ended = message.ended.as_ref().filter(|ended| ended.outcome == OpOutcome::Ok);
        let stay = stay(history, user_of(&sighting.device), message);
        if let (Some(ended), Some(stay)) = (ended, stay)
            && known.insert((sighting.device.as_str(), message.name.as_str()))
        {
            let place = (sighting.device.as_str(), stay, message.device.as_str());
            seen.entry(place).or_default().push((message, ended.at, sighting));
        }
    }
    seen.into_values()
}

/// Returns the place of the user's membership that certainly was in force when the message was
/// sent.
fn stay(history: &History<'_>, user: &str, message: &Message) -> Option<usize> {
    history.memberships.iter().position(|known| {
        known.user == user
            && known.conversation == message.conversation
            && known.certain_at(message.began.n)
    })
}

/// Returns how many pairs of messages were sent one after the other.
fn pairs(seen: &Seen<'_>) -> u64 {
    let mut ends: Vec<Moment> = seen.iter().map(|(_, ended, _)| *ended).collect();
    ends.sort_unstable();
    let earlier = |message: &Message| ends.partition_point(|ended| *ended < message.began);
    seen.iter().map(|(message, ..)| earlier(message) as u64).sum()
}

/// Judges that no message was seen behind one that was only sent after it was ok.
fn judge_order(history: &History<'_>, judgment: &mut Judgment, seen: &Seen<'_>) {
    let mut latest = Moment::default();
    for (place, (first, ended, sighting)) in seen.iter().enumerate() {
        if latest > *ended {
            let overtaking = seen[..place].iter().find(|(second, ..)| {
                second.began > *ended && !is_forgotten(history, first, second)
            });
            let Some((second, ..)) = overtaking else { continue };
            let sentence = format!(
                "{} saw {} before {}, {} sent them in the other order",
                sighting.device, second.name, first.name, first.device
            );
            judgment.found(Finding::about(history, first, sighting.at.at, sentence));
            return;
        }
        latest = latest.max(first.began);
    }
}

/// Returns whether the sender's backend did not know of the first message any more when the second was
/// sent.
fn is_forgotten(history: &History<'_>, first: &Message, second: &Message) -> bool {
    let place = (history.backend_of(&first.device), first.conversation.as_str());
    let is_eventual = history.delivery(&first.conversation) == Delivery::Eventual;
    let known = first.ended.as_ref().filter(|_| is_eventual);
    known.is_some_and(|known| had_forgotten(history, place, known.at.at, second.began))
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

    /// Lets alice send three messages, and bob see these.
    fn seen_in_order(messages: &[&str]) -> Judgment {
        let mut fake = Fake::ready();
        for message in ["m1", "m2", "m3"] {
            fake.sent_ok("alice/1", message);
        }
        for message in messages {
            fake.sees("bob/1", message);
        }
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn messages_are_seen_as_they_were_sent() {
        let good = seen_in_order(&["m1", "m2", "m1"]);
        assert_eq!((good.judged, good.finding), (1, None));
        let bad = seen_in_order(&["m2", "m1"]).finding.expect("a violation");
        assert_eq!(bad.sentence, "bob/1 saw m2 before m1, alice/1 sent them in the other order");
    }

    #[test]
    fn any_two_are_compared_and_not_only_neighbors() {
        let good = seen_in_order(&["m1", "m2", "m3"]);
        assert_eq!((good.judged, good.finding), (3, None));
        let bad = seen_in_order(&["m3", "m1"]).finding.expect("a violation");
        assert_eq!(bad.sentence, "bob/1 saw m3 before m1, alice/1 sent them in the other order");
    }

    #[test]
    fn messages_that_were_under_way_at_once_have_no_order() {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.sends("alice/1", "m2");
        fake.ends("m1", OpOutcome::Ok);
        fake.ends("m2", OpOutcome::Ok);
        fake.sees("bob/1", "m2");
        fake.sees("bob/1", "m1");
        assert_eq!(fake.judged(Delivery::Eventual, judge).judged, 0);
    }

    /// Lets alice send two messages, with a loss of the disk of `lost` between them, and bob see them
    /// the other way around; before the second, carol's has come to `a` if it is `led_back`.
    fn with_a_loss_between(delivery: Delivery, lost: &str, is_led_back: bool) -> bool {
        let mut scenario = restored(lost, 5);
        for room in scenario.conversations.values_mut() {
            room.delivery = delivery;
        }
        let mut fake = Fake::ready();
        fake.waits(10);
        fake.sent_ok("alice/1", "m1");
        fake.begins_fault(0);
        fake.waits(1);
        if is_led_back {
            fake.sent_ok("carol/1", "m2");
            fake.waits(1);
        }
        fake.sent_ok("alice/1", "m3");
        for message in ["m3", "m1"] {
            fake.sees("bob/1", message);
        }
        fake.holds_at_end("a", if is_led_back { &["$m2", "$m3"] } else { &["$m3"] });
        fake.judged_in(&scenario, judge).finding.is_some()
    }

    #[test]
    fn what_the_senders_backend_had_forgotten_has_no_order_until_somebody_leads_it_back() {
        assert!(!with_a_loss_between(Delivery::Eventual, "a", false));
        assert!(with_a_loss_between(Delivery::Eventual, "a", true), "carol leads it back");
        assert!(with_a_loss_between(Delivery::Eventual, "c", false), "a has its disk");
        assert!(with_a_loss_between(Delivery::M1, "a", false), "the owner tells the order");
    }

    #[test]
    fn what_was_sent_before_the_viewer_came_or_came_back_has_no_order() {
        let mut fake = Fake::ready();
        let (user, conversation) = ("bob".to_owned(), "team".to_owned());
        let (who, what) = (user.clone(), conversation.clone());
        fake.note(&Note::LeaveBegan { user: who, conversation: what });
        fake.sent_ok("alice/1", "m1");
        let (who, what) = (user.clone(), conversation.clone());
        let outcome = OpOutcome::Ok;
        fake.note(&Note::LeaveEnded { user: who, conversation: what, outcome });
        let (who, what) = (user.clone(), conversation.clone());
        fake.note(&Note::JoinBegan { user: who, conversation: what });
        fake.note(&Note::JoinEnded { user, conversation, outcome });
        fake.sent_ok("alice/1", "m2");
        fake.sees("bob/1", "m2");
        fake.sees("bob/1", "m1");
        let judgment = fake.judged(Delivery::Eventual, judge);
        assert_eq!((judgment.judged, judgment.finding), (0, None));
    }
}
