//! A run's journal for terminals: an entry a line, and the part of it that somebody asks for.

use std::collections::BTreeSet;

use ::journal::Event;
use checks::record::{EventRecord, Record};

use crate::{
    Source, evidence,
    time::signed,
    words::{clean, cut},
};

/// How many entries before and after one are around it.
const AROUND: usize = 10;
/// The most characters of a path, of what happened, and of a body's line.
const PATH: usize = 26;
const WHAT: usize = 60;
const BODY: usize = 400;

/// Which entries are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those around this one.
    Around(u64),
    /// This one, and the causes that led to it.
    Why(u64),
    /// Those that show that a check was violated; the most serious one, if it has no name.
    Evidence(String),
}

/// Which entries are shown.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of which entries.
    pub which: Which,
    /// Only those at these machines, or for them; any if empty.
    pub nodes: BTreeSet<String>,
    /// Only those from this time on: nanoseconds since the cluster was ready.
    pub from_ns: Option<i64>,
    /// Only those up to this time.
    pub to_ns: Option<i64>,
    /// Only those that carry this message or speak of it.
    pub message: Option<String>,
    /// Only those of requests to this endpoint.
    pub endpoint: Option<String>,
}

impl Filter {
    /// Returns the entries that are meant, in order.
    pub fn of<'r>(&self, record: &'r Record) -> Vec<&'r EventRecord> {
        let meant = self.meant(record).into_iter();
        meant.filter(|event| self.passes(event)).collect()
    }

    fn meant<'r>(&self, record: &'r Record) -> Vec<&'r EventRecord> {
        let events = &record.events;
        match &self.which {
            Which::All => events.iter().collect(),
            Which::Around(n) => {
                let at = events.iter().position(|event| event.n == *n).unwrap_or(0);
                let (first, last) =
                    (at.saturating_sub(AROUND), (at + AROUND + 1).min(events.len()));
                events[first..last].iter().collect()
            }
            Which::Why(n) => why(events, *n),
            Which::Evidence(name) => {
                let named = record.checks.iter().find(|check| check.name == *name);
                let check = if name.is_empty() { evidence::shown(record) } else { named };
                let numbers = check.into_iter().flat_map(|check| &check.evidence);
                numbers.filter_map(|n| evidence::find(events, *n)).collect()
            }
        }
    }

    fn passes(&self, event: &EventRecord) -> bool {
        let at = event.at_ns;
        let at_node = |name: &str| self.nodes.contains(name);
        let by_node = self.nodes.is_empty()
            || at_node(&event.node)
            || event.to.as_deref().is_some_and(at_node);
        let by_message = self.message.is_none() || event.message == self.message;
        let is_exchange = event.kind.starts_with("request_") || event.kind.starts_with("answer_");
        let by_endpoint =
            self.endpoint.as_ref().is_none_or(|name| is_exchange && event.what == *name);
        let by_time =
            self.from_ns.is_none_or(|from| at >= from) && self.to_ns.is_none_or(|to| at <= to);
        by_node && by_message && by_endpoint && by_time
    }
}

/// Returns an entry and the chain of causes that led to it, the first cause first.
fn why(events: &[EventRecord], n: u64) -> Vec<&EventRecord> {
    let mut chain = Vec::new();
    let mut next = Some(n);
    while let Some(event) = next.and_then(|n| evidence::find(events, n)) {
        chain.push(event);
        // A cause comes before what it leads to; what is recorded elsewhere may say otherwise.
        next = event.cause.filter(|cause| *cause < event.n);
    }
    chain.reverse();
    chain
}

/// Returns a line for each entry, with what it carried below it if that is asked for.
pub fn lines(source: &Source<'_>, events: &[&EventRecord], bodies: bool) -> Vec<String> {
    let number = events.iter().map(|event| event.n.to_string().len()).max().unwrap_or(0) + 1;
    let times: Vec<String> = events.iter().map(|event| signed(event.at_ns)).collect();
    let time = times.iter().map(|time| time.chars().count()).max().unwrap_or(0);
    let paths: Vec<String> = events.iter().map(|event| cut(&evidence::path(event), PATH)).collect();
    let path = paths.iter().map(|path| path.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for ((event, at), there) in events.iter().zip(&times).zip(&paths) {
        let head = format!("{:>number$}  {at:>time$}  {there:<path$}", format!("#{}", event.n));
        let what = cut(&evidence::what(event), WHAT);
        let result = evidence::result(event).map(|it| format!("  {it}")).unwrap_or_default();
        let cause = event.cause.map(|n| format!("  (#{n})")).unwrap_or_default();
        lines.push(clean(&format!("{head}  {what}{result}{cause}")).trim_end().to_owned());
        if bodies && let Some(body) = body(source, event) {
            lines.push(format!("{}{}", " ".repeat(number + time + 4), cut(&clean(&body), BODY)));
        }
    }
    lines
}

/// Returns what an entry carried.
fn body(source: &Source<'_>, event: &EventRecord) -> Option<String> {
    let bytes = match &source.recording?.journal.get(event.n)?.event {
        Event::RequestSent(request) => &request.body,
        Event::AnswerSent(answer) => &answer.body,
        Event::Note { body, .. } => return Some(body.to_string()),
        _ => return None,
    };
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}
