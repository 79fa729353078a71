//! Every machine after an entry of the journal, as far as the journal tells.

mod links;

use std::collections::{BTreeMap, BTreeSet};

use checks::record::{EventRecord, Machine, MachineKind};
use reports::{reach::Reach, time::signed};
use serde::Serialize;

use self::links::Link;
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
enum How {
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
    /// It had arrived, and then its machine went down: nobody knows of it there.
    Forgotten,
    /// Its answer is on its way.
    Answer,
}

/// What the entries of a machine say, up to some entry.
#[derive(Default)]
struct Seen<'r> {
    boots: u64,
    /// When it began to run its program last.
    boot: u64,
    error: Option<&'r str>,
    messages: BTreeMap<&'r str, Heard<'r>>,
    files: BTreeMap<&'r str, (u64, u64, &'r EventRecord)>,
    last: Option<u64>,
}

/// Returns every machine after entry `n`.
pub(crate) fn of(run: &Run, n: u64) -> Result<Moment<'_>, Problem> {
    let event = run.known_entry(n)?;
    let seen = seen(run, n);
    let in_force: Vec<&Span> = run.spans.iter().filter(|span| span.holds_at(n)).collect();
    let nothing = Seen::default();
    let state =
        |machine| state(machine, seen.get(&*machine.name).unwrap_or(&nothing), &in_force, event);
    let mut machines: Vec<State<'_>> = run.record.nodes.iter().map(state).collect();
    let down = machines.iter().filter(|it| it.life == Life::Down).map(|it| it.name);
    let down: BTreeSet<&str> = down.collect();
    let forgets = |machine: &str, arrived: u64| {
        down.contains(machine) || seen.get(machine).is_some_and(|seen| seen.boot > arrived)
    };
    let more_machines = machines.len().saturating_sub(MOST_MACHINES);
    if more_machines > 0 {
        machines.sort_by_key(|it| (!it.is_here, it.faults.is_empty(), std::cmp::Reverse(it.last)));
        machines.truncate(MOST_MACHINES);
    }
    let mut under_way: Vec<_> = run.exchanges.iter().filter(|it| it.is_under_way(n)).collect();
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

fn seen(run: &Run, until: u64) -> BTreeMap<&str, Seen<'_>> {
    let mut all: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for event in run.record.events.iter().take_while(|event| event.n <= until) {
        let seen = all.entry(&event.node).or_default();
        seen.last = Some(event.n);
        match &*event.kind {
            "booted" => {
                seen.boots += 1;
                seen.boot = event.n;
                seen.error = None;
            }
            "exited" => seen.error = Some(event.result.as_deref().unwrap_or("it ended")),
            "disk_synced" => {
                let file = seen.files.entry(&event.what).or_insert((0, 0, event));
                *file = (file.0 + 1, file.1 + bytes(event), event);
            }
            "note" if event.what == "send-began" => heard(seen, event, event, How::Sent),
            "note" if event.what == "seen" => heard(seen, event, event, How::Seen),
            _ => {}
        }
    }
    for legs in run.exchanges.iter().take_while(|it| it.sent <= until) {
        let sent = run.entry(legs.sent).filter(|sent| sent.message.is_some());
        let Some(sent) = sent else { continue };
        let brought = [legs.arrived.filter(|_| legs.asks), legs.answer_arrived];
        let brought = brought.into_iter().flatten().filter(|n| *n <= until);
        for event in brought.filter_map(|n| run.entry(n)) {
            heard(all.entry(&event.node).or_default(), sent, event, How::Heard);
        }
    }
    all
}

/// Takes in that a machine heard of the message that `of` names. What a person saw or did there says
/// more than what a request brought; of the same, the first counts.
fn heard<'r>(seen: &mut Seen<'r>, of: &'r EventRecord, by: &EventRecord, how: How) {
    let Some(message) = of.message.as_deref() else { return };
    let heard = Heard { message, n: by.n, how };
    let known = seen.messages.entry(message).or_insert(heard);
    let says_more = matches!(known.how, How::Heard) && !matches!(how, How::Heard);
    let is_alike = matches!(known.how, How::Heard) == matches!(how, How::Heard);
    if says_more || (is_alike && heard.n < known.n) {
        *known = heard;
    }
}

/// Returns how many bytes a sync made durable, which only the journal's own line says.
fn bytes(event: &EventRecord) -> u64 {
    let (_, rest) = event.line.rsplit_once("\"bytes\":").unwrap_or_default();
    rest.trim_end_matches('}').parse().unwrap_or(0)
}

fn state<'r>(
    machine: &'r Machine,
    seen: &Seen<'r>,
    in_force: &[&'r Span],
    at: &EventRecord,
) -> State<'r> {
    let is_it = |name: &str| name == machine.name;
    let faults: Vec<&str> = in_force
        .iter()
        .filter(|span| !Reach::of(&span.what, is_it).is_nowhere())
        .map(|span| &*span.what)
        .collect();
    let mut messages: Vec<Heard<'_>> = seen.messages.values().copied().collect();
    messages.sort_by_key(|it| it.n);
    let more_messages = messages.len().saturating_sub(MOST_OF_ONE);
    messages.drain(..more_messages);
    let files = seen.files.iter().take(MOST_OF_ONE).map(|(file, (times, bytes, last))| Synced {
        file,
        times: *times,
        bytes: *bytes,
        last: last.n,
        last_at: signed(last.at_ns),
    });
    State {
        name: &machine.name,
        kind: machine.kind,
        life: life(seen, &faults),
        boots: seen.boots,
        error: seen.error,
        messages,
        more_messages,
        files: files.collect(),
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
