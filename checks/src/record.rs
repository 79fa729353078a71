//! One run as one value: what every report shows, and what a replay starts from.
//!
//! Stable text: symbolic names and simulated times only, except in [`Meta`], which no hash covers.
//! Times count from the moment the cluster was ready ([`Record::ready_ns`]), as a scenario's do; the
//! journal's own count from the beginning of the world.

mod aside;
mod weaknesses;

use std::time::Duration;

use journal::nanoseconds;
pub use scenarios::vocabulary::CheckKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::aside::{Deeds, LogLine, Meta};

/// Returns a time of the journal as a record counts it: in nanoseconds since the cluster was ready, which
/// was `ready_ns` after the world began.
pub fn since_ready(at: Duration, ready_ns: u64) -> i64 {
    let at_ns = nanoseconds(at);
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    at_ns.checked_sub(ready_ns).map_or_else(|| -signed(ready_ns - at_ns), signed)
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of this format: 2.
    pub schema: u32,
    /// The program that ran it.
    pub program: Program,
    /// The scenario.
    pub scenario: ScenarioRecord,
    /// The seed of this run.
    pub seed: u64,
    /// When the cluster was ready, in simulated nanoseconds since the world began.
    #[serde(default)]
    pub ready_ns: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// The sentence that says why, for a verdict that is not a pass.
    pub sentence: Option<String>,
    /// How the run ended.
    pub ended: Ended,
    /// Every machine.
    pub nodes: Vec<Machine>,
    /// Every fault, in the scenario's order.
    pub faults: Vec<FaultRecord>,
    /// Every message, in the order in which they were sent.
    pub messages: Vec<Message>,
    /// What clients did, for a federation whose clients do not send messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deeds: Option<Deeds>,
    /// Operations that never happened, in order of time.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Every check that was asked for.
    pub checks: Vec<CheckRecord>,
    /// Everything that happened, in order.
    pub events: Vec<EventRecord>,
    /// The hash of the whole journal, in hexadecimal.
    pub log_hash: String,
    /// What may differ between two runs of the same scenario and seed.
    pub meta: Meta,
}

/// The program's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// `fedsim`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// The file it came from, as it was named.
    pub file: Option<String>,
    /// In which order its tasks ran, such as `random`; unset for the fixed order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The whole scenario as TOML: replay needs nothing else.
    pub text: String,
}

/// The verdict on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every expectation holds.
    Pass,
    /// Some check is violated.
    Fail,
    /// Neither could be shown: the limit was reached, or a node never became ready.
    Unknown,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Simulated nanoseconds since the cluster was ready.
    pub at_ns: u64,
    /// Why.
    pub why: Why,
    /// More about it: a panic's message and machine.
    pub detail: Option<String>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nothing was pending anymore.
    Settled,
    /// The time to settle passed with something still pending.
    Limit,
    /// A node panicked.
    Panic,
    /// A node did what no world can run with: blocked the thread, spun, or went past its host.
    Misbehavior,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: MachineKind,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachineKind {
    /// A homeserver.
    Backend,
    /// A relay.
    Relay,
    /// A user's device.
    Device,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRecord {
    /// What it is, such as `partition a | b`.
    pub what: String,
    /// When it was to begin, such as `at 25s` or `when a sent prepare to b (1st)`.
    pub when: String,
    /// When it began; unset if its trigger never came.
    pub from_ns: Option<u64>,
    /// When it ended.
    pub until_ns: Option<u64>,
    /// How many requests it touched.
    pub requests: u64,
    /// How many segments, connection attempts, tasks and disk operations it touched. A fault that
    /// touched 0 is inert.
    pub hits: u64,
    /// The journal entry that triggered it.
    pub trigger: Option<u64>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Its name in the scenario.
    pub id: String,
    /// The sending device, such as `carol/1`.
    pub from: String,
    /// The sender's backend.
    pub backend: String,
    /// The conversation.
    pub conversation: String,
    /// When the client began to send.
    pub sent_ns: u64,
    /// When it had its answer, or gave up.
    pub answered_ns: Option<u64>,
    /// How the send ended.
    pub outcome: OpOutcome,
    /// The backends that a refusal named.
    pub unreachable: Vec<String>,
    /// The backends that the answer to an `m1-2021` send listed as left out.
    pub failed_to_send: Vec<String>,
    /// Every device of everybody who was ever a member, whether or not it saw the message.
    pub copies: Vec<Copy>,
}

/// How a client operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpOutcome {
    /// It certainly happened.
    Ok,
    /// It certainly did not happen.
    Refused,
    /// Nobody knows.
    Indefinite,
}

