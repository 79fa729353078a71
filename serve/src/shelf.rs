//! Runs that were read. The last few are kept: whoever steps through a run asks for it again and
//! again.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use checks::record::{EventRecord, Record};
use journal::{Recording, kept};
use reports::{evidence, exchange, folder, json};

use crate::{
    answer::Problem,
    folder::{Folder, Stamp},
    overview::Row,
    state::index::{self, Index},
};

/// The most runs that are kept at once: two that are compared, and two that were looked at before.
const MOST_KEPT: usize = 4;
/// The most bytes that the records of those that are not compared have together.
const MOST_BYTES: u64 = 256 << 20;
/// A record that is larger than this is read only as far as its journal for the overview, and at
/// most so far.
const LARGE: u64 = 16 << 20;
/// What stands in a record between what was made of the journal and the journal.
const EVENTS: &str = "\n  \"events\": [";
/// The largest record that is read, in bytes. It takes about as much memory.
pub(crate) const LARGEST_RECORD: u64 = 1 << 30;

/// The topics of the notes that begin a part of a run.
const PARTS: [&str; 3] = ["ready", "repaired", "settled"];

/// The folder that is shown, and what was read of it.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) folder: Folder,
    /// The last one used last.
    runs: Mutex<VecDeque<Arc<Run>>>,
    /// What the overview says of each run, by its way, as long as its record is the one that was
    /// read.
    pub(crate) rows: Mutex<BTreeMap<String, (Stamp, Row)>>,
}

/// A run that was read.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its folder's way below the folder that is shown.
    pub(crate) way: String,
    stamp: Stamp,
    path: PathBuf,
    /// How its journal's file is named for people.
    shown: PathBuf,
    pub(crate) record: Record,
    /// Every request, in the order in which they left.
    pub(crate) exchanges: Vec<Legs>,
    /// The place among them of the request that an entry tells of, by the entry's number.
    places: BTreeMap<u64, usize>,
    /// Every fault that began, in that order.
    pub(crate) spans: Vec<Span>,
    /// The notes that begin a part of the run, and their numbers, in order.
    pub(crate) parts: Vec<(u64, &'static str)>,
    /// The entry at which the shown violation happened.
    pub(crate) violation: Option<u64>,
    journal: OnceLock<Journal>,
    index: OnceLock<Index>,
}

/// A request, by the numbers of the entries that tell of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Legs {
    pub(crate) sent: u64,
    /// Whether the request itself carries its message, and not the answer alone.
    pub(crate) asks: bool,
    pub(crate) arrived: Option<u64>,
    pub(crate) answer: Option<u64>,
    pub(crate) answer_arrived: Option<u64>,
    pub(crate) lost: Option<u64>,
    pub(crate) dropped: Option<u64>,
}

/// A fault, by the numbers of the entries at which it began and ended.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) what: String,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
}

/// What there is of a run's journal beside its record.
#[derive(Debug)]
pub(crate) enum Journal {
    /// All of it.
    Kept(Recording),
    /// Nothing: it was not kept.
    NotKept,
    /// A file that cannot be read, and why.
    Broken(String),
}

impl Shelf {
    pub(crate) fn of(folder: Folder) -> Self {
        Self { folder, runs: Mutex::default(), rows: Mutex::default() }
    }

    /// Returns a run, read anew if its record has been written since.
    pub(crate) fn run(&self, way: &str) -> Result<Arc<Run>, Problem> {
        let path = self.folder.inside(way)?;
        let shown = self.folder.shown(way);
        let missing = || {
            Problem::missing(format!(
                "{} has no {}. Choose a run from the list, or write one with `fedsim run`.",
                shown.display(),
                folder::RECORD
            ))
        };
        let metadata = fs::metadata(path.join(folder::RECORD)).map_err(|_| missing())?;
        let stamp = Stamp::of(&metadata);
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = runs.iter().position(|run| run.way == way && run.stamp == stamp);
        if let Some(run) = place.and_then(|place| runs.remove(place)) {
            runs.push_back(Arc::clone(&run));
            return Ok(run);
        }
        // It is read while nobody else reads: each of them may be large.
        let record = self.record(way, stamp)?;
        let run = Arc::new(Run::of(way.to_owned(), stamp, path, shown, record));
        runs.retain(|other| other.way != way);
        runs.push_back(Arc::clone(&run));
        while runs.len() > MOST_KEPT || (runs.len() > 2 && bytes(&runs) > MOST_BYTES) {
            runs.pop_front();
        }
        Ok(run)
    }

    /// Reads what was made of a run, without its journal if that is long. Returns whether it is
    /// there.
    pub(crate) fn glance(&self, way: &str, stamp: Stamp) -> Result<(Record, bool), Problem> {
        let head = if stamp.bytes > LARGE { self.head(way) } else { None };
        match head {
            Some(record) => Ok((record, false)),
            None => self.record(way, stamp).map(|record| (record, true)),
        }
    }

    /// Reads the part of a record that stands before the journal, as [`json`] writes it; none if it
    /// was written otherwise.
    fn head(&self, way: &str) -> Option<Record> {
        let file = File::open(self.folder.inside(way).ok()?.join(folder::RECORD)).ok()?;
        let mut bytes = Vec::new();
        file.take(LARGE).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, _) = text.split_once(EVENTS)?;
        json::parse(&format!("{head}{EVENTS}], \"log_hash\": \"\", \"meta\": {{\"wall_ms\": 0}}}}"))
            .ok()
    }

    /// Reads a record.
    fn record(&self, way: &str, stamp: Stamp) -> Result<Record, Problem> {
        let path = self.folder.inside(way)?.join(folder::RECORD);
        let shown = self.folder.shown(way).join(folder::RECORD);
        if stamp.bytes > LARGEST_RECORD {
            let why =
                format!("it has {} bytes, and at most {LARGEST_RECORD} are read", stamp.bytes);
            let remedy = "`fedsim show` reads records of any size.";
            return Err(Problem::unreadable(&shown, &why, remedy));
        }
        let remedy = "Run its scenario again, and it is written anew.";
        let unreadable = |why: &dyn std::fmt::Display| Problem::unreadable(&shown, why, remedy);
        let text = fs::read_to_string(path).map_err(|why| unreadable(&why))?;
        json::parse(&text).map_err(|why| unreadable(&why))
    }
}

