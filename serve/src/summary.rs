//! A run but for its journal: the verdict, and everything that it was judged by.

use checks::record::{CheckRecord, Copy, FaultRecord, Machine, Message, Skipped};
use reports::{
    folder,
    line::{self, Status},
    time::{coarse, exact},
};
use serde::Serialize;

use crate::{folder::Folder, shelf::Run};

/// The most messages, faults and checks, and the most devices of a message, that are told.
const MOST: usize = 400;
const MOST_COPIES: usize = 60;
/// The most marks on the line of time, and the most numbers of evidence.
const MOST_MARKS: usize = 1_000;

/// What is told of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'r> {
    run: &'r str,
    /// Its folder, as it is named for people.
    folder: String,
    scenario: &'r str,
    about: &'r str,
    file: Option<&'r str>,
    text: &'r str,
    seed: u64,
    program: String,
    status: &'static str,
    sentence: Option<String>,
    weaknesses: Vec<String>,
    simulated: String,
    /// How many entries its journal has, and the numbers of the first and the last.
    entries: usize,
    first: u64,
    last: u64,
    /// The entry at which the shown violation happened.
    violation: Option<u64>,
    /// The entry at which the cluster was ready.
    ready: Option<u64>,
    machines: &'r [Machine],
    messages: Vec<Posted<'r>>,
    more_messages: usize,
    faults: Vec<Fault<'r>>,
    checks: Vec<Check<'r>>,
    skipped: &'r [Skipped],
    /// When each fault was in force, by numbers of entries.
    spans: Vec<Span<'r>>,
    /// The entries at which clients began to send.
    sends: Vec<u64>,
    /// Whether there is a page about it beside its record.
    has_page: bool,
}

/// A message.
#[derive(Debug, Serialize)]
struct Posted<'r> {
    id: &'r str,
    from: &'r str,
    conversation: &'r str,
    sent: String,
    outcome: checks::record::OpOutcome,
    copies: Vec<Shown<'r>>,
    more_copies: usize,
}

/// A message at a device.
#[derive(Debug, Serialize)]
struct Shown<'r> {
    device: &'r str,
    backend: &'r str,
    seen: Option<String>,
    times: u32,
    presence: checks::record::Presence,
}

/// A fault.
#[derive(Debug, Serialize)]
struct Fault<'r> {
    what: &'r str,
    when: &'r str,
    from: Option<String>,
    until: Option<String>,
    requests: u64,
    hits: u64,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Check<'r> {
    name: &'r str,
    kind: checks::record::CheckKind,
    verdict: checks::record::CheckVerdict,
    must_break: bool,
    judged: u64,
    of: &'r str,
    at: Option<String>,
    sentence: Option<&'r str>,
    message: Option<&'r str>,
    evidence: Vec<u64>,
}

/// When a fault was in force.
#[derive(Debug, Serialize)]
struct Span<'r> {
    what: &'r str,
    began: u64,
    ended: Option<u64>,
}

/// Returns it.
pub(crate) fn of<'r>(folder: &Folder, run: &'r Run) -> Summary<'r> {
    let record = &run.record;
    let weaknesses = record.weaknesses();
    let events = &record.events;
    let notes = |topic: &'static str| {
        events.iter().filter(move |it| it.kind == "note" && it.what == topic).map(|it| it.n)
    };
    let spans = run.spans.iter().take(MOST_MARKS);
    let shown = folder.shown(&run.way);
    Summary {
        run: &run.way,
        folder: shown.display().to_string(),
        scenario: &record.scenario.name,
        about: &record.scenario.about,
        file: record.scenario.file.as_deref(),
        text: &record.scenario.text,
        seed: record.seed,
        program: format!("{} {}", record.program.name, record.program.version),
        status: Status::of(record, &weaknesses).word(),
        sentence: line::sentence(record),
        weaknesses,
        simulated: coarse(record.ended.at_ns),
        entries: events.len(),
        first: events.first().map_or(0, |event| event.n),
        last: events.last().map_or(0, |event| event.n),
        violation: run.violation,
        ready: notes("ready").next(),
        machines: &record.nodes,
        messages: record.messages.iter().take(MOST).map(sent).collect(),
        more_messages: record.messages.len().saturating_sub(MOST),
        faults: record.faults.iter().take(MOST).map(fault).collect(),
        checks: record.checks.iter().take(MOST).map(check).collect(),
        skipped: &record.skipped[..record.skipped.len().min(MOST)],
        spans: spans.map(|it| Span { what: &it.what, began: it.began, ended: it.ended }).collect(),
        sends: notes("send-began").take(MOST_MARKS).collect(),
        has_page: run.has(folder::PAGE),
    }
}

fn sent(message: &Message) -> Posted<'_> {
    Posted {
        id: &message.id,
        from: &message.from,
        conversation: &message.conversation,
        sent: exact(message.sent_ns),
        outcome: message.outcome,
        copies: message.copies.iter().take(MOST_COPIES).map(seen).collect(),
        more_copies: message.copies.len().saturating_sub(MOST_COPIES),
    }
}

fn seen(copy: &Copy) -> Shown<'_> {
    let Copy { device, backend, seen_ns, times, presence } = copy;
    Shown { device, backend, seen: seen_ns.map(exact), times: *times, presence: *presence }
}

fn fault(fault: &FaultRecord) -> Fault<'_> {
    let FaultRecord { what, when, from_ns, until_ns, requests, hits, .. } = fault;
    let (from, until) = (from_ns.map(exact), until_ns.map(exact));
    Fault { what, when, from, until, requests: *requests, hits: *hits }
}

fn check(check: &CheckRecord) -> Check<'_> {
    Check {
        name: &check.name,
        kind: check.kind,
        verdict: check.verdict,
        must_break: check.must_break,
        judged: check.judged,
        of: &check.of,
        at: check.at_ns.map(exact),
        sentence: check.sentence.as_deref(),
        message: check.message.as_deref(),
        evidence: check.evidence.iter().copied().take(MOST_MARKS).collect(),
    }
}
