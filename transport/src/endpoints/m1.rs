//! M1 on the wire: two-phase commit with presumed abort (`m1`), and the calls of Wire's backends of
//! October 2021 (`m1-2021`).
//!
//! The room's creating backend owns it and coordinates; every call but [`SendMessage`] and
//! [`GetOutcome`] goes from the owner to a member backend.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Endpoint;

/// Devices by user id: who must get a copy of a message.
pub type Devices = BTreeMap<String, Vec<String>>;

/// `PUT .../org.fedsim.m1/send_message/{room_id}/{message_id}`: a member backend hands its user's
/// event to the owner. `message_id` is the sender's idempotency key: the same one twice gives the
/// same answer, and one message.
#[derive(Debug)]
pub struct SendMessage;

impl Endpoint for SendMessage {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str =
        "/_matrix/federation/unstable/org.fedsim.m1/send_message/{room_id}/{message_id}";
    type Request = EventBody;
    type Response = Sent;
}

/// An event, signed by its sender's server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventBody {
    /// The PDU.
    pub event: Box<RawValue>,
}

/// How a send ended, as the owner decided. A refusal that the protocol provides for is a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Whether the message is decided: every backend shows it, sooner or later. `false`: no
    /// backend shows it, ever.
    pub delivered: bool,
    /// The backends that the owner could not reach, and so refused (`m1`, `m1-2021`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreachable_backends: Vec<String>,
    /// The backends that were left out although the message was delivered (`m1-2021` only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_to_send: Vec<String>,
    /// Why the owner refused, unless it was because it could not reach a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `PUT .../org.fedsim.m1/prepare/{room_id}/{event_id}`: the owner asks a member backend to check
/// the event, store it hidden and durable, and vote.
#[derive(Debug)]
pub struct Prepare;

impl Endpoint for Prepare {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str =
        "/_matrix/federation/unstable/org.fedsim.m1/prepare/{room_id}/{event_id}";
    type Request = PrepareRequest;
    type Response = Vote;
}

/// The body of [`Prepare`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrepareRequest {
    /// The PDU.
    pub event: Box<RawValue>,
    /// The devices at that backend that, as far as the owner knows, must get a copy.
    pub devices: Devices,
}

/// A member backend's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "vote", rename_all = "snake_case")]
pub enum Vote {
    /// The event is checked, and stored hidden and durable. Binding: only the owner's decision can
    /// undo it.
    Yes,
    /// The owner's device list is stale; here is the right one. Nothing is stored.
    StaleDevices {
        /// The devices at this backend.
        devices: Devices,
    },
    /// The event is not acceptable here. Nothing is stored.
    No {
        /// Why, for people.
        reason: String,
    },
}

/// `PUT .../org.fedsim.m1/decision/{room_id}/{event_id}`: the owner announces its decision; sent
/// again until it is answered.
#[derive(Debug)]
pub struct Decide;

impl Endpoint for Decide {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str =
        "/_matrix/federation/unstable/org.fedsim.m1/decision/{room_id}/{event_id}";
    type Request = DecisionBody;
    type Response = Empty;
}

/// What the owner decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Make it visible.
    Commit,
    /// Forget it.
    Abort,
}

/// The body of [`Decide`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DecisionBody {
    /// The decision.
    pub decision: Decision,
}

/// `GET .../org.fedsim.m1/outcome/{room_id}/{event_id}`: a prepared backend in doubt asks the
/// owner.
#[derive(Debug)]
pub struct GetOutcome;

impl Endpoint for GetOutcome {
    const METHOD: Method = Method::GET;
    const PATH: &'static str =
        "/_matrix/federation/unstable/org.fedsim.m1/outcome/{room_id}/{event_id}";
    type Request = Empty;
    type Response = OutcomeBody;
}

/// The body of a [`GetOutcome`] answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct OutcomeBody {
    /// The decision; absent while the owner is still collecting votes. No record of the message is
    /// an abort (presumed abort).
    pub decision: Option<Decision>,
}

/// `POST .../org.fedsim.m1/get_user_clients` (`m1-2021`): the device lists of users.
#[derive(Debug)]
pub struct GetUserClients;

impl Endpoint for GetUserClients {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/_matrix/federation/unstable/org.fedsim.m1/get_user_clients";
    type Request = Users;
    type Response = Devices;
}

/// User ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Users {
    /// The users asked about.
    pub users: Vec<String>,
}

/// `PUT .../org.fedsim.m1/on_message_sent/{room_id}/{event_id}` (`m1-2021`): store and show now.
#[derive(Debug)]
pub struct OnMessageSent;

impl Endpoint for OnMessageSent {
    const METHOD: Method = Method::PUT;
    const PATH: &'static str =
        "/_matrix/federation/unstable/org.fedsim.m1/on_message_sent/{room_id}/{event_id}";
    type Request = PrepareRequest;
    type Response = Empty;
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Empty {}
