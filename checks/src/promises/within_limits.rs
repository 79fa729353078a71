//! `within-limits`: no transaction carries more than 50 PDUs or 100 EDUs, no PDU is larger than
//! 64 KiB, and no body is larger than what servers take; and no server takes a larger one.
//!
//! Whoever reads a body to its end, however large it is, can be filled up by anybody: the last part
//! alone finds `relay-reads-any-body`.

use serde_json::Value;

use crate::{
    Finding, Judgment,
    history::{Exchange, History},
};

/// The most PDUs of one transaction (server-server API, "Transactions").
pub const MAX_PDUS: usize = 50;

/// The most EDUs of one transaction (same section).
const MAX_EDUS: usize = 100;

/// The most bytes of one PDU (server-server API, "Size limits").
const MAX_PDU: usize = 65_536;

/// The most bytes of one request's body that our servers accept.
const MAX_BODY: usize = 8 << 20;

/// The most bytes of a request's body that any of our servers accepts; relays accept the most.
const MAX_TAKEN: usize = 10 << 20;

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("transactions");
    for exchange in history.exchanges.iter().filter(|it| history.is_honest(it.from)) {
        let is_transaction = matches!(exchange.endpoint, "send" | "send_relay");
        judgment.judged += u64::from(is_transaction);
        let too_much = too_large(exchange)
            .or_else(|| exchange.request_json().filter(|_| is_transaction).and_then(too_many));
        if let Some(too_much) = too_much {
            let sentence = format!("{} sent {} {too_much}", exchange.from, exchange.to);
            let evidence = vec![exchange.sent.n];
            judgment.found(Finding::new(exchange.sent.at, sentence, evidence));
        }
    }
    judge_taken(history, &mut judgment);
    judgment
}

/// Judges that nobody takes a body that is too large, whoever sends it.
fn judge_taken(history: &History<'_>, judgment: &mut Judgment) {
    let is_large =
        |it: &&Exchange<'_>| it.request.body.len() > MAX_TAKEN && history.is_honest(it.to);
    for exchange in history.exchanges.iter().filter(is_large) {
        judgment.judged += 1;
        if exchange.is_accepted() {
            let bytes = exchange.request.body.len();
            let sentence =
                format!("{} took a body of {bytes} bytes from {}", exchange.to, exchange.from);
            judgment.found(Finding::new(exchange.sent.at, sentence, exchange.evidence()));
        }
    }
}

fn too_large(exchange: &Exchange<'_>) -> Option<String> {
    let bytes = exchange.request.body.len();
    (bytes > MAX_BODY).then(|| format!("a body of {bytes} bytes"))
}

fn too_many(transaction: &Value) -> Option<String> {
    let list = |field: &str| transaction.get(field).and_then(Value::as_array);
    let count = |field: &str| list(field).map_or(0, Vec::len);
    let (pdus, edus) = (count("pdus"), count("edus"));
    if pdus > MAX_PDUS || edus > MAX_EDUS {
        return Some(format!("{pdus} PDUs and {edus} EDUs in one transaction"));
    }
    let sizes = list("pdus").into_iter().flatten().map(|pdu| pdu.to_string().len());
    let largest = sizes.max().filter(|bytes| *bytes > MAX_PDU)?;
    Some(format!("a PDU of {largest} bytes"))
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, Fault, Misdeed, PeerFault, When};
    use serde_json::{Value, json};

    use super::judge;
    use crate::history::fake::{Fake, scenario};

    fn sentence(body: &Value) -> Option<String> {
        let mut fake = Fake::ready();
        fake.request("a", "b", "PUT /_matrix/federation/v1/send/1", body);
        let judgment = fake.judged(Delivery::Eventual, judge);
        assert_eq!(judgment.judged, 1);
        judgment.finding.map(|finding| finding.sentence)
    }

    #[test]
    fn a_full_transaction_is_within_the_limits_and_one_more_is_not() {
        let of = |pdus: usize, edus: usize| json!({"pdus": vec![0; pdus], "edus": vec![0; edus]});
        assert_eq!(sentence(&of(50, 100)), None);
        assert!(sentence(&of(51, 0)).is_some() && sentence(&of(0, 101)).is_some());
        assert!(sentence(&json!({"pdus": ["x".repeat(65_536)]})).is_some());
    }

    #[test]
    fn a_body_that_is_too_large_is_taken_from_nobody() {
        let taken = |status| {
            let mut scenario = scenario(Delivery::Eventual);
            let fault = PeerFault {
                node: "a".to_owned(),
                to: Vec::new(),
                share: 1.0,
                misdeed: Misdeed::Oversize,
            };
            let when = When::At(std::time::Duration::ZERO);
            scenario.faults.push(Fault::new(when, None, fault.into()));
            let mut fake = Fake::ready();
            let body = json!({"pdus": [], "blanks": " ".repeat(11 << 20)});
            let request = fake.request("a", "b", "PUT /_matrix/federation/v1/send/1", &body);
            fake.answer(request, status, &json!({}));
            fake.judged_in(&scenario, judge).finding.map(|finding| finding.sentence)
        };
        assert_eq!(taken(413), None);
        assert!(taken(200).expect("a violation").starts_with("b took a body of 115343"));
    }
}
