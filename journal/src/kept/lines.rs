//! The lines of a kept journal as types: the format's one definition.
//!
//! Apart from [`crate::Event`], so that the program may change and the format need not; and tagged
//! from outside, so that a mistake is told with the path of its field.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Answer, ConnectFailed, Ended, Entry, Event, Loss, Misbehavior, Request, fault::FaultReport,
    nanoseconds,
};

/// The first line: what the recording is of.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderLine {
    /// `fedsim-journal`.
    pub(super) format: String,
    /// Version of the format: 1.
    pub(super) version: u32,
    /// The program whose federation was played, as `fedsim`.
    pub(super) program: String,
    /// Its version.
    pub(super) program_version: String,
    /// The scenario that was played, as text in the scenario language.
    pub(super) scenario: String,
    /// The file that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// What the run was repeated from.
    pub(super) seed: u64,
}

/// One entry.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine {
    /// Its number, from 1, without gaps.
    pub(super) n: u64,
    /// Nanoseconds since the recording began; no entry comes before the one above it.
    pub(super) at_ns: u64,
    /// The machine where it happened.
    pub(super) machine: String,
    /// The entry that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<u64>,
    /// What happened.
    pub(super) event: EventLine,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum EventLine {
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
    /// A whole HTTP request left the machine.
    RequestSent {
        /// The machine it is for.
        to: String,
        /// `GET`, `PUT` ..
        method: String,
        /// Path and query, raw.
        target: String,
        /// Its body.
        #[serde(default, skip_serializing_if = "Body::is_empty")]
        body: Body,
        /// The request that the network delivers again with this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replays: Option<u64>,
    },
    /// A request arrived whole at the machine.
    RequestArrived {
        /// Number of its `request_sent`.
        request: u64,
    },
    /// A whole HTTP answer left the machine.
    AnswerSent {
        /// Number of the `request_sent` that it answers.
        request: u64,
        /// The machine it is for.
        to: String,
        /// The status.
        status: u16,
        /// Its body.
        #[serde(default, skip_serializing_if = "Body::is_empty")]
        body: Body,
    },
    /// An answer arrived whole at the machine.
    AnswerArrived {
        /// Number of the `request_sent`.
        request: u64,
        /// Number of the `answer_sent`.
        answer: u64,
    },
    /// The connection that carried a request died before its answer arrived whole.
    RequestLost {
        /// Number of the `request_sent`.
        request: u64,
        /// What became of the connection.
        why: Loss,
    },
    /// The machine's program let go of a request that had arrived whole, and never answered it.
    RequestDropped {
        /// Number of the `request_sent`.
        request: u64,
        /// What had become of the connection by then; `given up` if nothing had.
        why: Loss,
    },
    /// A connection that the machine's program asked for did not come about.
    ConnectFailed {
        /// The machine that it was to lead to.
        to: String,
        /// The port there.
        port: u16,
        /// Why not.
        why: Loss,
        /// How long the program had waited.
        waited_ns: u64,
        /// The fault, by its number, that was the last to be in the way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<u64>,
    },
    /// A file was synced to the machine's disk.
    DiskSynced {
        /// The file's name.
        file: String,
        /// Bytes made durable.
        bytes: u64,
    },
    /// A file was written, and a trigger waited for that.
    DiskWritten {
        /// The file's name.
        file: String,
        /// Bytes written.
        bytes: u64,
    },
    /// A fault began.
    FaultBegan {
        /// Its number, from 1.
        fault: u64,
        /// What it is, as `partition a | b`.
        what: String,
    },
    /// A fault was repaired or ended.
    FaultEnded {
        /// Its number.
        fault: u64,
        /// What it was.
        what: String,
    },
    /// A note of whoever plays, as a client operation that began or ended.
    Note {
        /// What about.
        topic: String,
        /// The note.
        body: serde_json::Value,
    },
}

/// The line behind the last entry: how the run ended, and what its faults did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    /// How many entries there are: fewer were cut off.
    pub(super) entries: u64,
    /// Why the run ended.
    pub(super) ended: EndedLine,
    /// When, in nanoseconds since the recording began.
    pub(super) at_ns: u64,
    /// Every fault, by its number from 1.
    pub(super) faults: Vec<FaultLine>,
}

/// Why a run ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum EndedLine {
    /// Everything was played to its end.
    Finished,
    /// The limit of time passed first.
    Limit,
    /// The journal reached a limit of entries first.
    EntryLimit {
        /// How many.
        entries: u64,
    },
    /// The bodies in the journal reached a limit of bytes first.
    ByteLimit {
        /// How many.
        bytes: u64,
    },
    /// A program panicked.
    Panicked {
        /// Its machine.
        machine: String,
        /// The panic's message.
        message: String,
    },
    /// A program broke the rules by which a world can run.
    Misbehaved {
        /// Its machine.
        machine: String,
        /// What it did.
        how: Misbehavior,
    },
}

/// What a fault did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultLine {
    /// What it is, as `partition a | b`.
    pub(super) what: String,
    /// When it began.
    pub(super) from_ns: u64,
    /// When it ended; absent if it was in force at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until_ns: Option<u64>,
    /// Numbers of the requests that it touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<u64>,
    /// How many things it touched.
    pub(super) hits: u64,
}

/// The last line: a hash over every byte before it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HashLine {
    /// BLAKE3, hexadecimal.
    pub(super) hash: String,
}

/// The body of a message: text as it is, and what is no text as `{"base64": ".."}`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Binary {
        /// In the standard alphabet, padded.
        base64: String,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Body {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Binary { base64: STANDARD.encode(bytes) },
        }
    }

    /// # Errors
    /// It is no base64; a sentence.
    fn into_bytes(self) -> Result<Bytes, String> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Binary { base64 } => match STANDARD.decode(base64) {
                Ok(bytes) => Ok(bytes.into()),
                Err(error) => Err(format!("the body is no base64: {error}")),
            },
        }
    }
}

