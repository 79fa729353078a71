//! Every machine after an entry of the journal, as far as the journal tells.

pub(crate) mod index;
mod links;

use std::collections::BTreeSet;

use checks::record::{EventRecord, Machine, MachineKind};
use reports::{reach::Reach, time::signed};
use serde::Serialize;

use self::{
    index::{Stay, Timeline},
    links::Link,
};
use crate::{
    answer::Problem,
    shelf::{Legs, Run, Span},
};

/// The most machines that are told; those that something happens to come first.
const MOST_MACHINES: usize = 60;
/// The most messages, files and requests that are told of a machine, and the most requests and links
/// of all machines together.
const MOST_OF_ONE: usize = 24;
const MOST_OF_ALL: usize = 200;

/// Every machine.
#[derive(Debug, Serialize)]
pub(crate) struct Moment<'r> {
    n: u64,
    at: String,
    phase: Phase,
    /// The faults in force, and the entry at which each began.
    faults: Vec<InForce<'r>>,
    machines: Vec<State<'r>>,
    more_machines: usize,
    /// The links that faults cut, hold or change.
    links: Vec<Link<'r>>,
    /// The requests whose senders wait for the answer.
    under_way: Vec<UnderWay<'r>>,
    more_under_way: usize,
}

/// What part of the run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// The cluster is being made ready.
    Preparing,
    /// Operations happen under faults.
    Playing,
    /// Everything is repaired, and the world settles.
    Settling,
    /// It has settled, and what is left is read.
    Reading,
}

/// A fault in force.
#[derive(Debug, Serialize)]
struct InForce<'r> {
    what: &'r str,
    began: u64,
}

/// What is known of a machine.
#[derive(Debug, Serialize)]
struct State<'r> {
    name: &'r str,
    kind: MachineKind,
    life: Life,
    /// How often it began to run its program.
    boots: u64,
    /// Why its program ended by itself.
    error: Option<&'r str>,
    faults: Vec<&'r str>,
    /// The messages that came here, or that it sent.
    messages: Vec<Heard<'r>>,
    more_messages: usize,
    files: Vec<Synced<'r>>,
    /// What happened here last.
    last: Option<u64>,
    /// Whether the entry itself is about it.
    is_here: bool,
}

/// Whether a machine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Life {
    NotStarted,
    Up,
    Down,
    Paused,
    /// It goes down and boots again and again.
    Restarting,
    Ended,
}

/// A message at a machine.
#[derive(Clone, Copy, Debug, Serialize)]
struct Heard<'r> {
    message: &'r str,
    /// The first entry by which it came here.
    n: u64,
    how: How,
}

/// How a message came to a machine.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// Its user sent it from here.
    Sent,
    /// It was shown to its user.
    Seen,
    /// A request or an answer brought it.
    Heard,
}

/// A file on a machine's disk.
#[derive(Debug, Serialize)]
struct Synced<'r> {
    file: &'r str,
    /// How often it was synced.
    times: u64,
    /// How many bytes that made durable.
    bytes: u64,
    /// The last sync.
    last: u64,
    last_at: String,
}

/// A request whose sender waits for the answer.
#[derive(Debug, Serialize)]
struct UnderWay<'r> {
    n: u64,
    from: &'r str,
    to: &'r str,
    what: &'r str,
    message: Option<&'r str>,
    leg: Leg,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Leg {
    /// It is on its way.
    Request,
    /// It has arrived and is not answered.
    Served,
    /// It had arrived, and then its machine went down, or let go of it: nobody knows of it there.
    Forgotten,
    /// Its answer is on its way.
    Answer,
}

/// What the entries of a machine say, up to some entry.
#[derive(Default)]
struct Seen<'r> {
    boots: u64,
    error: Option<&'r str>,
    messages: Vec<Heard<'r>>,
    more_messages: usize,
    files: Vec<Synced<'r>>,
    last: Option<u64>,
}

/// Returns every machine after entry `n`.
pub(crate) fn of(run: &Run, n: u64) -> Result<Moment<'_>, Problem> {
    let event = run.known_entry(n)?;
    let index = run.index();
    let machine = |name: &str| index.machine(name).map(|it| seen(run, it, n)).unwrap_or_default();
    let in_force: Vec<&Span> = run.spans.iter().filter(|span| span.holds_at(n)).collect();
    let nodes = run.record.nodes.iter();
    let states = nodes.map(|node| state(node, machine(&node.name), &in_force, event));
    let mut machines: Vec<State<'_>> = states.collect();
    let down = machines.iter().filter(|it| it.life == Life::Down).map(|it| it.name);
    let down: BTreeSet<&str> = down.collect();
    let forgets = |machine: &str, arrived: u64| {
        let boot = || index.machine(machine).map_or(0, |it| it.boots(n).1);
        down.contains(machine) || boot() > arrived
    };
    let more_machines = machines.len().saturating_sub(MOST_MACHINES);
    if more_machines > 0 {
        machines.sort_by_key(|it| (!it.is_here, it.faults.is_empty(), std::cmp::Reverse(it.last)));
        machines.truncate(MOST_MACHINES);
    }
    let mut under_way = index.under_way(&run.exchanges, n);
    let more_under_way = under_way.len().saturating_sub(MOST_OF_ALL);
    under_way.drain(..more_under_way);
    let is_machine = |name: &str| run.record.nodes.iter().any(|node| node.name == name);
    let links = in_force.iter().flat_map(|span| links::of(&span.what, is_machine));
    Ok(Moment {
        n,
        at: signed(event.at_ns),
        phase: phase(run, n),
        machines,
        more_machines,
        links: links.take(MOST_OF_ALL).collect(),
        faults: in_force.iter().map(|it| InForce { what: &it.what, began: it.began }).collect(),
        under_way: under_way.into_iter().filter_map(|it| on_its_way(run, it, n, forgets)).collect(),
        more_under_way,
    })
}

