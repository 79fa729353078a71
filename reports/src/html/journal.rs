//! The whole journal as a table, which the script can filter.

use std::collections::BTreeSet;

use ::checks::record::EventRecord;
use maud::{Markup, PreEscaped, html};

use super::{Run, evidence::result_of, time};
use crate::{
    evidence::path,
    words::{grouped, program},
};

/// The most entries: a browser lays out as many within a second. Of a longer journal, those around
/// the violation are shown, or the first ones if there is none.
const MOST: usize = 10_000;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let events = shown(run);
    let all = run.record.events.len();
    let evidence: BTreeSet<u64> =
        run.check.into_iter().flat_map(|it| it.evidence.iter().copied()).collect();
    (!events.is_empty()).then(|| html! {
        @if events.len() < all {
            p.hint {
                "Entries " (grouped(events[0].n)) " to " (grouped(events[events.len() - 1].n)) " of " (grouped(all as u64)) ": "
                code { (program(run.record)) " show ." } " has the others."
            }
        }
        (filter(events))
        p.hint id="shown" role="status" { (grouped(events.len() as u64)) " entries; times count from the moment the cluster was ready" }
        div.scroll.tall tabindex="0" role="region" aria-label="Journal" {
            table.journal {
                thead { tr { th { "#" } th.num { "at" } th { "machine" } th { "what" } th { "message" } th { "result" } th { "cause" } } }
                tbody { (rows(run, events, &evidence)) }
            }
        }
    })
}

fn shown<'r>(run: &Run<'r>) -> &'r [EventRecord] {
    let events = &run.record.events[..];
    let at = run.violation.and_then(|it| events.iter().position(|event| event.n == it.n));
    let last = events.len().saturating_sub(MOST);
    let first = at.map_or(0, |at| at.saturating_sub(MOST / 2)).min(last);
    &events[first..(first + MOST).min(events.len())]
}

/// Returns the rows, without the ends of cells and rows, which a page need not have: a tenth of it would be
/// nothing else (HTML, "Optional tags").
fn rows(run: &Run<'_>, events: &[EventRecord], evidence: &BTreeSet<u64>) -> PreEscaped<String> {
    let rows = events.iter().map(|event| row(run, event, evidence).into_string());
    PreEscaped(rows.map(|row| row.replace("</td>", "").replace("</tr>", "")).collect())
}

fn row(run: &Run<'_>, event: &EventRecord, evidence: &BTreeSet<u64>) -> Markup {
    let is_violation = run.violation.is_some_and(|it| it.n == event.n);
    let class = match (is_violation, evidence.contains(&event.n)) {
        (true, _) => Some("violation"),
        (_, true) => Some("evidence"),
        _ => None,
    };
    let is_note = event.kind == "note";
    html! {
        tr id={ "j" (event.n) } class=[class] {
            td { (event.n) }
            td { (time(event)) }
            td { (path(event)) }
            td { @if !is_note { i { (event.kind) } " " } (event.what) }
            td { @if let Some(message) = &event.message { (message) } }
            td { @if let Some(result) = result_of(event) { (result) } }
            td { @if let Some(cause) = event.cause { a href={ "#j" (cause) } { (cause) } } }
        }
    }
}

/// The form that the script makes work and shows; without it, nothing could be filtered.
fn filter(events: &[EventRecord]) -> Markup {
    let nodes: BTreeSet<&str> = events.iter().map(|event| &*event.node).collect();
    let messages: BTreeSet<&str> =
        events.iter().filter_map(|event| event.message.as_deref()).collect();
    let exchanged = events.iter().filter(|event| event.kind == "request_sent");
    let endpoints: BTreeSet<&str> = exchanged.map(|event| &*event.what).collect();
    html! {
        form.filter id="filter" hidden {
            (choice("node", "machine", &nodes))
            (choice("message", "message", &messages))
            (choice("endpoint", "endpoint", &endpoints))
            label { "from" input name="from" inputmode="decimal" placeholder="0s" size="6"; }
            label { "to" input name="to" inputmode="decimal" placeholder="end" size="6"; }
            label { "text" input name="text" type="search" placeholder="any text" size="14"; }
            button type="reset" { "all" }
        }
    }
}

fn choice(name: &str, label: &str, values: &BTreeSet<&str>) -> Markup {
    html! {
        label {
            (label)
            select name=(name) {
                option value="" { "any" }
                @for value in values { option { (value) } }
            }
        }
    }
}
