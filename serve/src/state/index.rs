//! What the entries of each machine say, sorted by machine: the state after any entry is looked up
//! there, and never folded from the beginning. It takes no more memory than the journal itself.

use std::collections::BTreeMap;

use checks::record::EventRecord;

use super::How;
use crate::shelf::{Legs, Run};

/// Requests of which it is remembered together how long one of them was under way.
const BLOCK: usize = 1024;

/// What is looked up.
#[derive(Debug, Default)]
pub(crate) struct Index {
    machines: BTreeMap<String, Timeline>,
    /// For each block of requests, the entry at which the last of them was over.
    over: Vec<u64>,
}

/// What the entries of one machine say. All numbers are numbers of entries, in order.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: Vec<u64>,
    boots: Vec<u64>,
    exits: Vec<u64>,
    stays: Vec<Stay>,
    /// When stays gave way to others.
    given_way: Vec<u64>,
    files: BTreeMap<String, Vec<Synced>>,
}

/// How a message is known at a machine, from one entry to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    /// By which entry it came.
    pub(crate) from: u64,
    /// The entry by which more is known; the largest number if none is.
    until: u64,
    pub(crate) how: How,
    /// The entry that names the message.
    pub(crate) of: u64,
}

/// What was synced of a file by an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synced {
    pub(crate) n: u64,
    pub(crate) times: u64,
    pub(crate) bytes: u64,
}

/// The first entries by which a message came to a machine: by its user, and by a request or an answer
/// that the second number's entry sent.
#[derive(Default)]
struct Came {
    by_user: Option<(u64, How)>,
    by_request: Option<(u64, u64)>,
}

/// Returns the index of a run.
pub(crate) fn of(run: &Run) -> Index {
    let mut index = Index { machines: BTreeMap::new(), over: over(&run.exchanges) };
    let mut came: BTreeMap<(&str, &str), Came> = BTreeMap::new();
    for event in &run.record.events {
        let timeline = timeline(&mut index.machines, &event.node);
        timeline.entries.push(event.n);
        match (&*event.kind, &*event.what) {
            ("booted", _) => timeline.boots.push(event.n),
            ("exited", _) => timeline.exits.push(event.n),
            ("disk_synced", file) => timeline.synced(file, event),
            ("note", "send-began") => by_user(&mut came, event, How::Sent),
            ("note", "seen") => by_user(&mut came, event, How::Seen),
            _ => {}
        }
    }
    for legs in &run.exchanges {
        let sent = run.entry(legs.sent);
        let Some((sent, message)) = sent.and_then(|it| Some((it, it.message.as_deref()?))) else {
            continue;
        };
        let brought = [legs.arrived.filter(|_| legs.asks), legs.answer_arrived];
        for event in brought.into_iter().flatten().filter_map(|n| run.entry(n)) {
            let first = &mut came.entry((&event.node, message)).or_default().by_request;
            if first.is_none_or(|(n, _)| event.n < n) {
                *first = Some((event.n, sent.n));
            }
        }
    }
    for ((machine, _), came) in came {
        timeline(&mut index.machines, machine).comes(&came);
    }
    for timeline in index.machines.values_mut() {
        timeline.stays.sort_by_key(|stay| stay.from);
        timeline.given_way.sort_unstable();
    }
    index
}

fn timeline<'i>(machines: &'i mut BTreeMap<String, Timeline>, name: &str) -> &'i mut Timeline {
    // Most names are there already: none is copied for a look.
    if !machines.contains_key(name) {
        machines.insert(name.to_owned(), Timeline::default());
    }
    machines.get_mut(name).expect("it was inserted")
}

fn by_user<'r>(came: &mut BTreeMap<(&'r str, &'r str), Came>, event: &'r EventRecord, how: How) {
    if let Some(message) = event.message.as_deref() {
        let came = came.entry((&event.node, message)).or_default();
        came.by_user.get_or_insert((event.n, how));
    }
}

/// Returns, for each block, when the last of its requests was over; never, if one never was.
fn over(exchanges: &[Legs]) -> Vec<u64> {
    let last = |block: &[Legs]| block.iter().map(Legs::over).max().unwrap_or(0);
    exchanges.chunks(BLOCK).map(last).collect()
}

