//! The entries of one run, and the hash that tells two runs apart.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{Entry, Event};

/// Entries for which a journal has room from the first one on: a short run never moves them.
const FIRST_ROOM: usize = 1024;

/// The entries of one run, in order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    /// Bytes of all bodies in it.
    bytes: u64,
}

/// Bytes of the bodies in a journal after which a run is ended: a program that says something large again and
/// again must not take all memory. A run that is worth looking at has a thousandth of that.
pub const MAX_BYTES: u64 = 1 << 30;

impl Journal {
    /// Returns a journal of these entries, which must be numbered from 1 without gaps: for trying
    /// checks on journals that no world has written.
    pub fn from_entries(entries: Vec<Entry>) -> Self {
        assert!(entries.iter().zip(1..).all(|(entry, n)| entry.n == n), "entries have gaps");
        let bytes = entries.iter().map(|entry| body_of(&entry.event)).sum();
        Self { entries, bytes }
    }

    /// Returns how many bytes all bodies of requests and answers in it have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns all entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the entry numbered `n`.
    pub fn get(&self, n: u64) -> Option<&Entry> {
        let index = usize::try_from(n.checked_sub(1)?).ok()?;
        self.entries.get(index)
    }

    /// Returns the requests that the entries `numbers` sent: machine, method and target of each, in
    /// the order in which they were sent. For worlds, which know what is in flight.
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
        if self.entries.len() == self.entries.capacity() {
            // Three times as many: each move copies all of them, and room that is not yet written
            // costs no memory.
            self.entries.reserve_exact(self.entries.len().saturating_mul(2).max(FIRST_ROOM));
        }
        self.bytes += body_of(&event);
        self.entries.push(Entry { n, at, machine, cause, event });
        n
    }

    /// Returns the journal as text, one JSON object a line: what determinism is compared on.
    pub fn to_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.entries
            .iter()
            .map(|entry| serde_json::to_string(entry).expect("entries have only string keys"))
    }

    /// Returns a hash over every line, hexadecimal.
    pub fn hash(&self) -> String {
        hash(self.to_lines())
    }
}

/// Returns how many bytes the body in an entry has.
fn body_of(event: &Event) -> u64 {
    match event {
        Event::RequestSent(request) => request.body.len() as u64,
        Event::AnswerSent(answer) => answer.body.len() as u64,
        _ => 0,
    }
}

/// Bytes of lines that are hashed at once: enough for the hash to work on many blocks side by side.
const HASHED_AT_ONCE: usize = 1 << 16;

/// Returns a hash over the lines of a journal, hexadecimal. It is that of [`Journal::hash`], for
/// callers that already have the lines.
pub fn hash(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut gathered = Vec::with_capacity(HASHED_AT_ONCE);
    for line in lines {
        gathered.extend_from_slice(line.as_ref().as_bytes());
        gathered.push(b'\n');
        if gathered.len() >= HASHED_AT_ONCE {
            hasher.update(&gathered);
            gathered.clear();
        }
    }
    hasher.update(&gathered);
    hasher.finalize().to_hex().to_string()
}
