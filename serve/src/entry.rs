//! One entry of a journal: what it carried, what led to it, and what it led to.

use journal::Event;
use serde::Serialize;

use crate::{
    answer::Problem,
    entries::Entry,
    shelf::{Journal, Run},
};

/// The most bytes of what a request or answer carried that are shown.
const BODY: usize = 64 << 10;
/// The most causes in a chain, and the most entries that one led to, that are shown.
const MOST: usize = 50;

/// What is said of an entry.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'r> {
    entry: Entry<'r>,
    /// The journal's own line.
    line: &'r str,
    /// What it carried, as text.
    body: Option<String>,
    /// How many bytes that are; more than are shown, perhaps.
    bytes: usize,
    /// Why it is not known what it carried, in a sentence.
    no_body: Option<String>,
    /// What led to it, the first cause first; without the entry itself.
    causes: Vec<Entry<'r>>,
    /// What it led to directly.
    effects: Vec<Entry<'r>>,
    /// How many more it led to.
    more_effects: usize,
    /// The other entries that tell of the same request.
    same_request: Vec<Entry<'r>>,
}

/// Returns what is known of the entry of that number.
pub(crate) fn of(run: &Run, n: u64) -> Result<Told<'_>, Problem> {
    let event = run.known_entry(n)?;
    let effects: Vec<_> = run.record.events.iter().filter(|it| it.cause == Some(n)).collect();
    let (body, bytes, no_body) = match body(run, n, &event.kind) {
        Ok(Some(bytes)) => (Some(text(&bytes)), bytes.len(), None),
        Ok(None) => (None, 0, None),
        Err(why) => (None, 0, Some(why)),
    };
    Ok(Told {
        entry: Entry::of(run, event),
        line: &event.line,
        body,
        bytes,
        no_body,
        causes: causes(run, n),
        more_effects: effects.len().saturating_sub(MOST),
        effects: effects.into_iter().take(MOST).map(|it| Entry::of(run, it)).collect(),
        same_request: same_request(run, n),
    })
}

fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(BODY)];
    String::from_utf8_lossy(shown).into_owned()
}

/// Returns what an entry carried; none if entries of its kind carry nothing.
///
/// # Errors
/// The journal is not there, or cannot be read.
fn body(run: &Run, n: u64, kind: &str) -> Result<Option<Vec<u8>>, String> {
    if !matches!(kind, "request_sent" | "answer_sent" | "note") {
        return Ok(None);
    }
    let recording = match run.journal() {
        Journal::Kept(recording) => recording,
        Journal::Broken(why) => return Err(why.clone()),
        Journal::NotKept => {
            let why = "What it carried was not kept: run it again with `--journal always`.";
            return Err(why.to_owned());
        }
    };
    let bytes = match recording.journal.get(n).map(|entry| &entry.event) {
        Some(Event::RequestSent(request)) => request.body.to_vec(),
        Some(Event::AnswerSent(answer)) => answer.body.to_vec(),
        Some(Event::Note { body, .. }) => body.to_string().into_bytes(),
        _ => return Ok(None),
    };
    Ok(Some(bytes))
}

fn causes(run: &Run, n: u64) -> Vec<Entry<'_>> {
    let cause_of = |n: u64| run.entry(n).and_then(|event| event.cause).filter(|cause| *cause < n);
    let mut chain = Vec::new();
    let mut next = cause_of(n);
    while let Some(event) = next.and_then(|n| run.entry(n)).filter(|_| chain.len() < MOST) {
        chain.push(Entry::of(run, event));
        next = cause_of(event.n);
    }
    chain.reverse();
    chain
}

fn same_request(run: &Run, n: u64) -> Vec<Entry<'_>> {
    let mut numbers: Vec<u64> =
        run.exchange_of(n).into_iter().flat_map(|it| it.entries()).collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|n| run.entry(n)).map(|it| Entry::of(run, it)).collect()
}
