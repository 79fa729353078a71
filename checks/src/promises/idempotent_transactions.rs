//! `idempotent-transactions`: a transaction that is sent again carries the same PDUs and gets the
//! same answer, and so does a client's send; and an answer is about what was sent. Who has lost its disk
//! since it answered cannot know that it did.
//!
//! An id is its origin's own (server-server API, "Transactions"). Whoever takes another server's
//! transaction of the same id for a repetition answers it with the results of that one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Finding, Judgment,
    history::{Exchange, History},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("repeated requests");
    let mut attempts: BTreeMap<(&str, &str, &str), Vec<&Exchange<'_>>> = BTreeMap::new();
    for exchange in &history.exchanges {
        if matches!(exchange.endpoint, "send" | "send_relay" | "client_send") {
            let key = (exchange.from, exchange.to, exchange.request.target.as_str());
            attempts.entry(key).or_default().push(exchange);
        }
    }
    for attempts in attempts.values().filter(|attempts| attempts.len() > 1) {
        judgment.judged += 1;
        judge_attempts(history, &mut judgment, attempts);
    }
    let is_honest = |it: &&Exchange<'_>| history.is_honest(it.from) && history.is_honest(it.to);
    for exchange in history.exchanges_of("send").filter(is_honest) {
        judge_answer(&mut judgment, exchange);
    }
    judgment
}

/// Judges that an answer tells of no PDUs but those of its transaction.
fn judge_answer(judgment: &mut Judgment, exchange: &Exchange<'_>) {
    let results = exchange.answer_json().filter(|_| exchange.is_accepted());
    let results = results.and_then(|answer| answer.get("pdus")?.as_object());
    let (Some(results), Some(answer)) = (results, exchange.answer) else { return };
    let is_sent = |event: &String| exchange.pdus().iter().any(|pdu| pdu.event == *event);
    if results.keys().any(|event| !is_sent(event)) {
        let sentence = format!(
            "{} answered {} of {} as if it were another transaction",
            exchange.to, exchange.request.target, exchange.from
        );
        judgment.found(Finding::new(answer.sent.at, sentence, exchange.evidence()));
    }
}

fn judge_attempts(history: &History<'_>, judgment: &mut Judgment, attempts: &[&Exchange<'_>]) {
    let first = attempts[0];
    let mut repetitions = attempts.iter().filter(|it| history.is_honest(it.from));
    let changed = repetitions.find(|other| payload(other) != payload(first));
    if let Some(changed) = changed {
        let sentence = format!(
            "{} sent {} again to {} with other contents",
            first.from, first.request.target, first.to
        );
        judgment.found(Finding::new(changed.sent.at, sentence, pair(first, changed)));
    }
    let honest = attempts.iter().filter(|exchange| history.is_honest(exchange.to));
    let mut answered = honest.filter(|exchange| exchange.is_accepted());
    let Some(first) = answered.next() else { return };
    let is_forgotten = |other: &Exchange<'_>| {
        let (Some(then), Some(now)) = (first.answer, other.answer) else { return false };
        let mut losses = history.losses.iter();
        losses.any(|it| it.loses(first.to, then.sent.at) && it.at <= now.sent.at)
    };
    let is_other =
        |other: &&&Exchange<'_>| other.answer_json() != first.answer_json() && !is_forgotten(other);
    if let Some(other) = answered.find(is_other) {
        let sentence = format!(
            "{} answered {} of {} differently the second time",
            first.to, first.request.target, first.from
        );
        let at = other.answer.map_or(other.sent, |answer| answer.sent);
        judgment.found(Finding::new(at.at, sentence, pair(first, other)));
    }
}

/// Returns what must stay the same: the PDUs of a transaction, or the whole body of another
/// request.
fn payload<'e>(exchange: &'e Exchange<'_>) -> Option<&'e Value> {
    let body = exchange.request_json()?;
    Some(body.get("pdus").unwrap_or(body))
}

fn pair(one: &Exchange<'_>, other: &Exchange<'_>) -> Vec<u64> {
    let mut evidence = one.evidence();
    evidence.extend(other.evidence());
    evidence.sort_unstable();
    evidence
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            PduFacts,
            fake::{Fake, pdu, restored, transaction},
        },
    };

    fn repeated(message: &str, answer: &serde_json::Value) -> Judgment {
        let what = "PUT /_matrix/federation/v1/send/1";
        let mut fake = Fake::ready();
        fake.exchange(("a", "b"), what, &transaction("m1"), &json!({"pdus": {}}));
        fake.exchange(("a", "b"), what, &transaction(message), answer);
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn an_answer_is_about_what_was_sent() {
        let answered = |event: &str| {
            let what = "PUT /_matrix/federation/v1/send/1";
            let mut fake = Fake::ready();
            let answer = json!({"pdus": {event: {}}});
            fake.exchange(("a", "b"), what, &transaction("m1"), &answer);
            fake.judged(Delivery::Eventual, judge).finding
        };
        let own = PduFacts::of(&pdu("m1")).expect("a PDU").event;
        assert_eq!(answered(&own), None);
        let sentence = answered("$other").expect("a violation").sentence;
        let expected = "b answered /_matrix/federation/v1/send/1 of a as if it were another \
                        transaction";
        assert_eq!(sentence, expected);
    }

    #[test]
    fn who_is_restored_to_before_an_answer_may_answer_anew() {
        let answered = |taken: u64| {
            let what = "PUT /_matrix/federation/v1/send/1";
            let own = PduFacts::of(&pdu("m1")).expect("a PDU").event;
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.exchange(("a", "b"), what, &transaction("m1"), &json!({"pdus": {}}));
            fake.waits(1);
            fake.begins_fault(0);
            let answer = json!({"pdus": {own: {}}});
            fake.exchange(("a", "b"), what, &transaction("m1"), &answer);
            fake.judged_in(&restored("b", taken), judge).finding
        };
        assert_eq!(answered(5), None);
        assert!(answered(11).is_some());
    }

    #[test]
    fn a_repeated_transaction_is_the_same_and_so_is_its_answer() {
        let same = repeated("m1", &json!({"pdus": {}}));
        assert_eq!((same.judged, same.finding), (1, None));
        let other = repeated("m2", &json!({"pdus": {}})).finding.expect("a violation");
        assert!(other.sentence.contains("other contents"));
        let answer = repeated("m1", &json!({"pdus": {"$m1": {}}})).finding.expect("a violation");
        assert!(answer.sentence.contains("differently"));
    }
}
