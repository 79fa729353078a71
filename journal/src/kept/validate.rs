//! What a journal must keep to so that checks may believe it: numbers without gaps, time that does
//! not run back, and references that lead to what they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{ConnectFailed, Entry, Event, Recording, Request};

/// A field, and what is wrong with it.
pub(super) type Wrong = (&'static str, String);

/// Looks at entries in their order.
#[derive(Debug, Default)]
pub(super) struct Validator {
    /// Faults that began.
    faults: Vec<Began>,
    /// What has happened to each request: nothing happens twice.
    happened: BTreeMap<u64, BTreeSet<&'static str>>,
}

/// A fault that began.
#[derive(Debug)]
struct Began {
    what: String,
    at: Duration,
    ended: Option<Duration>,
}

impl Validator {
    /// Looks at the entry that follows `before`.
    ///
    /// # Errors
    /// It cannot follow them.
    pub(super) fn entry(&mut self, before: &[Entry], entry: &Entry) -> Result<(), Wrong> {
        let due = before.len() as u64 + 1;
        if entry.n != due {
            return Err(("n", format!("entry {due} is due here, not {}", entry.n)));
        }
        if before.last().is_some_and(|last| last.at > entry.at) {
            return Err(("at_ns", "it comes before the entry above it".to_owned()));
        }
        if entry.machine.is_empty() {
            return Err(("machine", "a machine has a name".to_owned()));
        }
        if entry.cause.is_some_and(|cause| cause == 0 || cause >= entry.n) {
            return Err(("cause", "a cause is an entry above".to_owned()));
        }
        self.event(before, entry)
    }

    fn event(&mut self, before: &[Entry], entry: &Entry) -> Result<(), Wrong> {
        match &entry.event {
            Event::RequestSent(Request { replays: Some(replayed), .. }) => {
                request(before, *replayed, "event.request_sent.replays").map(drop)
            }
            Event::RequestArrived { request: n } => {
                let field = "event.request_arrived.request";
                let (_, sent) = request(before, *n, field)?;
                self.once(*n, field, "arrived")?;
                same("machine", &entry.machine, &sent.to, "the request is for")
            }
            Event::AnswerSent(answer) => {
                let field = "event.answer_sent.request";
                let (asking, sent) = request(before, answer.request, field)?;
                self.once(answer.request, field, "was answered")?;
                same("machine", &entry.machine, &sent.to, "the request is for")?;
                same("event.answer_sent.to", &answer.to, &asking.machine, "the request is of")
            }
            Event::AnswerArrived { request: n, answer } => {
                let field = "event.answer_arrived.request";
                let (asking, _) = request(before, *n, field)?;
                self.once(*n, field, "had its answer arrive")?;
                same("machine", &entry.machine, &asking.machine, "the request is of")?;
                let is_it =
                    |event: &Event| matches!(event, Event::AnswerSent(it) if it.request == *n);
                if at(before, *answer).is_some_and(|entry| is_it(&entry.event)) {
                    return Ok(());
                }
                let what = format!("entry {answer} is no answer to request {n}");
                Err(("event.answer_arrived.answer", what))
            }
            Event::RequestLost { request: n, .. } => {
                let field = "event.request_lost.request";
                let (asking, _) = request(before, *n, field)?;
                self.once(*n, field, "was lost")?;
                same("machine", &entry.machine, &asking.machine, "the request is of")
            }
            Event::RequestDropped { request: n, .. } => {
                let field = "event.request_dropped.request";
                let (_, sent) = request(before, *n, field)?;
                self.once(*n, field, "was dropped")?;
                same("machine", &entry.machine, &sent.to, "the request is for")
            }
            Event::FaultBegan { fault, what } => {
                self.faults.push(Began { what: what.clone(), at: entry.at, ended: None });
                let due = self.faults.len() as u64;
                let wrong = || format!("fault {due} is due here, not {fault}");
                (*fault == due).then_some(()).ok_or_else(|| ("event.fault_began.fault", wrong()))
            }
            Event::FaultEnded { fault, what } => self.fault_ended(*fault, what, entry.at),
            Event::ConnectFailed(ConnectFailed { fault: Some(fault), .. }) => {
                let is_known = *fault >= 1 && *fault <= self.faults.len() as u64;
                let wrong = || format!("fault {fault} never began");
                is_known.then_some(()).ok_or_else(|| ("event.connect_failed.fault", wrong()))
            }
            Event::RequestSent(_)
            | Event::ConnectFailed(_)
            | Event::Booted { .. }
            | Event::Exited { .. }
            | Event::DiskSynced { .. }
            | Event::DiskWritten { .. }
            | Event::Note { .. } => Ok(()),
        }
    }

    /// Takes note of what happens to a request once.
    fn once(&mut self, n: u64, field: &'static str, what: &'static str) -> Result<(), Wrong> {
        let is_first = self.happened.entry(n).or_default().insert(what);
        is_first.then_some(()).ok_or_else(|| (field, format!("request {n} {what} twice")))
    }

    fn fault_ended(&mut self, fault: u64, what: &str, at: Duration) -> Result<(), Wrong> {
        let index = fault.checked_sub(1).and_then(|before| usize::try_from(before).ok());
        let Some(began) = index.and_then(|index| self.faults.get_mut(index)) else {
            return Err(("event.fault_ended.fault", format!("fault {fault} never began")));
        };
        if began.ended.replace(at).is_some() {
            return Err(("event.fault_ended.fault", format!("fault {fault} ended twice")));
        }
        same("event.fault_ended.what", what, &began.what, "it began as")
    }

    /// Looks at the whole.
    ///
    /// # Errors
    /// The end does not belong to these entries.
    pub(super) fn end(&self, recording: &Recording) -> Result<(), Wrong> {
        let entries = recording.journal.entries();
        if entries.last().is_some_and(|last| last.at > recording.at) {
            return Err(("at_ns", "the run ends before its last entry".to_owned()));
        }
        if recording.faults.len() != self.faults.len() {
            let (told, began) = (recording.faults.len(), self.faults.len());
            return Err(("faults", format!("{told} faults are told of and {began} began")));
        }
        for (report, began) in recording.faults.iter().zip(&self.faults) {
            if report.what != began.what {
                return Err(("faults", format!("`{}` began as `{}`", report.what, began.what)));
            }
            if (report.from, report.until) != (began.at, began.ended) {
                let what = format!("`{}` has another time than its entries", report.what);
                return Err(("faults", what));
            }
            for touched in &report.requests {
                request(entries, *touched, "faults")?;
            }
        }
        Ok(())
    }
}

fn at(entries: &[Entry], n: u64) -> Option<&Entry> {
    entries.get(usize::try_from(n.checked_sub(1)?).ok()?)
}

/// The request that entry `n` sent.
fn request<'e>(
    entries: &'e [Entry],
    n: u64,
    field: &'static str,
) -> Result<(&'e Entry, &'e Request), Wrong> {
    match at(entries, n) {
        Some(entry @ Entry { event: Event::RequestSent(request), .. }) => Ok((entry, request)),
        _ => Err((field, format!("entry {n} sent no request"))),
    }
}

fn same(field: &'static str, found: &str, right: &str, why: &str) -> Result<(), Wrong> {
    if found == right { Ok(()) } else { Err((field, format!("{why} `{right}`, not `{found}`"))) }
}
