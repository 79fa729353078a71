//! The journal's entries as a record has them: in words, next to the journal's own line.

use std::{collections::BTreeMap, time::Duration};

use journal::{ConnectFailed, Entry, Event, Loss, duration, fault::FaultReport, nanoseconds};
use scenarios::endpoint;
use serde_json::Value;

use super::reason;
use crate::{
    history::{Exchange, History, Note, pdu::message_names},
    record::{EventRecord, since_ready},
};

/// Returns every entry in order, with its line of the journal. A lost request that a fault touched
/// is said to be lost through that fault.
pub(super) fn events(
    history: &History<'_>,
    faults: &[FaultReport],
    lines: Vec<String>,
) -> Vec<EventRecord> {
    let mut touched = BTreeMap::new();
    for fault in faults {
        for request in &fault.requests {
            touched.entry(*request).or_insert(fault.what.as_str());
        }
    }
    let spoken = history.exchanges.iter().map(|exchange| Spoken::of(history, exchange)).collect();
    let teller = Teller { history, faults, touched, spoken };
    let entries = history.journal.entries().iter();
    entries.zip(lines).map(|(entry, line)| teller.event(entry, line)).collect()
}

/// What an entry says, in words.
#[derive(Default)]
struct EntryInWords {
    kind: &'static str,
    to: Option<String>,
    what: String,
    result: Option<String>,
    why: Option<String>,
    message: Option<String>,
}

/// The most characters of a note's body that are told.
const BODY: usize = 160;

/// Says what a note tells besides its topic and its message: how an operation ended; or, for a note
/// of somebody else's clients, everything, as `ids: ["m1"], outcome: ok`.
fn noted(topic: &str, body: &Value) -> Option<String> {
    let outcome = body.get("outcome").and_then(Value::as_str).map(str::to_owned);
    if matches!(topic, "operation-began" | "operation-ended") {
        let operation = body.get("operation").map(told);
        let ended = outcome.map(|outcome| match body.get("code").and_then(Value::as_str) {
            Some(code) => format!("{outcome} {code}"),
            None => outcome,
        });
        return Some(operation.into_iter().chain(ended).collect::<Vec<_>>().join(": "));
    }
    if Note::is_ours(topic) {
        return outcome;
    }
    let Value::Object(fields) = body else { return Some(told(body)) };
    let fields = fields.iter().filter(|(name, _)| *name != "message");
    let fields: Vec<String> =
        fields.map(|(name, value)| format!("{name}: {}", told(value))).collect();
    let whole = fields.join(", ");
    let is_long = whole.chars().count() > BODY;
    let whole = if is_long { whole.chars().take(BODY - 1).chain(['…']).collect() } else { whole };
    Some(whole).filter(|whole| !whole.is_empty())
}

/// Returns a value of a note; a text without quotation marks.
fn told(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Tells what entries say.
struct Teller<'h> {
    history: &'h History<'h>,
    faults: &'h [FaultReport],
    /// The first fault that touched each request.
    touched: BTreeMap<u64, &'h str>,
    /// What each exchange of the history is called: four entries or so speak of one.
    spoken: Vec<Spoken>,
}

