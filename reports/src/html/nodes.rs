//! Each machine at the moment of the violation, or at the end of a run that did not pass for another
//! reason, as far as the journal tells.

use std::collections::{BTreeMap, BTreeSet};

use ::checks::record::{EventRecord, Machine, MachineKind, Verdict};
use maud::{Markup, html};

use super::{Run, time};
use crate::{
    exchange::Exchange,
    reach::{Reach, overlaps},
    words::names,
};

/// The most machines that are shown; those in the evidence come first.
const MOST: usize = 40;
/// The most requests, messages or faults that are named for a machine.
const NAMED: usize = 4;

/// What is known of a machine.
#[derive(Default)]
struct State<'r> {
    boots: usize,
    exited: Option<&'r str>,
    synced: Option<&'r EventRecord>,
    /// The first event by which a message came here.
    heard: BTreeMap<&'r str, &'r EventRecord>,
}

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    if run.violation.is_none() && run.record.verdict == Verdict::Pass {
        return None;
    }
    let last = run.violation.or(run.record.events.last())?;
    let states = states(run, last.n);
    let involved: BTreeSet<&str> = run
        .check
        .into_iter()
        .flat_map(|check| &check.evidence)
        .filter_map(|n| crate::evidence::find(&run.record.events, *n))
        .map(|event| &*event.node)
        .collect();
    let mut machines: Vec<&Machine> = run.record.nodes.iter().collect();
    if machines.len() > MOST {
        machines.sort_by_key(|machine| !involved.contains(&*machine.name));
        machines.truncate(MOST);
    }
    let when = if run.violation.is_some() { "At the violation" } else { "At the end" };
    let none = State::default();
    Some(html! {
        p { (when) ", " (time(last)) ", as far as the journal tells." }
        div.scroll tabindex="0" role="region" aria-label="Machines" {
            table {
                thead { tr { th { "machine" } th { "is" } th { "faults on it" } th { "waits for" } th { "serves" } th { "has heard of" } th { "last synced" } } }
                tbody {
                    @for machine in &machines {
                        (row(run, last, machine, states.get(&*machine.name).unwrap_or(&none)))
                    }
                }
            }
        }
        @if machines.len() < run.record.nodes.len() { p.hint { "and " (run.record.nodes.len() - machines.len()) " more machines" } }
    })
}

fn states<'r>(run: &Run<'r>, until: u64) -> BTreeMap<&'r str, State<'r>> {
    let mut states: BTreeMap<&str, State<'_>> = BTreeMap::new();
    for event in run.record.events.iter().take_while(|event| event.n <= until) {
        let state = states.entry(&event.node).or_default();
        match &*event.kind {
            "booted" => {
                state.boots += 1;
                state.exited = None;
            }
            "exited" => state.exited = Some(event.result.as_deref().unwrap_or(&event.what)),
            "disk_synced" => state.synced = Some(event),
            "note" => heard(state, event.message.as_deref(), event),
            _ => {}
        }
    }
    let before = |event: &&EventRecord| event.n <= until;
    for exchange in &run.exchanges {
        if let Some(arrived) = exchange.arrived.filter(before) {
            heard(states.entry(&arrived.node).or_default(), exchange.asks_about(), arrived);
        }
        if let Some(arrived) = exchange.answer_arrived.filter(before) {
            heard(states.entry(&arrived.node).or_default(), exchange.message(), arrived);
        }
    }
    states
}

/// Takes in that a machine heard of a message; the first time counts.
fn heard<'r>(state: &mut State<'r>, message: Option<&'r str>, event: &'r EventRecord) {
    let Some(message) = message else { return };
    let first = state.heard.entry(message).or_insert(event);
    if event.n < first.n {
        *first = event;
    }
}

fn row(run: &Run<'_>, last: &EventRecord, machine: &Machine, state: &State<'_>) -> Markup {
    let at = u64::try_from(last.at_ns).unwrap_or(0);
    let is_machine = |name: &str| name == machine.name;
    let faults: Vec<&str> = run
        .record
        .faults
        .iter()
        .filter(|fault| overlaps(fault, at, at) && !Reach::of(&fault.what, is_machine).is_nowhere())
        .map(|fault| &*fault.what)
        .collect();
    let under_way = run.exchanges.iter().filter(|it| is_under_way(it, last.n));
    let waits: Vec<String> = under_way
        .clone()
        .filter(|it| it.sent.node == machine.name)
        .map(|it| said(it, "to", it.to()))
        .collect();
    let serves: Vec<String> = under_way
        .filter(|it| is_served(it, last.n, &machine.name))
        .map(|it| said(it, "of", &it.sent.node))
        .collect();
    let list = |texts: &[String]| names(texts.iter().map(String::as_str), NAMED);
    html! {
        tr {
            th scope="row" { (machine.name) span.of { " " (kind(machine.kind)) } }
            td { (lives(machine, state)) }
            td.bad[!faults.is_empty()] { (names(faults.iter().copied(), NAMED)) }
            td { (list(&waits)) }
            td { (list(&serves)) }
            td {
                @for (message, event) in state.heard.iter().take(NAMED) { a href={ "#j" (event.n) } { (message) } " " }
                @if state.heard.len() > NAMED { "and " (state.heard.len() - NAMED) " more" }
            }
            td.num { @if let Some(event) = state.synced { a href={ "#j" (event.n) } { (time(event)) } } }
        }
    }
}

fn lives(machine: &Machine, state: &State<'_>) -> Markup {
    html! {
        @match (state.exited, state.boots, machine.kind) {
            (Some(error), ..) => { span.bad { "✕ ended: " (error) } }
            (None, 0, _) => "not started",
            (None, 1, _) => "running",
            (None, boots, _) => { "running, started " (boots) " times" }
        }
    }
}

pub(super) fn kind(kind: MachineKind) -> &'static str {
    match kind {
        MachineKind::Backend => "backend",
        MachineKind::Relay => "relay",
        MachineKind::Device => "device",
    }
}

/// Returns whether, at entry `n`, the sender still waited for the answer.
fn is_under_way(exchange: &Exchange<'_>, n: u64) -> bool {
    let after = |event: Option<&EventRecord>| event.is_none_or(|event| event.n > n);
    exchange.sent.n <= n && after(exchange.answer_arrived) && after(exchange.lost)
}

fn is_served(exchange: &Exchange<'_>, n: u64, by: &str) -> bool {
    let after = |event: Option<&EventRecord>| event.is_none_or(|event| event.n > n);
    let is_open = after(exchange.answer) && after(exchange.dropped);
    exchange.to() == by && !after(exchange.arrived) && is_open
}

fn said(exchange: &Exchange<'_>, word: &str, whom: &str) -> String {
    let message = exchange.asks_about().map(|it| format!(" {it}")).unwrap_or_default();
    format!("{}{message} {word} {whom} (#{})", exchange.sent.what, exchange.sent.n)
}
