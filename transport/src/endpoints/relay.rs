//! Dendrite's relay endpoints, as its source has them on the wire (no specification exists).

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Endpoint;
use crate::bounds::MAX_CARRIED_DEPTH;

/// `PUT /_matrix/federation/v1/send_relay/{txnId}/{userId}`: a sender leaves a transaction for the
/// server of `userId` at a relay. Answers `null`.
#[derive(Debug)]
pub struct SendRelay;

impl Endpoint for SendRelay {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str = "/_matrix/federation/v1/send_relay/{transaction_id}/{user_id}";
    type Request = RelayedTransaction;
    type Response = Option<serde_json::Value>;
}

/// `GET /_matrix/federation/v1/relay_txn/{userId}`, with a body: the server of `userId` asks its
/// relay for its oldest entry, acknowledging the one before.
#[derive(Debug)]
pub struct RelayTxn;

impl Endpoint for RelayTxn {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/_matrix/federation/v1/relay_txn/{user_id}";
    type Request = RelayTxnRequest;
    type Response = RelayTxnResponse;
    // A relay hands out what anybody has left there: its levels, and its size, must not keep the rest
    // of the mail from the server.
    const MAX_ANSWER_DEPTH: usize = MAX_CARRIED_DEPTH + 8;
    const SLOWEST_ANSWER: Option<usize> = Some(64 << 10);
}

/// `POST /_matrix/federation/unstable/org.fedsim.relay/take/{userId}`: the server of `userId` asks its
/// relay for many entries at once, oldest first, and acknowledges others by their ids. Not Dendrite's: a
/// relay that has it says so in the answer of `GET /_matrix/federation/v1/version`, under [`TAKE`].
#[derive(Debug)]
pub struct Take;

/// The key under which a relay says that it has [`Take`], and its bounds.
pub const TAKE: &str = "org.fedsim.relay.take";

impl Endpoint for Take {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/_matrix/federation/unstable/org.fedsim.relay/take/{user_id}";
    type Request = TakeRequest;
    type Response = TakeResponse;
    const MAX_ANSWER_DEPTH: usize = MAX_CARRIED_DEPTH + 8;
    const SLOWEST_ANSWER: Option<usize> = Some(64 << 10);
}

/// The body of a [`Take`] request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TakeRequest {
    /// The entries that the caller has stored durably and the relay may delete.
    pub acknowledged: Vec<i64>,
    /// How many entries it takes at most; the relay's bound, if unset or larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<usize>,
    /// How many bytes of PDUs and EDUs it takes at most, but for the first entry; the relay's bound, if
    /// unset or larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// The body of a [`Take`] answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TakeResponse {
    /// The oldest entries, in order. Each is handed out again until it is acknowledged.
    pub entries: Vec<TakenEntry>,
    /// Entries that wait, these among them.
    pub waiting: u64,
}

/// One entry of a [`TakeResponse`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TakenEntry {
    /// Its id, to acknowledge it by.
    pub entry_id: i64,
    /// When the relay stored it, in milliseconds since the epoch on its clock.
    pub stored_ts: u64,
    /// What was left.
    pub transaction: RelayedTransaction,
}

/// The transaction as a relay stores and returns it: what `PUT /send/{txnId}` carries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RelayedTransaction {
    /// The server that made the transaction. A relay writes the one that signed the request.
    #[serde(default)]
    pub origin: String,
    /// Milliseconds since the epoch at the origin; Dendrite's relay returns 0.
    #[serde(default)]
    pub origin_server_ts: u64,
    /// At most 50 PDUs, as received; `null` on the wire is an empty list.
    #[serde(default)]
    pub pdus: Option<Vec<Box<RawValue>>>,
    /// At most 100 EDUs, as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edus: Option<Vec<Box<RawValue>>>,
    /// The origin's transaction id. Not Dendrite's: our relay adds it, others leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

/// The body of a [`RelayTxn`] request.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RelayTxnRequest {
    /// The entry that the caller has stored durably and the relay may delete; 0, `null` or absent for
    /// none.
    #[serde(default, deserialize_with = "or_null")]
    pub entry_id: i64,
}

fn or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(0))
}

/// The body of a [`RelayTxn`] answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RelayTxnResponse {
    /// The oldest entry; empty when there is none.
    pub transaction: RelayedTransaction,
    /// Its id, to acknowledge it by; absent when there is no entry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entry_id: i64,
    /// Whether this answer carries an entry (not whether there are more).
    #[serde(default)]
    pub entries_queued: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(id: &i64) -> bool {
    *id == 0
}
