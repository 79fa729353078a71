//! `within-limits`: no transaction carries more than 50 PDUs or 100 EDUs, no PDU is larger than
//! 64 KiB, and no body is larger than what servers take.

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
    judgment
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
    use scenarios::scenario::Delivery;
    use serde_json::{Value, json};

    use super::judge;
    use crate::history::fake::Fake;

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
}