/// Returns the JSON schema of every line, in the order in which they come.
pub fn schema() -> serde_json::Value {
    /// A line of a kept journal: a header, entries, the end, and a hash, which may be left out.
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    enum Line {
        Header(HeaderLine),
        Entry(EntryLine),
        End(EndLine),
        Hash(HashLine),
    }
    schemars::schema_for!(Line).to_value()
}

impl EntryLine {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            n: entry.n,
            at_ns: nanoseconds(entry.at),
            machine: entry.machine.to_string(),
            cause: entry.cause,
            event: EventLine::of(&entry.event),
        }
    }

    /// # Errors
    /// A body is none; a sentence.
    pub(super) fn into_entry(self) -> Result<Entry, String> {
        Ok(Entry {
            n: self.n,
            at: Duration::from_nanos(self.at_ns),
            machine: Arc::from(self.machine),
            cause: self.cause,
            event: self.event.into_event()?,
        })
    }
}

impl EventLine {
    fn of(event: &Event) -> Self {
        match event.clone() {
            Event::Booted { incarnation } => Self::Booted { incarnation },
            Event::Exited { error } => Self::Exited { error },
            Event::RequestSent(Request { to, method, target, body, replays }) => {
                let body = Body::of(&body);
                Self::RequestSent { to: to.to_string(), method, target, body, replays }
            }
            Event::RequestArrived { request } => Self::RequestArrived { request },
            Event::AnswerSent(Answer { request, to, status, body }) => {
                Self::AnswerSent { request, to: to.to_string(), status, body: Body::of(&body) }
            }
            Event::AnswerArrived { request, answer } => Self::AnswerArrived { request, answer },
            Event::RequestLost { request, why } => Self::RequestLost { request, why },
            Event::RequestDropped { request, why } => Self::RequestDropped { request, why },
            Event::ConnectFailed(ConnectFailed { to, port, why, waited, fault }) => {
                let (to, waited_ns) = (to.to_string(), nanoseconds(waited));
                Self::ConnectFailed { to, port, why, waited_ns, fault }
            }
            Event::DiskSynced { file, bytes } => Self::DiskSynced { file, bytes },
            Event::DiskWritten { file, bytes } => Self::DiskWritten { file, bytes },
            Event::FaultBegan { fault, what } => Self::FaultBegan { fault, what },
            Event::FaultEnded { fault, what } => Self::FaultEnded { fault, what },
            Event::Note { topic, body } => Self::Note { topic, body },
        }
    }

    fn into_event(self) -> Result<Event, String> {
        Ok(match self {
            Self::Booted { incarnation } => Event::Booted { incarnation },
            Self::Exited { error } => Event::Exited { error },
            Self::RequestSent { to, method, target, body, replays } => {
                let body = body.into_bytes()?;
                Event::RequestSent(Request { to: to.into(), method, target, body, replays })
            }
            Self::RequestArrived { request } => Event::RequestArrived { request },
            Self::AnswerSent { request, to, status, body } => {
                let body = body.into_bytes()?;
                Event::AnswerSent(Answer { request, to: to.into(), status, body })
            }
            Self::AnswerArrived { request, answer } => Event::AnswerArrived { request, answer },
            Self::RequestLost { request, why } => Event::RequestLost { request, why },
            Self::RequestDropped { request, why } => Event::RequestDropped { request, why },
            Self::ConnectFailed { to, port, why, waited_ns, fault } => {
                let (to, waited) = (to.into(), Duration::from_nanos(waited_ns));
                Event::ConnectFailed(ConnectFailed { to, port, why, waited, fault })
            }
            Self::DiskSynced { file, bytes } => Event::DiskSynced { file, bytes },
            Self::DiskWritten { file, bytes } => Event::DiskWritten { file, bytes },
            Self::FaultBegan { fault, what } => Event::FaultBegan { fault, what },
            Self::FaultEnded { fault, what } => Event::FaultEnded { fault, what },
            Self::Note { topic, body } => Event::Note { topic, body },
        })
    }
}

impl EndedLine {
    pub(super) fn of(ended: &Ended) -> Self {
        match ended.clone() {
            Ended::Finished => Self::Finished,
            Ended::Limit => Self::Limit,
            Ended::EntryLimit(entries) => Self::EntryLimit { entries },
            Ended::ByteLimit(bytes) => Self::ByteLimit { bytes },
            Ended::Panicked { machine, message } => Self::Panicked { machine, message },
            Ended::Misbehaved { machine, how } => Self::Misbehaved { machine, how },
        }
    }

    pub(super) fn into_ended(self) -> Ended {
        match self {
            Self::Finished => Ended::Finished,
            Self::Limit => Ended::Limit,
            Self::EntryLimit { entries } => Ended::EntryLimit(entries),
            Self::ByteLimit { bytes } => Ended::ByteLimit(bytes),
            Self::Panicked { machine, message } => Ended::Panicked { machine, message },
            Self::Misbehaved { machine, how } => Ended::Misbehaved { machine, how },
        }
    }
}

impl FaultLine {
    pub(super) fn of(report: &FaultReport) -> Self {
        Self {
            what: report.what.clone(),
            from_ns: nanoseconds(report.from),
            until_ns: report.until.map(nanoseconds),
            requests: report.requests.iter().copied().collect(),
            hits: report.hits,
        }
    }

    pub(super) fn into_report(self) -> FaultReport {
        FaultReport {
            what: self.what,
            from: Duration::from_nanos(self.from_ns),
            until: self.until_ns.map(Duration::from_nanos),
            requests: self.requests.into_iter().collect(),
            hits: self.hits,
        }
    }
}
