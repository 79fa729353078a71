//! `redactions-hold`: in the end, no backend shows what a message said that its sender, or who may, has
//! taken away; whichever of the two came first.
//!
//! Judged are redactions that were ok, by who was in the conversation all the time, of messages of the
//! own backend or by a creator whose power nobody touches, at backends that have the message. A backend
//! that may have lost something, or where a relay may have, is judged only by what it has of the two.

use scenarios::scenario::OpKind;

use crate::{
    Finding, Judgment,
    history::{History, Message, Redaction},
    judgment::is_final,
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    for redaction in &history.redactions {
        let Some((ended, OpOutcome::Ok)) = redaction.ended else { continue };
        let Some(message) = history.message(&redaction.message) else { continue };
        let event = message.ended.as_ref().and_then(|ended| ended.event.as_ref());
        let Some(event) = event.filter(|_| is_judged(history, message, redaction)) else {
            continue;
        };
        for backend in history.lasting_backends(&message.conversation) {
            let place = (backend.to_owned(), message.conversation.clone());
            let Some(timeline) = history.finals.timelines.get(&place) else { continue };
            let has_both = redaction.event.as_ref().is_some_and(|it| timeline.contains(it));
            if !timeline.contains(event) || !(has_both || is_sure_to_come(history)) {
                continue;
            }
            judgment.judged += 1;
            let redacted = history.finals.redacted.get(&place);
            if redacted.is_some_and(|redacted| redacted.contains(event)) {
                continue;
            }
            let (name, by) = (&message.name, &redaction.by);
            let sentence = format!("{backend} still shows what {name} said, which {by} took away");
            if is_final(history) {
                judgment.found(Finding::about(history, message, ended.at, sentence));
            } else {
                judgment.cannot_tell(sentence);
            }
        }
    }
    judgment
}

/// Returns whether nobody can doubt that a redaction counts.
fn is_judged(history: &History<'_>, message: &Message, redaction: &Redaction) -> bool {
    let (scenario, conversation) = (history.scenario, &message.conversation);
    let lasting = history.lasting_members(conversation, 0);
    let is_of_the_same = history.backend_of(&message.device) == history.backend_of(&redaction.by);
    let creator = scenario.conversations.get(conversation).map(|known| &known.creator);
    let mut ops = scenario.ops.iter().map(|op| &op.kind);
    let is_power_touched = ops.any(|op| {
        op.conversation() == Some(conversation)
            && matches!(op, OpKind::Power { .. } | OpKind::State { .. })
    });
    scenario.backends.keys().all(|backend| history.is_honest(backend))
        && lasting.contains(&redaction.by.as_str())
        && lasting.contains(&message.sender())
        && (is_of_the_same || (creator == Some(&redaction.by) && !is_power_touched))
}

/// Returns whether nothing of what is sent between backends can be lost for good.
fn is_sure_to_come(history: &History<'_>) -> bool {
    let scenario = history.scenario;
    scenario.relays.is_empty() && scenario.backends.keys().all(|it| history.keeps_its_disk(it))
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

    /// Judges the redaction of `m1`, which alice sent, by her or carol, where `b` has these events at
    /// the end, and shows nothing of `redacted`.
    fn judged(by: &str, outcome: OpOutcome, events: &[&str], redacted: &[&str]) -> Judgment {
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        let (message, by) = ("m1".to_owned(), by.to_owned());
        fake.note(&Note::RedactionBegan { message: message.clone(), by: by.clone() });
        let event = Some("$r".to_owned());
        fake.note(&Note::RedactionEnded { message, by, outcome, event });
        fake.note(&Note::Settled { pending: Vec::new() });
        let own = |events: &[&str]| events.iter().map(|&event| event.to_owned()).collect();
        fake.note(&Note::FinalTimeline {
            backend: "b".to_owned(),
            conversation: "team".to_owned(),
            events: Some(own(events)),
            redacted: own(redacted),
        });
        fake.note(&Note::Finished {});
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn what_was_taken_away_is_shown_nowhere() {
        let gone = judged("alice", OpOutcome::Ok, &["$m1", "$r"], &["$m1"]);
        assert_eq!((gone.judged, gone.finding), (1, None));
        let left =
            judged("alice", OpOutcome::Ok, &["$m1", "$r"], &[]).finding.expect("a violation");
        assert_eq!(left.sentence, "b still shows what m1 said, which alice took away");
    }

    #[test]
    fn what_did_not_come_or_does_not_count_is_not_judged() {
        assert_eq!(judged("alice", OpOutcome::Ok, &["$m1"], &[]).judged, 0, "a relay may have it");
        assert_eq!(judged("alice", OpOutcome::Refused, &["$m1", "$r"], &[]).judged, 0);
        assert_eq!(judged("carol", OpOutcome::Ok, &["$m1", "$r"], &[]).judged, 0);
    }
}