fn phase(run: &Run, n: u64) -> Phase {
    match run.parts.iter().rev().find(|(began, _)| *began <= n) {
        None => Phase::Preparing,
        Some((_, "ready")) => Phase::Playing,
        Some((_, "repaired")) => Phase::Settling,
        Some(_) => Phase::Reading,
    }
}

/// Returns what is known of a machine after entry `n`.
fn seen<'r>(run: &'r Run, machine: &'r Timeline, n: u64) -> Seen<'r> {
    let (boots, _) = machine.boots(n);
    let error = machine.exit(n).and_then(|exit| run.entry(exit));
    let (messages, more_messages) = machine.messages(n, MOST_OF_ONE);
    let messages = messages.into_iter().filter_map(|Stay { from, how, of, .. }| {
        Some(Heard { message: run.entry(of)?.message.as_deref()?, n: from, how })
    });
    let files = machine.files(n).take(MOST_OF_ONE).filter_map(|(file, synced)| {
        let last_at = signed(run.entry(synced.n)?.at_ns);
        let (times, bytes, last) = (synced.times, synced.bytes, synced.n);
        Some(Synced { file, times, bytes, last, last_at })
    });
    Seen {
        boots,
        error: error.map(|event| event.result.as_deref().unwrap_or("it ended")),
        messages: messages.collect(),
        more_messages,
        files: files.collect(),
        last: machine.last(n),
    }
}

fn state<'r>(
    machine: &'r Machine,
    seen: Seen<'r>,
    in_force: &[&'r Span],
    at: &EventRecord,
) -> State<'r> {
    let is_it = |name: &str| name == machine.name;
    let faults: Vec<&str> = in_force
        .iter()
        .filter(|span| !Reach::of(&span.what, is_it).is_nowhere())
        .map(|span| &*span.what)
        .collect();
    State {
        name: &machine.name,
        kind: machine.kind,
        life: life(&seen, &faults),
        boots: seen.boots,
        error: seen.error,
        messages: seen.messages,
        more_messages: seen.more_messages,
        files: seen.files,
        last: seen.last,
        is_here: is_it(&at.node) || at.to.as_deref().is_some_and(is_it),
        faults,
    }
}

fn life(seen: &Seen<'_>, faults: &[&str]) -> Life {
    let is_under =
        |words: &[&str]| faults.iter().any(|it| words.iter().any(|word| it.starts_with(word)));
    if is_under(&["crash ", "kill ", "tear ", "wipe ", "restore "]) {
        Life::Down
    } else if is_under(&["restart storm "]) {
        Life::Restarting
    } else if is_under(&["pause ", "hang "]) {
        Life::Paused
    } else if seen.error.is_some() {
        Life::Ended
    } else if seen.boots == 0 {
        Life::NotStarted
    } else {
        Life::Up
    }
}

/// Returns a request that is under way after entry `n`; `forgets` tells whether a machine has gone
/// down since an entry.
fn on_its_way<'r>(
    run: &'r Run,
    legs: &Legs,
    n: u64,
    forgets: impl Fn(&str, u64) -> bool,
) -> Option<UnderWay<'r>> {
    let sent = run.entry(legs.sent)?;
    let to = sent.to.as_deref()?;
    let past = |event: Option<u64>| event.filter(|event| *event <= n);
    let leg = match (past(legs.arrived), past(legs.answer)) {
        (_, Some(_)) => Leg::Answer,
        (Some(_), None) if past(legs.dropped).is_some() => Leg::Forgotten,
        (Some(arrived), None) if forgets(to, arrived) => Leg::Forgotten,
        (Some(_), None) => Leg::Served,
        (None, None) => Leg::Request,
    };
    Some(UnderWay {
        n: sent.n,
        from: &sent.node,
        to,
        what: &sent.what,
        message: sent.message.as_deref().filter(|_| legs.asks || leg == Leg::Answer),
        leg,
    })
}