/// A message at one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    /// The device, such as `bob/1`.
    pub device: String,
    /// Its backend.
    pub backend: String,
    /// When it first saw the message; unset if never.
    pub seen_ns: Option<u64>,
    /// How often it saw it.
    pub times: u32,
    /// Whether its user was a member, and so could see it.
    #[serde(default)]
    pub presence: Presence,
}

/// Whether a device's user was a member of a message's conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// From the send to the end.
    #[default]
    Member,
    /// The user left, or may have, before the send or after it.
    Left,
    /// The user joined only after the send, or never certainly.
    Later,
}

/// An operation that never happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// What it was, such as `send m1`.
    pub operation: String,
    /// The device that was to do it.
    pub device: String,
    /// When it should have happened.
    pub at_ns: u64,
    /// What kept the device from it, if it was not down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRecord {
    /// Its name.
    pub name: String,
    /// Always, eventually or sometimes.
    pub kind: CheckKind,
    /// What it found.
    pub verdict: CheckVerdict,
    /// Whether the scenario says that this design must break it.
    pub must_break: bool,
    /// How many things it judged. A check that judged 0 is vacuous.
    pub judged: u64,
    /// What it counts, such as `copies` or `sends`.
    pub of: String,
    /// When it was first violated, or for a situation first reached.
    pub at_ns: Option<u64>,
    /// What it found, in a sentence.
    pub sentence: Option<String>,
    /// The message that it is about.
    pub message: Option<String>,
    /// The journal entries that show it, in order.
    pub evidence: Vec<u64>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It holds.
    Holds,
    /// It is violated.
    Violated,
    /// The situation came about.
    Reached,
    /// It never did.
    Never,
    /// It could not be told.
    Unknown,
}

/// One journal entry as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventRecord {
    /// Its number.
    pub n: u64,
    /// Simulated nanoseconds since the cluster was ready; what came before is negative.
    pub at_ns: i64,
    /// The machine.
    pub node: String,
    /// The machine that a request or answer is for.
    pub to: Option<String>,
    /// The kind of event: `request_sent`, `answer_arrived`, `fault_began`, `note` ..
    pub kind: String,
    /// The endpoint's name, or the method and path where it has none; the note's topic; the fault.
    pub what: String,
    /// The result: the status of an answer, `lost: partition a | b`, or `given up after 10s`.
    pub result: Option<String>,
    /// Why: what an answer says of itself, as `refused m1: no member`; the fault that was in the
    /// way of what came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The message that it carries.
    pub message: Option<String>,
    /// The entry that led to it.
    pub cause: Option<u64>,
    /// The journal's own line, byte for byte.
    pub line: String,
}

impl EventRecord {
    /// Returns how many nanoseconds after another event this one happened; 0 if it came before.
    pub fn since(&self, other: &Self) -> u64 {
        u64::try_from(self.at_ns.saturating_sub(other.at_ns)).unwrap_or(0)
    }

    /// Returns the simulated nanoseconds since the world of `record` began.
    pub fn world_ns(&self, record: &Record) -> u64 {
        record.ready_ns.saturating_add_signed(self.at_ns)
    }
}

impl Skipped {
    /// Says what kept the device from it: `bob/1 was down`.
    pub fn reason(&self) -> String {
        format!("{} {}", self.device, self.why.as_deref().unwrap_or("was down"))
    }
}
