//! A page of a run's journal: the entries that pass a filter, some of them at a time.

use checks::record::EventRecord;
use reports::{evidence, time::signed};
use serde::{Deserialize, Serialize};

use crate::shelf::Run;

/// The most entries of a page.
const MOST: usize = 500;
/// The most characters of what an entry says in a page.
const WIDTH: usize = 160;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// The run.
    #[serde(default)]
    pub(crate) run: String,
    /// How many of the entries that pass are left out before the page.
    #[serde(default)]
    offset: usize,
    /// How many there are to be on it.
    #[serde(default)]
    count: usize,
    /// Where the entry of this number is among those that pass, or the first one after it.
    near: Option<u64>,
    /// Only those at this machine, or for it.
    #[serde(default)]
    node: String,
    /// Only those about this message.
    #[serde(default)]
    message: String,
    /// Only those of this kind: `requests`, `faults`, `clients`, `disks`, `evidence`.
    #[serde(default)]
    kind: String,
    /// Only those that say this, in any case.
    #[serde(default)]
    text: String,
}

impl Page {
    /// Returns whether every entry passes.
    fn is_for_all(&self) -> bool {
        [&self.node, &self.message, &self.kind, &self.text].into_iter().all(String::is_empty)
    }
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<'r> {
    /// How many pass the filter.
    total: usize,
    offset: usize,
    /// Where the entry that was asked for is among those that pass.
    place: Option<usize>,
    entries: Vec<Entry<'r>>,
}

/// An entry, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'r> {
    pub(crate) n: u64,
    pub(crate) at: String,
    pub(crate) at_ns: i64,
    node: &'r str,
    /// The machine at the other end of the request that it tells of.
    other: Option<&'r str>,
    kind: &'r str,
    what: String,
    /// Its result; of a request that leaves, what will become of it.
    result: Option<String>,
    /// The message that it carries. A request without a body carries none, whatever its answer
    /// brings later.
    message: Option<&'r str>,
    cause: Option<u64>,
    is_evidence: bool,
}

impl<'r> Entry<'r> {
    pub(crate) fn of(run: &'r Run, event: &'r EventRecord) -> Self {
        Self {
            n: event.n,
            at: signed(event.at_ns),
            at_ns: event.at_ns,
            node: &event.node,
            other: other(run, event),
            kind: &event.kind,
            what: cut(&event.what),
            result: evidence::result(event).as_deref().map(cut),
            message: message(run, event),
            cause: event.cause,
            is_evidence: is_evidence(run, event.n),
        }
    }
}

fn other<'r>(run: &'r Run, event: &'r EventRecord) -> Option<&'r str> {
    if event.kind == "connect_failed" {
        return event.to.as_deref();
    }
    let sent = run.entry(run.exchange_of(event.n)?.sent)?;
    if sent.node == event.node { sent.to.as_deref() } else { Some(&sent.node) }
}

/// Returns the message that an entry carries.
pub(crate) fn message<'r>(run: &Run, event: &'r EventRecord) -> Option<&'r str> {
    let asks = run.exchange_of(event.n).is_none_or(|legs| legs.asks);
    let is_request = event.kind.starts_with("request_");
    event.message.as_deref().filter(|_| asks || !is_request)
}

/// Returns a text of at most [`WIDTH`] characters.
fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_evidence(run: &Run, n: u64) -> bool {
    evidence::shown(&run.record).is_some_and(|check| check.evidence.contains(&n))
}

/// Returns the page.
pub(crate) fn of<'r>(run: &'r Run, asked: &Page) -> Listing<'r> {
    let events = &run.record.events;
    let (offset, count) = (asked.offset, asked.count.clamp(1, MOST));
    let place = |place: usize, total: usize| place.min(total.saturating_sub(1));
    if asked.is_for_all() {
        // Whoever steps through a long journal asks for it page by page, and all of it passes.
        let near = asked.near.map(|n| events.partition_point(|event| event.n < n));
        let page = events.iter().skip(offset).take(count);
        return Listing {
            total: events.len(),
            offset,
            place: near.map(|near| place(near, events.len())),
            entries: page.map(|event| Entry::of(run, event)).collect(),
        };
    }
    let text = asked.text.to_lowercase();
    let passing: Vec<&EventRecord> =
        events.iter().filter(|event| passes(run, event, asked, &text)).collect();
    let near = asked.near.map(|n| passing.partition_point(|event| event.n < n));
    let page = passing.iter().skip(offset).take(count);
    Listing {
        total: passing.len(),
        offset,
        place: near.map(|near| place(near, passing.len())),
        entries: page.map(|event| Entry::of(run, event)).collect(),
    }
}

fn passes(run: &Run, event: &EventRecord, asked: &Page, text: &str) -> bool {
    let is_at = |name: &str| event.node == name || event.to.as_deref() == Some(name);
    let by_kind = match &*asked.kind {
        "requests" => {
            let exchanges = ["request_", "answer_", "connect_"];
            exchanges.iter().any(|kind| event.kind.starts_with(kind))
        }
        "faults" => event.kind.starts_with("fault_") || matches!(&*event.kind, "booted" | "exited"),
        "clients" => event.kind == "note",
        "disks" => event.kind.starts_with("disk_"),
        "evidence" => is_evidence(run, event.n),
        _ => true,
    };
    by_kind
        && (asked.node.is_empty() || is_at(&asked.node))
        && (asked.message.is_empty() || event.message.as_deref() == Some(&asked.message))
        && (text.is_empty() || says(event, text))
}

/// Returns whether an entry says this text, which is in lower case.
fn says(event: &EventRecord, text: &str) -> bool {
    let parts = [Some(&event.node), event.to.as_ref(), Some(&event.kind), Some(&event.what)];
    let more = [event.result.as_ref(), event.why.as_ref(), event.message.as_ref()];
    let mut parts = parts.into_iter().chain(more).flatten();
    parts.any(|part| part.to_lowercase().contains(text))
}