impl Index {
    /// Returns what the entries of a machine say; none if it has none.
    pub(crate) fn machine(&self, name: &str) -> Option<&Timeline> {
        self.machines.get(name)
    }

    /// Returns the requests whose senders wait for the answer after entry `n`, in the order in which
    /// they left.
    pub(crate) fn under_way<'r>(&self, exchanges: &'r [Legs], n: u64) -> Vec<&'r Legs> {
        let blocks = exchanges.chunks(BLOCK).zip(&self.over);
        let alive = blocks.take_while(|(block, _)| block.first().is_some_and(|it| it.sent <= n));
        let alive = alive.filter(|(_, over)| **over > n).flat_map(|(block, _)| block);
        alive.filter(|it| it.is_under_way(n)).collect()
    }
}

impl Timeline {
    fn synced(&mut self, file: &str, event: &EventRecord) {
        let all = match self.files.get_mut(file) {
            Some(all) => all,
            None => self.files.entry(file.to_owned()).or_default(),
        };
        let (times, before) = all.last().map_or((0, 0), |last| (last.times, last.bytes));
        let bytes = before.saturating_add(bytes(event));
        all.push(Synced { n: event.n, times: times + 1, bytes });
    }

    /// Takes in how a message came. What a person saw or did there says more than what a request
    /// brought.
    fn comes(&mut self, came: &Came) {
        let by_user = came.by_user.map_or(u64::MAX, |(n, _)| n);
        if let Some((from, of)) = came.by_request.filter(|(n, _)| *n < by_user) {
            self.stays.push(Stay { from, until: by_user, how: How::Heard, of });
            self.given_way.extend((by_user < u64::MAX).then_some(by_user));
        }
        if let Some((from, how)) = came.by_user {
            self.stays.push(Stay { from, until: u64::MAX, how, of: from });
        }
    }

    /// Returns how often its program had begun to run after entry `n`, and when it did last.
    pub(crate) fn boots(&self, n: u64) -> (u64, u64) {
        let begun = until(&self.boots, n);
        (begun.len() as u64, begun.last().copied().unwrap_or(0))
    }

    /// Returns the entry by which its program had ended by itself after entry `n`, and not begun to run
    /// since.
    pub(crate) fn exit(&self, n: u64) -> Option<u64> {
        let (_, boot) = self.boots(n);
        until(&self.exits, n).last().copied().filter(|exit| *exit > boot)
    }

    /// Returns its last entry up to entry `n`.
    pub(crate) fn last(&self, n: u64) -> Option<u64> {
        until(&self.entries, n).last().copied()
    }

    /// Returns the messages that had come after entry `n`: the last `most` of them, the first of these
    /// first, and how many there were before.
    pub(crate) fn messages(&self, n: u64, most: usize) -> (Vec<Stay>, usize) {
        let come = self.stays.partition_point(|stay| stay.from <= n);
        let count = come - until(&self.given_way, n).len();
        // Each stay that gave way did so to a later one, so that few of them are passed.
        let known = self.stays[..come].iter().rev().filter(|stay| stay.until > n);
        let mut last: Vec<Stay> = known.take(most).copied().collect();
        last.reverse();
        let before = count.saturating_sub(last.len());
        (last, before)
    }

    /// Returns each file of its disk that had been synced after entry `n`.
    pub(crate) fn files(&self, n: u64) -> impl Iterator<Item = (&str, Synced)> {
        self.files.iter().filter_map(move |(file, all)| {
            let last = all.partition_point(|it| it.n <= n).checked_sub(1)?;
            Some((&**file, all[last]))
        })
    }
}

/// Returns those of some numbers, which are in order, that are not beyond `n`.
fn until(numbers: &[u64], n: u64) -> &[u64] {
    &numbers[..numbers.partition_point(|it| *it <= n)]
}

/// Returns how many bytes a sync made durable, which only the journal's own line says.
fn bytes(event: &EventRecord) -> u64 {
    let (_, rest) = event.line.rsplit_once("\"bytes\":").unwrap_or_default();
    rest.trim_end_matches('}').parse().unwrap_or(0)
}