impl Teller<'_> {
    /// Returns the time of an entry, counted from the moment the cluster was ready.
    fn since_ready(&self, entry: &Entry) -> i64 {
        let ready = self.history.ready.map_or(0, |ready| nanoseconds(ready.at));
        since_ready(entry.at, ready)
    }

    fn event(&self, entry: &Entry, line: String) -> EventRecord {
        let EntryInWords { kind, to, what, result, why, message } = self.in_words(entry);
        EventRecord {
            n: entry.n,
            at_ns: self.since_ready(entry),
            node: entry.machine.to_string(),
            to,
            kind: kind.to_owned(),
            what,
            result,
            why,
            message,
            cause: entry.cause,
            line,
        }
    }

    fn in_words(&self, entry: &Entry) -> EntryInWords {
        match &entry.event {
            Event::Booted { incarnation } => EntryInWords {
                kind: "booted",
                what: format!("boot {incarnation}"),
                ..EntryInWords::default()
            },
            Event::Exited { error } => EntryInWords {
                kind: "exited",
                what: "exit".to_owned(),
                result: (!error.is_empty()).then(|| error.clone()),
                ..EntryInWords::default()
            },
            Event::RequestSent(_) => self.request("request_sent", entry.n, true),
            Event::RequestArrived { request } => {
                EntryInWords { result: None, ..self.request("request_arrived", *request, false) }
            }
            Event::AnswerSent(answer) => EntryInWords {
                to: Some(answer.to.to_string()),
                result: Some(answer.status.to_string()),
                why: reason::of(self.history, answer.request),
                ..self.request("answer_sent", answer.request, false)
            },
            Event::AnswerArrived { request, .. } => EntryInWords {
                result: self
                    .history
                    .exchange(*request)
                    .map(|exchange| exchange.status().to_string()),
                ..self.request("answer_arrived", *request, false)
            },
            Event::RequestLost { request, why } => EntryInWords {
                result: Some(ending(*why, entry.at.saturating_sub(self.history.time_of(*request)))),
                why: self.touched.get(request).map(|what| (*what).to_owned()),
                ..self.request("request_lost", *request, false)
            },
            Event::RequestDropped { request, why } => EntryInWords {
                result: Some("unanswered".to_owned()),
                why: Some(self.dropped(*request, *why)),
                ..self.request("request_dropped", *request, false)
            },
            Event::ConnectFailed(failed) => self.connect_failed(failed),
            Event::DiskSynced { file, .. } => {
                EntryInWords { kind: "disk_synced", what: file.clone(), ..EntryInWords::default() }
            }
            Event::DiskWritten { file, .. } => {
                EntryInWords { kind: "disk_written", what: file.clone(), ..EntryInWords::default() }
            }
            Event::FaultBegan { what, .. } => {
                EntryInWords { kind: "fault_began", what: what.clone(), ..EntryInWords::default() }
            }
            Event::FaultEnded { what, .. } => {
                EntryInWords { kind: "fault_ended", what: what.clone(), ..EntryInWords::default() }
            }
            Event::Note { topic, body } => EntryInWords {
                kind: "note",
                what: topic.clone(),
                result: noted(topic, body),
                message: body.get("message").and_then(|it| it.as_str()).map(str::to_owned),
                ..EntryInWords::default()
            },
        }
    }

    /// Says why a program let go of a request.
    fn dropped(&self, request: u64, why: Loss) -> String {
        let asker = self.history.exchange(request).map_or("who asked", |exchange| exchange.from);
        match why {
            Loss::Closed => format!("{asker} had hung up"),
            Loss::GivenUp => "by itself".to_owned(),
            other => format!("the connection was {other}"),
        }
    }

    fn connect_failed(&self, failed: &ConnectFailed) -> EntryInWords {
        let fault = failed.fault.and_then(|fault| usize::try_from(fault.checked_sub(1)?).ok());
        let fault = fault.and_then(|index| self.faults.get(index));
        EntryInWords {
            kind: "connect_failed",
            to: Some(failed.to.to_string()),
            result: Some(ending(failed.why, failed.waited)),
            why: fault.map(|fault| fault.what.clone()),
            ..EntryInWords::default()
        }
    }

    /// Says how a request was lost: through a fault, or by itself.
    fn loss(&self, request: u64, why: Loss) -> String {
        format!("lost: {}", self.touched.get(&request).copied().unwrap_or(why.word()))
    }

    /// Puts a request into words, by the number of the entry that sent it; with its fate, if that
    /// is asked for.
    fn request(&self, kind: &'static str, request: u64, with_fate: bool) -> EntryInWords {
        // Exchanges stand in the order in which their requests left.
        let exchanges = &self.history.exchanges;
        let place = exchanges.binary_search_by_key(&request, |exchange| exchange.sent.n);
        let known = place.ok().and_then(|at| Some((exchanges.get(at)?, self.spoken.get(at)?)));
        let Some((exchange, Spoken { what, message })) = known else {
            return EntryInWords { kind, ..EntryInWords::default() };
        };
        let lost = || exchange.lost.map(|(_, why)| self.loss(request, why));
        let fate = || {
            if let Some(of) = exchange.request.replays {
                let status =
                    exchange.answer.map_or("no answer".to_owned(), |it| it.status.to_string());
                return Some(format!("{status}, a replay of #{of}"));
            }
            let arrived = exchange.answer_arrived.map(|_| exchange.status().to_string());
            arrived.or_else(lost)
        };
        EntryInWords {
            kind,
            to: (kind == "request_sent").then(|| exchange.to.to_owned()),
            what: what.clone(),
            result: if with_fate { fate() } else { None },
            message: message.clone(),
            ..EntryInWords::default()
        }
    }
}

/// Says how something ended that came to nothing, and after how long, where somebody has waited.
fn ending(why: Loss, waited: Duration) -> String {
    match why {
        Loss::GivenUp | Loss::TimedOut => format!("{why} after {}", duration::rounded(waited)),
        Loss::Refused | Loss::Reset | Loss::Crashed | Loss::Closed | Loss::Dropped | Loss::Over => {
            why.to_string()
        }
    }
}

/// What an exchange is called.
struct Spoken {
    /// Its endpoint, or the method and path that it has instead.
    what: String,
    /// The message that it carries or speaks of.
    message: Option<String>,
}

impl Spoken {
    fn of(history: &History<'_>, exchange: &Exchange<'_>) -> Self {
        let request = exchange.request;
        let what = match exchange.endpoint {
            "" => format!("{} {}", request.method, endpoint::path(&request.target)),
            endpoint => endpoint.to_owned(),
        };
        Self { what, message: subject(history, exchange) }
    }
}

/// Returns the message that an exchange carries or refers to.
fn subject(history: &History<'_>, exchange: &Exchange<'_>) -> Option<String> {
    let bodies = [Some(&exchange.request.body[..]), exchange.answer.map(|answer| answer.body)];
    let carried = bodies.into_iter().flatten().find_map(|body| message_names(body).next());
    let spoken_of = || {
        let event = exchange.arguments().pop()?;
        history.name_of(&event)
    };
    carried.or_else(spoken_of).map(str::to_owned)
}
