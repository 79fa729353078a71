//! The journal entries that show the violation, in order, with what they carried.

use ::checks::record::EventRecord;
use ::journal::Event;
use maud::{Markup, html};

use super::{Run, time};
use crate::{
    evidence::{find, is_loss, path, result},
    words::{clean, cut, grouped},
};

/// The most entries; evidence of more is no evidence that anybody reads.
const MOST: usize = 200;
/// The most characters of a body.
const BODY: usize = 4000;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let check = run.check.filter(|check| !check.evidence.is_empty())?;
    let events = check.evidence.iter().filter_map(|n| find(&run.record.events, *n));
    let events: Vec<&EventRecord> = events.collect();
    Some(html! {
        p { "What shows that " b { (check.name) } " was violated, in the order in which it happened." }
        ol.story {
            @for event in events.iter().take(MOST) { (entry(run, event)) }
        }
        @if events.len() > MOST { p.hint { "and " (grouped((events.len() - MOST) as u64)) " more entries" } }
    })
}

fn entry(run: &Run<'_>, event: &EventRecord) -> Markup {
    let is_violation = run.violation.is_some_and(|it| it.n == event.n);
    let class = if is_violation { "violation" } else { &event.kind };
    html! {
        li.(class) {
            span.at { a href={ "#j" (event.n) } title={ "entry " (event.n) " of the journal" } { (time(event)) } }
            span.where { (path(event)) }
            div.what {
                @match body(run, event) {
                    Some(body) => details {
                        summary title="what it carried" { (line(run, event, is_violation)) }
                        pre tabindex="0" { (body) }
                    },
                    None => (line(run, event, is_violation)),
                }
            }
        }
    }
}

fn line(run: &Run<'_>, event: &EventRecord, is_violation: bool) -> Markup {
    let sentence = run.check.and_then(|check| check.sentence.as_deref());
    html! {
        (told(event))
        @if let Some(result) = result_of(event) { span.quiet { " → " } (result) }
        @if is_violation { " " b.bad { "✕ " (sentence.unwrap_or("violated here")) } }
    }
}

/// Says what happened in a sentence without its subject, which stands before it.
fn told(event: &EventRecord) -> Markup {
    let message = event.message.as_deref().unwrap_or_default();
    let verb = match (&*event.kind, &*event.what) {
        ("request_sent", _) => "asks",
        ("request_arrived", _) => "is asked",
        ("answer_sent", _) => "answers",
        ("answer_arrived", _) => "has the answer to",
        ("request_lost", _) => "gives up",
        ("request_dropped", _) => "lets go of",
        ("connect_failed", _) => return html! { "gets no connection" },
        ("note", "seen") => return html! { "shows " code { (message) } },
        ("note", "send-began") => return html! { "begins to send " code { (message) } },
        ("note", "send-ended") => {
            return html! { "is told how sending " code { (message) } " ended:" };
        }
        ("fault_began", fault) => return html! { (fault) " begins" },
        ("fault_ended", fault) => return html! { (fault) " ends" },
        ("note", topic) => return html! { (topic) " " code { (message) } },
        (kind, what) => return html! { (kind.replace('_', " ")) " " code { (what) } },
    };
    html! { (verb) " " code { (event.what) @if !message.is_empty() { " " (message) } } }
}

/// Returns the result of an entry with what color alone must not say.
pub(super) fn result_of(event: &EventRecord) -> Option<Markup> {
    let result = result(event)?;
    let is = |word: &str| event.result.as_deref() == Some(word);
    let is_lost = is_loss(event) || is("refused");
    let is_refusal = event
        .result
        .as_ref()
        .is_some_and(|status| status.len() == 3 && status.starts_with(['4', '5']));
    let class = match (is_lost, is_refusal) {
        (true, _) => "bad",
        (_, true) => "doubtful",
        _ => "result",
    };
    Some(html! { span.(class) { @if is_lost { "✕ " } (result) } })
}

/// Returns what an entry carried, if the journal was kept or the entry itself says it.
fn body(run: &Run<'_>, event: &EventRecord) -> Option<String> {
    let entry = run.recording.and_then(|recording| recording.journal.get(event.n));
    let bytes = match entry.map(|entry| &entry.event) {
        Some(Event::RequestSent(request)) => &request.body,
        Some(Event::AnswerSent(answer)) => &answer.body,
        Some(Event::Note { body, .. }) => return Some(shown(&body.to_string())),
        _ => return None,
    };
    (!bytes.is_empty()).then(|| shown(&String::from_utf8_lossy(bytes)))
}

/// Returns JSON indented, and any other text as it is; without control characters.
fn shown(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let lines: Vec<String> = pretty.as_deref().unwrap_or(text).lines().map(clean).collect();
    cut(&lines.join("\n"), BODY)
}
