//! `no-zombie`: no message is seen after its sender was told that it is refused. An owner that lost its
//! disk refuses what it had decided for without knowing it, and is excused; as is the sender's backend,
//! if it lost its disk between two attempts of the client.

use crate::{
    Finding, Judgment, history::History, reachability::forgotten_before_refusal, record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("refusals");
    for (message, ended) in history.ended(OpOutcome::Refused) {
        judgment.judged += 1;
        let late = history.sightings_of(&message.name).find(|sighting| sighting.at > ended.at);
        if let Some(late) = late {
            if let Some(excuse) = forgotten_before_refusal(history, message) {
                judgment.excused.push(excuse);
                continue;
            }
            let sentence = format!(
                "{} saw {} after {} was told that it is refused",
                late.device, message.name, message.device
            );
            judgment.found(Finding::about(history, message, late.at.at, sentence));
        }
    }
    judgment
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{history::fake::Fake, record::OpOutcome};

    #[test]
    fn what_was_refused_stays_away() {
        let found = |is_seen: bool| {
            let mut fake = Fake::ready();
            fake.sends("alice/1", "m1");
            fake.ends("m1", OpOutcome::Refused);
            if is_seen {
                fake.sees("bob/1", "m1");
            }
            fake.judged(Delivery::M1, judge)
        };
        assert_eq!((found(false).judged, found(false).finding), (1, None));
        let finding = found(true).finding.expect("a violation");
        assert_eq!(finding.sentence, "bob/1 saw m1 after alice/1 was told that it is refused");
    }
}
