//! `one-in-flight`: a server sends a transaction to a destination only after the one before it was
//! answered or given up; and so a homeserver asks a relay for its mail.
//!
//! Dendrite's relay acknowledges an entry with the next question, so that two questions at once are
//! handed the same entry, and one tells the relay to forget what the other has not stored yet. This
//! check alone finds `relay-sync-starts-again-and-again`.

use std::collections::BTreeMap;

use crate::{
    Finding, Judgment,
    history::{Exchange, History},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("requests");
    judge_all(history, &mut judgment, "send", "transactions to");
    judge_all(history, &mut judgment, "relay_txn", "questions for its mail to");
    judgment
}

/// Judges the requests of one endpoint.
fn judge_all(history: &History<'_>, judgment: &mut Judgment, endpoint: &'static str, what: &str) {
    let mut latest: BTreeMap<(&str, &str), &Exchange<'_>> = BTreeMap::new();
    // A sender did not send what the network delivers again, and a dishonest one may send anything.
    let own = |exchange: &&Exchange<'_>| {
        exchange.request.replays.is_none()
            && history.is_honest(exchange.from)
            && history.scenario.has_machine(exchange.from)
    };
    for exchange in history.exchanges_of(endpoint).filter(own) {
        judgment.judged += 1;
        let (from, to) = (exchange.from, exchange.to);
        let Some(before) = latest.insert((from, to), exchange) else { continue };
        let is_over = before.concluded().is_some_and(|over| over < exchange.sent);
        // The process that sent the one before is gone, and so is all that it waited for.
        let is_reborn = history.booted_between(from, before.sent.n, exchange.sent.n).is_some();
        if !is_over && !is_reborn {
            let sentence = format!("{from} had two {what} {to} in flight at once");
            let evidence = vec![before.sent.n, exchange.sent.n];
            judgment.found(Finding::new(exchange.sent.at, sentence, evidence));
        }
    }
}

#[cfg(test)]
mod tests {
    use journal::{Event, Loss};
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, transaction},
    };

    #[test]
    fn a_second_question_for_mail_waits_for_the_answer_to_the_first() {
        let asks = |fake: &mut Fake| {
            let what = "GET /_matrix/federation/v1/relay_txn/@user:b";
            fake.request("b", "r1", what, &serde_json::json!({"entry_id": 0}))
        };
        let mut fake = Fake::ready();
        let first = asks(&mut fake);
        fake.answer(first, 200, &serde_json::json!({}));
        asks(&mut fake);
        let early = fake.judged(Delivery::Eventual, judge).finding.expect("a violation");
        assert_eq!(early.sentence, "b had two questions for its mail to r1 in flight at once");
    }

    /// Judges two transactions, the second sent after `between` has happened.
    fn judged(between: impl FnOnce(&mut Fake, u64)) -> Judgment {
        let send = |fake: &mut Fake, id: u64| {
            let what = format!("PUT /_matrix/federation/v1/send/{id}");
            fake.request("a", "b", &what, &transaction("m1"))
        };
        let mut fake = Fake::ready();
        let first = send(&mut fake, 1);
        between(&mut fake, first);
        send(&mut fake, 2);
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn a_second_transaction_waits_for_the_answer_to_the_first() {
        let answered = judged(|fake, first| {
            let answer = fake.answer(first, 200, &serde_json::json!({}));
            fake.arrive(first, answer);
        });
        assert_eq!((answered.judged, answered.finding), (2, None));
        let unanswered = judged(|_, _| ()).finding.expect("a violation");
        assert_eq!(unanswered.sentence, "a had two transactions to b in flight at once");
    }

    #[test]
    fn a_lost_request_and_a_restart_end_the_wait() {
        let lost = judged(|fake, request| {
            fake.push("a", Event::RequestLost { request, why: Loss::TimedOut });
        });
        assert_eq!(lost.finding, None);
        let reborn = judged(|fake, _| {
            fake.push("a", Event::Booted { incarnation: 2 });
        });
        assert_eq!(reborn.finding, None);
    }
}
