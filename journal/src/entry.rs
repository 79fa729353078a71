//! One entry: what the network saw, decoded as HTTP; a fault; a disk's sync; a note of the harness.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// Simulated time since the world began.
    #[serde(serialize_with = "as_ns")]
    pub at: Duration,
    /// The machine where it happened.
    pub machine: Arc<str>,
    /// The entry that led to it: for an answer its request's arrival, for a request that a node
    /// made while it served another the arrival of that other, for a fault its trigger.
    pub cause: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

fn as_ns<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(nanoseconds(*at))
}

/// Returns the whole nanoseconds of a simulated time.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A machine began to run its program.
    Booted {
        /// Which start of this machine, from 1.
        incarnation: u64,
    },
    /// A program ended by itself, or failed to start.
    Exited {
        /// Its error; empty for a normal end.
        error: String,
    },
    /// A whole HTTP request left the machine towards the network.
    RequestSent(Request),
    /// The same request arrived whole at `machine`.
    RequestArrived {
        /// Number of the [`Event::RequestSent`] entry.
        request: u64,
    },
    /// A whole HTTP answer left the machine.
    AnswerSent(Answer),
    /// The same answer arrived whole at `machine`.
    AnswerArrived {
        /// Number of the [`Event::RequestSent`] entry.
        request: u64,
        /// Number of the [`Event::AnswerSent`] entry.
        answer: u64,
    },
    /// The connection that carried a request died before its answer arrived whole.
    RequestLost {
        /// Number of the [`Event::RequestSent`] entry.
        request: u64,
        /// What became of the connection.
        why: Loss,
    },
    /// The program that was asked let go of a request that had arrived whole, and never answered it.
    RequestDropped {
        /// Number of the [`Event::RequestSent`] entry.
        request: u64,
        /// What had become of the connection by then; [`Loss::GivenUp`] if nothing had, so that the
        /// program did so by itself.
        why: Loss,
    },
    /// A connection that the program asked for did not come about, so that nothing was asked over
    /// it.
    ConnectFailed(ConnectFailed),
    /// A file was synced to the disk of `machine`.
    DiskSynced {
        /// The file's name.
        file: String,
        /// Bytes made durable.
        bytes: u64,
    },
    /// A file was written, and a trigger waited for that; no other write is an entry.
    DiskWritten {
        /// The file's name.
        file: String,
        /// Bytes written.
        bytes: u64,
    },
    /// A fault began.
    FaultBegan {
        /// Its number in the world, from 1.
        fault: u64,
        /// What it is, as `partition a | b`.
        what: String,
    },
    /// A fault was repaired or ended.
    FaultEnded {
        /// Its number in the world.
        fault: u64,
        /// What it was.
        what: String,
    },
    /// A note of the harness, as a client operation that began or ended.
    Note {
        /// What about: the harness's own vocabulary.
        topic: String,
        /// The note.
        body: serde_json::Value,
    },
}

/// Why the answer to a request will not arrive. Shown as the journal has it, as `timed out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Loss {
    /// Nothing listens there, or somebody refuses: there was no connection.
    #[serde(rename = "refused")]
    Refused,
    /// The connection was reset.
    #[serde(rename = "reset")]
    Reset,
    /// The user timeout was over: nothing got through for too long.
    #[serde(rename = "timed out")]
    TimedOut,
    /// The machine that asked lost its power.
    #[serde(rename = "crashed")]
    Crashed,
    /// The program that asked did not wait any longer: its deadline was over, or it did not need the
    /// answer any more.
    #[serde(rename = "given up")]
    GivenUp,
    /// The program that was asked closed the connection, or the one that asked ended.
    #[serde(rename = "closed")]
    Closed,
    /// The request was a replay of the network's, whose answer nobody waits for.
    #[serde(rename = "dropped")]
    Dropped,
    /// The run ended first.
    #[serde(rename = "over")]
    Over,
}

impl Loss {
    /// Returns the word for it, as the journal has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::Crashed => "crashed",
            Self::GivenUp => "given up",
            Self::Closed => "closed",
            Self::Dropped => "dropped",
            Self::Over => "over",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A connection that did not come about. `machine` of its entry asked for it.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectFailed {
    /// The machine that it was to lead to.
    pub to: Arc<str>,
    /// The port there.
    pub port: u16,
    /// Why not.
    pub why: Loss,
    /// How long the program had waited.
    #[serde(rename = "waited_ns", serialize_with = "as_ns")]
    pub waited: Duration,
    /// The fault, by its number, that was the last to be in the way; none if no fault was, or nobody
    /// knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<u64>,
}

/// An HTTP request as the network saw it.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The machine it is for.
    pub to: Arc<str>,
    /// `GET`, `PUT` ..
    pub method: String,
    /// Path and query, raw.
    pub target: String,
    /// Length and hash of the body in the serialized journal; the bytes are for checks.
    #[serde(serialize_with = "as_digest")]
    pub body: Bytes,
    /// Number of the [`Event::RequestSent`] entry that the network delivers again with this one;
    /// unset for what the machine itself sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replays: Option<u64>,
}

/// An HTTP answer as the network saw it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Number of the [`Event::RequestSent`] entry.
    pub request: u64,
    /// The machine it is for.
    pub to: Arc<str>,
    /// The status.
    pub status: u16,
    /// Length and hash of the body in the serialized journal; the bytes are for checks.
    #[serde(serialize_with = "as_digest")]
    pub body: Bytes,
}

fn as_digest<S: serde::Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let hash = blake3::hash(body);
    serializer.collect_str(&format_args!("{} bytes, blake3 {}", body.len(), &hash.to_hex()[..16]))
}