fn bytes(runs: &VecDeque<Arc<Run>>) -> u64 {
    runs.iter().map(|run| run.stamp.bytes).sum()
}

impl Run {
    fn of(way: String, stamp: Stamp, path: PathBuf, shown: PathBuf, record: Record) -> Self {
        let n = |event: Option<&EventRecord>| event.map(|event| event.n);
        let exchanges = exchange::exchanges(&record.events);
        let legs = exchanges.iter().map(|it| Legs {
            sent: it.sent.n,
            asks: it.asks_about().is_some(),
            arrived: n(it.arrived),
            answer: n(it.answer),
            answer_arrived: n(it.answer_arrived),
            lost: n(it.lost),
            dropped: n(it.dropped),
        });
        let legs: Vec<Legs> = legs.collect();
        let told = legs.iter().enumerate();
        let places = told.flat_map(|(place, it)| it.entries().map(move |n| (n, place))).collect();
        Self {
            way,
            stamp,
            path,
            shown,
            exchanges: legs,
            places,
            spans: spans(&record.events),
            parts: parts(&record.events),
            violation: evidence::violation(&record).map(|event| event.n),
            journal: OnceLock::new(),
            index: OnceLock::new(),
            record,
        }
    }

    /// Returns the entry of that number.
    pub(crate) fn entry(&self, n: u64) -> Option<&EventRecord> {
        let events = &self.record.events;
        // Journals are numbered from 1 without gaps; a record that somebody else wrote need not be.
        let place = usize::try_from(n.checked_sub(1)?).ok()?;
        let there = events.get(place).filter(|event| event.n == n);
        there.or_else(|| evidence::find(events, n))
    }

    /// Returns the entry of that number, or says that there is none.
    pub(crate) fn known_entry(&self, n: u64) -> Result<&EventRecord, Problem> {
        self.entry(n).ok_or_else(|| {
            let last = self.record.events.last().map_or(0, |event| event.n);
            Problem::missing(format!("there is no entry {n}: the journal has 1 to {last}"))
        })
    }

    /// Returns the request that the entry of that number tells of.
    pub(crate) fn exchange_of(&self, n: u64) -> Option<&Legs> {
        self.exchanges.get(*self.places.get(&n)?)
    }

    /// Returns whether a file of that name lies beside the record.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    /// Returns the journal, which is read when it is first asked for.
    pub(crate) fn journal(&self) -> &Journal {
        self.journal.get_or_init(|| self.read_journal())
    }

    /// Returns what the entries of each machine say, which is sorted when it is first asked for.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| index::of(self))
    }

    fn read_journal(&self) -> Journal {
        let Ok(file) = File::open(self.path.join(folder::JOURNAL)) else { return Journal::NotKept };
        let shown = self.shown.join(folder::JOURNAL);
        let broken = |why: &dyn std::fmt::Display| {
            Journal::Broken(format!(
                "{} cannot be read: {why}. Run the scenario again with `--journal always`, and it is \
                 written anew.",
                shown.display()
            ))
        };
        let kept = match kept::read(file) {
            Ok(kept) => kept,
            Err(malformed) => return broken(&malformed),
        };
        if kept.recording.journal.hash() != self.record.log_hash {
            return broken(&"it is not the journal of the record beside it");
        }
        Journal::Kept(kept.recording)
    }
}

impl Legs {
    /// Returns the numbers of the entries that tell of it.
    pub(crate) fn entries(self) -> impl Iterator<Item = u64> {
        let Self { arrived, answer, answer_arrived, lost, dropped, .. } = self;
        let later = [arrived, answer, answer_arrived, lost, dropped];
        std::iter::once(self.sent).chain(later.into_iter().flatten())
    }

    /// Returns the entry by which the sender no longer waited for the answer; the largest number if it
    /// waits for ever.
    pub(crate) fn over(&self) -> u64 {
        let ends = [self.answer_arrived, self.lost];
        ends.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// Returns whether, after entry `n`, the sender still waited for the answer.
    pub(crate) fn is_under_way(&self, n: u64) -> bool {
        self.sent <= n && self.over() > n
    }
}

impl Span {
    /// Returns whether the fault was in force after entry `n`.
    pub(crate) fn holds_at(&self, n: u64) -> bool {
        self.began <= n && self.ended.is_none_or(|ended| ended > n)
    }
}

fn parts(events: &[EventRecord]) -> Vec<(u64, &'static str)> {
    let notes = events.iter().filter(|event| event.kind == "note");
    let part = |event: &EventRecord| {
        let topic = PARTS.into_iter().find(|topic| *topic == event.what)?;
        Some((event.n, topic))
    };
    notes.filter_map(part).collect()
}

/// Returns every fault that began. The first one of the same words ends first.
fn spans(events: &[EventRecord]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for event in events {
        match &*event.kind {
            "fault_began" => {
                spans.push(Span { what: event.what.clone(), began: event.n, ended: None });
            }
            "fault_ended" => {
                let is_it = |span: &&mut Span| span.ended.is_none() && span.what == event.what;
                if let Some(span) = spans.iter_mut().find(is_it) {
                    span.ended = Some(event.n);
                }
            }
            _ => {}
        }
    }
    spans
}
