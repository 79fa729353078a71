//! `idempotent-transactions`: a transaction that is sent again carries the same PDUs and gets the
//! same answer, and so does a client's send; and an answer is about what was sent. Who has lost its disk
//! since it answered cannot know that it did. What was said in a message that was taken away meanwhile is
//! not sent again: its event is the same without it, by its id.
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
    let changed = repetitions.find(|other| !is_repeated(history, first, other));
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

/// Returns whether a request says what an earlier one said, but for what was taken away since.
fn is_repeated(history: &History<'_>, first: &Exchange<'_>, other: &Exchange<'_>) -> bool {
    let (first, other) = (payload(first), payload(other));
    if first == other {
        return true;
    }
    let (Some(Value::Array(first)), Some(Value::Array(other))) = (first, other) else {
        return false;
    };
    let is_same = |(then, now): (&Value, &Value)| then == now || is_redacted(history, then, now);
    first.len() == other.len() && first.iter().zip(other).all(is_same)
}

/// Returns whether a PDU is what is left of another one, whose message somebody has taken away.
fn is_redacted(history: &History<'_>, then: &Value, now: &Value) -> bool {
    let message = then["content"]["org.fedsim.message"].as_str();
    let is_taken_away = history.redactions.iter().any(|it| Some(it.message.as_str()) == message);
    // What is unsigned says who has.
    let is_part = |now: &Value, then: &Value, but: &[&str]| {
        let mut fields = now.as_object().into_iter().flatten();
        let is_left = |key: &str, value| but.contains(&key) || then.get(key) == Some(value);
        now.is_object() && fields.all(|(key, value)| is_left(key, value))
    };
    is_taken_away
        && is_part(now, then, &["content", "unsigned"])
        && is_part(&now["content"], &then["content"], &[])
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
            Note, PduFacts,
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
    fn what_was_taken_away_meanwhile_is_not_sent_again() {
        let repeated = |name: &str, now: &serde_json::Value| {
            let what = "PUT /_matrix/federation/v1/send/1";
            let mut fake = Fake::ready();
            fake.note(&Note::RedactionBegan { message: name.to_owned(), by: "alice".to_owned() });
            let then = transaction("m1");
            let mut again = then.clone();
            again["pdus"][0]["content"] = now.clone();
            again["pdus"][0]["unsigned"] = json!({ "redacted_because": {} });
            fake.exchange(("a", "b"), what, &then, &json!({"pdus": {}}));
            fake.exchange(("a", "b"), what, &again, &json!({"pdus": {}}));
            fake.judged(Delivery::Eventual, judge).finding
        };
        assert_eq!(repeated("m1", &json!({})), None);
        assert!(repeated("m2", &json!({})).is_some(), "nobody took m1 away");
        assert!(repeated("m1", &json!({ "body": "else" })).is_some());
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
