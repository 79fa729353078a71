//! What happened at a machine, or to all of them.

use ::checks::record::EventRecord;
use maud::{Markup, html};

use super::{HARNESS, Picture, lanes::MARGIN};
use crate::{evidence, html::Run};

/// Notes about the run as a whole.
const PHASES: [(&str, &str); 3] = [
    ("ready", "the cluster is ready"),
    ("repaired", "everything is repaired"),
    ("settled", "the world has settled"),
];

/// Returns the entry from which on a picture of what matters begins: the cluster is ready.
pub(super) fn first_of(run: &Run<'_>) -> Option<u64> {
    let events = run.record.events.iter();
    events.clone().find(|event| phase(event) == Some("the cluster is ready")).map(|event| event.n)
}

/// Returns the entry at which it ends: what is said later only reads what there is.
pub(super) fn last_of(run: &Run<'_>) -> Option<u64> {
    let events = run.record.events.iter();
    events.clone().find(|event| phase(event) == Some("the world has settled")).map(|event| event.n)
}

/// Returns whether an entry that is no end of an arrow gets a row.
pub(super) fn has_row(run: &Run<'_>, event: &EventRecord, is_told: bool) -> bool {
    let is_violation = run.violation.is_some_and(|it| it.n == event.n);
    is_violation
        || match &*event.kind {
            "fault_began" | "fault_ended" | "exited" => true,
            "booted" => !is_told || event.at_ns > 0,
            "disk_synced" | "disk_written" => !is_told,
            "request_lost" | "request_dropped" => {
                !HARNESS.contains(&&*event.node) && (!is_told || event.message.is_some())
            }
            "connect_failed" => {
                let evidence = run.check.into_iter().flat_map(|check| &check.evidence);
                !HARNESS.contains(&&*event.node)
                    && (!is_told || evidence.into_iter().any(|n| *n == event.n))
            }
            "note" => phase(event).is_some() || !HARNESS.contains(&&*event.node),
            _ => false,
        }
}

fn phase(event: &EventRecord) -> Option<&'static str> {
    let is_note = event.kind == "note";
    PHASES.iter().find(|(topic, _)| is_note && *topic == event.what).map(|(_, words)| *words)
}

/// Draws an entry; nothing for one that is only the end of an arrow.
pub(super) fn mark(run: &Run<'_>, picture: &Picture<'_>, event: &EventRecord) -> Markup {
    let Some(y) = picture.rows.y(event.n) else { return html! {} };
    let is_violation = run.violation.is_some_and(|it| it.n == event.n);
    let x = picture.lanes.x(&event.node);
    html! {
        @match (&*event.kind, x) {
            ("fault_began", _) => (line(picture, event, "fault", &format!("⚡ {} begins", event.what), y)),
            ("fault_ended", _) => (line(picture, event, "fault", &format!("{} ends", event.what), y)),
            ("note", None) => @if let Some(phase) = phase(event) { (line(picture, event, "phase", phase, y)) },
            ("disk_synced" | "disk_written", Some(x)) => path.disk d={ "M" (x - 4) " " (y) "h8" } { title { "#" (event.n) " " (event.node) " synced " (event.what) } },
            (
                "note" | "booted" | "exited" | "request_lost" | "request_dropped" | "connect_failed",
                Some(x),
            ) => (dot(picture, event, (x, y))),
            _ => "",
        }
        @if is_violation { @if let Some(x) = x { circle.violation cx=(x) cy=(y) r="6" { title { "the violation" } } } }
    }
}

fn line(picture: &Picture<'_>, event: &EventRecord, class: &str, words: &str, y: i32) -> Markup {
    html! {
        a.(class) id={ (picture.id) (event.n) } href={ "#j" (event.n) } {
            line x1=(MARGIN - 6) y1=(y) x2=(picture.lanes.width()) y2=(y) {}
            text x=(MARGIN + 2) y=(y - 5) { (words) }
        }
    }
}

fn dot(picture: &Picture<'_>, event: &EventRecord, (x, y): (i32, i32)) -> Markup {
    let message = event.message.as_deref().unwrap_or_default();
    let (class, words) = match (&*event.kind, &*event.what) {
        ("request_lost", what) => ("gone", format!("✕ gives up {what} {message}")),
        ("request_dropped", what) => {
            let why = event.why.as_deref().unwrap_or_default();
            ("gone", format!("✕ lets go of {what} {message}, unanswered: {why}"))
        }
        ("connect_failed", _) => {
            let to = event.to.as_deref().unwrap_or_default();
            let why = evidence::result(event).unwrap_or_default();
            ("gone", format!("✕ no connection to {to}: {why}"))
        }
        ("booted", _) => ("boot", "starts".to_owned()),
        ("exited", _) => ("gone", format!("✕ ends {}", event.what)),
        (_, "seen") => ("seen", format!("shows {message}")),
        (_, "send-began") => ("note", format!("sends {message}")),
        (_, "send-ended") => {
            ("note", format!("is told: {} {message}", event.result.as_deref().unwrap_or("–")))
        }
        (_, topic) => ("note", format!("{} {message}", topic.replace('-', " "))),
    };
    html! {
        a.mark.(class) id={ (picture.id) (event.n) } href={ "#j" (event.n) } data-m=[event.message.as_deref()] {
            circle cx=(x) cy=(y) r="4" {}
            text x=(x + 9) y=(y + 4) { (words.trim()) }
        }
    }
}
