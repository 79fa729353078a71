//! `no-wrong-refusal`: no server refuses for good what an honest one has sent it and its room allows.
//!
//! A PDU that is refused in the answer to its transaction is not sent again (server-server API,
//! "Transactions"): what cannot be judged yet, because what it builds on cannot be had now, is to be
//! put off instead. Whoever refuses it may get it in another way later; so this check alone finds
//! `silence-counts-as-missing` where a later message brings what is missing. Judged are `eventual`
//! messages of who has stayed a member, between backends none of which wrongs others or may have
//! lost something.

use scenarios::scenario::Delivery;

use crate::{Finding, Judgment, history::History};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("answers");
    let mut backends = history.scenario.backends.keys();
    if backends.any(|it| !history.is_honest(it) || !history.keeps_its_disk(it)) {
        return judgment;
    }
    for exchange in history.exchanges_of("send").filter(|exchange| exchange.is_accepted()) {
        let Some(results) = exchange.answer_json().and_then(|it| it.get("pdus")) else { continue };
        let messages = exchange
            .pdus()
            .iter()
            .filter_map(|pdu| Some((pdu, history.message(pdu.message.as_deref()?)?)));
        for (pdu, message) in messages.filter(|(_, it)| is_judged(history, exchange.to, it)) {
            judgment.judged += 1;
            let error = results.get(&pdu.event).and_then(|result| result.get("error"));
            if let (Some(error), Some(answer)) = (error, exchange.answer) {
                let why = error.as_str().unwrap_or("no reason");
                let sentence = format!(
                    "{} refused {} of {} for good: {why}",
                    exchange.to, message.name, exchange.from
                );
                judgment.found(Finding::about(history, message, answer.sent.at, sentence));
            }
        }
    }
    judgment
}

/// Returns whether nobody can doubt that this backend has to take a message.
fn is_judged(history: &History<'_>, backend: &str, message: &crate::history::Message) -> bool {
    let conversation = &message.conversation;
    history.delivery(conversation) == Delivery::Eventual
        && history.lasting_backends(conversation).contains(backend)
        && history.lasting_members(conversation, message.began.n).contains(&message.sender())
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note, PduFacts,
            fake::{Fake, pdu, transaction},
        },
    };

    fn answered(result: &serde_json::Value, before: impl FnOnce(&mut Fake)) -> Judgment {
        let event = PduFacts::of(&pdu("m1")).expect("a PDU").event;
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        before(&mut fake);
        let what = "PUT /_matrix/federation/v1/send/1";
        let answer = json!({"pdus": {event: result}});
        fake.exchange(("a", "b"), what, &transaction("m1"), &answer);
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn a_message_of_a_member_is_not_refused() {
        let taken = answered(&json!({}), |_| {});
        assert_eq!((taken.judged, taken.finding), (1, None));
        let refused = answered(&json!({"error": "missing"}), |_| {}).finding.expect("a violation");
        assert_eq!(refused.sentence, "b refused m1 of a for good: missing");
    }

    #[test]
    fn who_leaves_may_be_refused() {
        let leaves = |fake: &mut Fake| {
            let (user, conversation) = ("alice".to_owned(), "team".to_owned());
            fake.note(&Note::LeaveBegan { user, conversation });
        };
        assert_eq!(answered(&json!({"error": "left"}), leaves).judged, 0);
    }
}
