//! The shapes of our own endpoints on the wire.

use serde_json::json;
use transport::endpoints::{
    m1::{Decision, DecisionBody, OutcomeBody, Sent, Vote},
    relay::{RelayTxnRequest, RelayTxnResponse, RelayedTransaction},
};

#[test]
fn an_empty_relay_is_spelled_as_dendrite_spells_it() {
    let empty = serde_json::to_string(&RelayTxnResponse::default()).unwrap();
    assert_eq!(
        empty,
        r#"{"transaction":{"origin":"","origin_server_ts":0,"pdus":null},"entries_queued":false}"#
    );
}

#[test]
fn dendrites_entry_is_read() {
    let entry: RelayTxnResponse = serde_json::from_str(
        r#"{"transaction":{"origin":"a","origin_server_ts":0,"pdus":[{"z":1,"a":"\u003c"}],
            "edus":[{"edu_type":"m.typing"}]},"entry_id":7,"entries_queued":true}"#,
    )
    .unwrap();
    assert_eq!((entry.entry_id, entry.entries_queued), (7, true));
    let pdus = entry.transaction.pdus.unwrap();
    assert_eq!(pdus[0].get(), r#"{"z":1,"a":"\u003c"}"#);
}

#[test]
fn dendrites_transaction_and_an_empty_one_are_read() {
    let sent: RelayedTransaction = serde_json::from_value(json!({
        "edus": [], "origin": "a", "origin_server_ts": 1_700_000_000_000_u64, "pdus": []
    }))
    .unwrap();
    assert_eq!(sent.origin_server_ts, 1_700_000_000_000);
    let empty: RelayedTransaction = serde_json::from_str("{}").unwrap();
    assert!(empty.pdus.is_none() && empty.edus.is_none());
}

#[test]
fn a_relay_request_is_one_number() {
    let request = serde_json::to_string(&RelayTxnRequest { entry_id: 1 }).unwrap();
    assert_eq!(request, r#"{"entry_id":1}"#);
}

#[test]
fn m1_bodies_have_their_documented_shapes() {
    let no = Vote::No { reason: "full".to_owned() };
    assert_eq!(serde_json::to_value(no).unwrap(), json!({ "vote": "no", "reason": "full" }));
    assert_eq!(serde_json::to_value(Vote::Yes).unwrap(), json!({ "vote": "yes" }));
    let commit = DecisionBody { decision: Decision::Commit };
    assert_eq!(serde_json::to_value(commit).unwrap(), json!({ "decision": "commit" }));
    let undecided: OutcomeBody = serde_json::from_str("{}").unwrap();
    assert_eq!(undecided.decision, None);
    let sent: Sent = serde_json::from_value(json!({ "delivered": true })).unwrap();
    assert!(sent.unreachable_backends.is_empty() && sent.reason.is_none());
}
