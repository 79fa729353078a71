//! `exactly-once`: no device is shown a message twice, and a message is one event.

use std::collections::BTreeMap;

use crate::{Finding, Judgment, history::History};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    for message in &history.messages {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut event: Option<&str> = None;
        for sighting in history.sightings_of(&message.name) {
            let name = &message.name;
            let twice = seen.insert(&sighting.device, &sighting.event).is_some();
            if twice {
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

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{Judgment, history::fake::Fake};

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
}
