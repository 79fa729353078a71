//! The journal: what the network saw, decoded as HTTP; faults; disk syncs; notes of the harness.
//!
//! Every entry has a number, a simulated time, a machine, and a cause. It is written by the world
//! itself, never by the nodes under test, and is what checks read.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;

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
    serializer.serialize_u64(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX))
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
        /// `reset`, `timed out`, `crashed`, `closed`; `dropped` if it was a replay.
        why: &'static str,
    },
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

/// The entries of one run, in order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
}

impl Journal {
    /// A journal of these entries, which must be numbered from 1 without gaps: for trying checks on
    /// journals that no world has written.
    pub fn from_entries(entries: Vec<Entry>) -> Self {
        assert!(entries.iter().zip(1..).all(|(entry, n)| entry.n == n), "entries have gaps");
        Self { entries }
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry numbered `n`.
    pub fn get(&self, n: u64) -> Option<&Entry> {
        let index = usize::try_from(n.checked_sub(1)?).ok()?;
        self.entries.get(index)
    }

    /// The requests that the entries `numbers` sent: machine, method and target of each, in the
    /// order in which they were sent. For worlds, which know what is in flight.
    pub fn requests(
        &self,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Vec<(String, String, String)> {
        let numbers: BTreeSet<u64> = numbers.into_iter().collect();
        let entries = numbers.into_iter().filter_map(|n| self.get(n));
        let requests = entries.filter_map(|entry| match &entry.event {
            Event::RequestSent(request) => {
                Some((entry.machine.to_string(), request.method.clone(), request.target.clone()))
            }
            _ => None,
        });
        requests.collect()
    }

    /// Appends an entry and returns its number. For worlds; what they do not write did not happen.
    pub fn push(
        &mut self,
        at: Duration,
        machine: Arc<str>,
        cause: Option<u64>,
        event: Event,
    ) -> u64 {
        let n = self.entries.len() as u64 + 1;
        self.entries.push(Entry { n, at, machine, cause, event });
        n
    }

    /// The journal as text, one JSON object a line: what determinism is compared on.
    pub fn to_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.entries
            .iter()
            .map(|entry| serde_json::to_string(entry).expect("entries have only string keys"))
    }

    /// A hash over every line, hexadecimal.
    pub fn hash(&self) -> String {
        hash(self.to_lines())
    }
}

/// A hash over the lines of a journal, hexadecimal: what [`Journal::hash`] says, for who has made
/// the lines already.
pub fn hash(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for line in lines {
        hasher.update(line.as_ref().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}
