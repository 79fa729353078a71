//! `sender-order`: if a device sends messages to a conversation one after another, each after the
//! one before was ok, then every device sees them in that order.

use std::collections::BTreeMap;

use crate::{
    Finding, Judgment,
    history::{History, Message},
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("pairs");
    let mut latest: BTreeMap<(&str, &str), &Message> = BTreeMap::new();
    for (message, _) in history.ended(OpOutcome::Ok) {
        let sender = (message.conversation.as_str(), message.device.as_str());
        if let Some(before) = latest.insert(sender, message)
            && before.ended.as_ref().is_some_and(|ended| ended.at < message.began)
        {
            judge_pair(history, &mut judgment, before, message);
        }
    }
    judgment
}

fn judge_pair(history: &History<'_>, judgment: &mut Judgment, first: &Message, second: &Message) {
    for user in history.scenario.users.keys() {
        for device in history.devices_of(user) {
            let sight = |message: &Message| history.first_sight(&message.name, &device);
            let (Some(one), Some(two)) = (sight(first), sight(second)) else { continue };
            judgment.judged += 1;
            if two.at < one.at {
                let sentence = format!(
                    "{device} saw {} before {}, {} sent them in the other order",
                    second.name, first.name, first.device
                );
                judgment.found(Finding::about(history, first, one.at.at, sentence));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{Judgment, history::fake::Fake};

    fn seen_in_order(messages: [&str; 2]) -> Judgment {
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        fake.sent_ok("alice/1", "m2");
        for message in messages {
            fake.sees("bob/1", message);
        }
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn messages_are_seen_as_they_were_sent() {
        let good = seen_in_order(["m1", "m2"]);
        assert_eq!((good.judged, good.finding), (1, None));
        let bad = seen_in_order(["m2", "m1"]).finding.expect("a violation");
        assert_eq!(bad.sentence, "bob/1 saw m2 before m1, alice/1 sent them in the other order");
    }
}
