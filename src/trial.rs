//! One run of one scenario with one seed: run, perhaps run again, written down, and summarized.

use std::{
    io,
    path::{Path, PathBuf},
};

use checks::{
    Record, Run,
    record::{LogLine, Verdict},
};
use explore::trial::caught;
use reports::{
    Renderer, Source, folder, html, index,
    line::{self, Status, Totals, Widths},
    shell, signature,
};
use runs::Options;
use serde_json::{Value, json};

use crate::{
    arguments::Journal,
    build,
    divergence::{self, Difference},
    exit::Exit,
    invocation,
    live::Place,
    program::Program,
    report,
    select::Selected,
    stopwatch::Stopwatch,
};

/// What all trials of one command share.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// Whose command it is.
    pub(crate) program: &'a Program,
    /// Where the runs' folders go.
    pub(crate) out: &'a Path,
    /// Where the page about all runs goes.
    pub(crate) index: &'a Path,
    /// Where the runs take place.
    pub(crate) place: &'a Place,
    /// Which runs are repeated.
    pub(crate) twice: Twice,
    /// Whether a run with a weakness does not pass.
    pub(crate) lenient: bool,
    /// Which runs keep their journal.
    pub(crate) journal: Journal,
    /// How else each run is shown; if unset, a run that is not a plain pass as a page.
    pub(crate) reports: Option<&'a [&'static Renderer]>,
    /// The widths of the columns of results.
    pub(crate) widths: Widths,
}

/// Which runs are repeated, and compared byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twice {
    /// All of them.
    Every,
    /// One in [`SAMPLE`], so that exploring many seeds also checks that runs are repeatable.
    Sample,
    /// None: no run is like another.
    Never,
}

/// One run in this many is repeated, which is 5 %.
pub(crate) const SAMPLE: usize = 20;

/// How many runs keep their folder even if they pass. Later runs of a long campaign, which would
/// fill the disk, keep theirs only if they did not pass.
pub(crate) const KEPT_PASSES: usize = 100;

impl Twice {
    fn repeats(self, number: usize) -> bool {
        match self {
            Self::Every => true,
            Self::Sample => number % SAMPLE == SAMPLE - 1,
            Self::Never => false,
        }
    }
}

/// What stays in memory of a run once it is written down: not its journal, so that many runs take
/// little memory.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Its scenario's name.
    pub(crate) scenario: String,
    /// Its seed.
    pub(crate) seed: u64,
    /// What its line of results begins with.
    pub(crate) mark: Mark,
    /// The rest of its line of results.
    pub(crate) line: String,
    /// What the explanation is about.
    pub(crate) title: String,
    /// What else there is to say if something is not as it should be.
    pub(crate) explanation: Vec<String>,
    /// Its exit code.
    pub(crate) exit: Exit,
    /// What it adds to the summary.
    pub(crate) totals: Totals,
    /// The same as an object for programs.
    pub(crate) object: Value,
    /// Its folder, once it is written.
    pub(crate) folder: Option<PathBuf>,
    /// What it has in common with failures that are the same one; none for a pass.
    pub(crate) signature: Option<String>,
    /// Its row on the page about all runs, if it was judged.
    pub(crate) row: Option<index::Row>,
}

/// How a trial is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It was judged.
    Judged(Status),
    /// Two runs of it differ.
    Differs,
    /// It could not be finished.
    Broke,
}

impl Mark {
    /// Returns its word, in capitals.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Judged(status) => status.word(),
            Self::Differs => "DIFFERS",
            Self::Broke => "BROKE",
        }
    }
}

/// Runs a scenario with `seed`, as the `number`-th run of this command (from 0). Whatever happens,
/// it returns a trial: after a panic, one that broke.
pub(crate) fn run(selected: &Selected, seed: u64, number: usize, settings: &Settings<'_>) -> Trial {
    caught(|| attempt(selected, seed, number, settings))
        .unwrap_or_else(|why| broke(selected, seed, settings, &why))
}

/// Runs a scenario with `seed` and returns its record; the error says what panicked.
pub(crate) fn again(selected: &Selected, seed: u64, program: &Program) -> Result<Record, String> {
    let name = &selected.scenario.name;
    caught(|| record(selected, seed, program, &Place::Simulated).record)
        .map_err(|why| format!("{name}, seed {seed}: {why}"))
}

fn attempt(selected: &Selected, seed: u64, number: usize, settings: &Settings<'_>) -> Trial {
    let once = || record(selected, seed, settings.program, settings.place);
    let Run { mut record, recording } = once();
    let repeated = || once().record;
    let twice = settings.twice.repeats(number);
    let difference = twice.then(|| divergence::between(&mut record, &mut repeated())).flatten();
    let mut trial = judged(&record, settings);
    let is_plain_pass = trial.mark == Mark::Judged(Status::Pass) && difference.is_none();
    if number < KEPT_PASSES || trial.exit != Exit::Holds || difference.is_some() {
        let keeps_journal = match settings.journal {
            Journal::Always => true,
            Journal::Failures => !is_plain_pass,
            Journal::Never => false,
        };
        let page: &[&Renderer] = if is_plain_pass { &[] } else { &[&html::RENDERER] };
        let also = settings.reports.unwrap_or(page);
        if is_plain_pass {
            record.meta.logs.clear();
        } else if !settings.place.is_live() {
            record.meta.logs = logged(selected, seed, settings, &record);
        }
        let source = Source { record: &record, recording: Some(&recording), shrunk: None };
        match write(&source, keeps_journal, also, settings) {
            Ok(folder) => {
                let page = also.iter().any(|renderer| renderer.name == html::RENDERER.name);
                trial.keep(&record, folder, page, settings);
                if settings.place.is_live() {
                    trial.names_another_run(selected);
                }
            }
            Err(error) => {
                let out = settings.out.display();
                let why = format!("cannot write its folder below {out}: {error}");
                return broke(selected, seed, settings, &why);
            }
        }
    }
    match difference {
        Some(difference) => differs(selected, seed, settings, &difference, trial.folder),
        None => trial,
    }
}

/// Returns what the programs of a run logged, which is found out by playing it once more: what is
/// logged costs more than most runs are worth.
fn logged(selected: &Selected, seed: u64, settings: &Settings<'_>, first: &Record) -> Vec<LogLine> {
    let options = Options { keep_logs: true, ..Options::default() };
    let again = settings.place.run(settings.program, &selected.scenario, seed, &options).record;
    if again.log_hash == first.log_hash { again.meta.logs } else { Vec::new() }
}

/// Writes a run's folder, with its journal if that is to be kept.
fn write(
    source: &Source<'_>,
    keeps_journal: bool,
    also: &[&Renderer],
    settings: &Settings<'_>,
) -> io::Result<PathBuf> {
    let folder = folder::write(settings.out, source, also)?;
    if let Some(recording) = source.recording.filter(|_| keeps_journal) {
        folder::keep_journal(&folder, &checks::header(source.record), recording)?;
    }
    Ok(folder)
}

fn differs(
    selected: &Selected,
    seed: u64,
    settings: &Settings<'_>,
    difference: &Difference,
    folder: Option<PathBuf>,
) -> Trial {
    let mut trial = broke(selected, seed, settings, "two runs of it differ");
    trial.mark = Mark::Differs;
    trial.exit = Exit::Diverged;
    trial.object["type"] = json!("difference");
    trial.explanation = difference.lines("first", "second");
    let record = folder.as_ref().map(|folder| folder.join(folder::RECORD));
    let record = record.map(|record| format!("{:<13}{}", "the record", record.display()));
    trial.explanation.extend(record);
    trial.folder = folder;
    trial
}

impl Trial {
    /// Says how a run is made again that nobody can replay.
    fn names_another_run(&mut self, selected: &Selected) {
        if let Some(again) = self.explanation.iter_mut().find(|line| line.starts_with("again ")) {
            let (program, file) = (invocation::program(), shell::word(&selected.path));
            *again = format!("{:<13}{program} run --world live {file}, as before", "again");
        }
    }

    /// Takes in that the run is written down in `folder`.
    fn keep(&mut self, record: &Record, folder: PathBuf, page: bool, settings: &Settings<'_>) {
        self.object["folder"] = json!(folder.display().to_string());
        if matches!(self.mark, Mark::Judged(Status::Fail | Status::Unknown)) {
            let program = &invocation::program();
            let columns = settings.widths.line;
            let leads = line::Leads { folder: &folder, page, program, columns };
            self.explanation = line::failure(record, &leads);
        }
        let way = report::relative(&folder, settings.index);
        self.row = Some(index::Row::of(record, Some(&way)));
        self.folder = Some(folder);
    }
}

/// Returns one run as it is written down.
fn record(selected: &Selected, seed: u64, program: &Program, place: &Place) -> Run {
    let options = Options { file: Some(selected.path.display().to_string()), ..Options::default() };
    let began = Stopwatch::start();
    let mut run = place.run(program, &selected.scenario, seed, &options);
    run.record.meta.wall_ms = began.elapsed_ms();
    build::id().clone_into(&mut run.record.meta.build);
    run
}

fn judged(record: &Record, settings: &Settings<'_>) -> Trial {
    let weaknesses = record.weaknesses();
    let status = Status::of(record, &weaknesses);
    let exit = match status {
        Status::Warn if !settings.lenient => Exit::Inconclusive,
        Status::Pass | Status::Warn => Exit::Holds,
        Status::Fail => Exit::Violated,
        Status::Unknown => Exit::Inconclusive,
    };
    // The reason for a failure is told later, together with the folder that shows it.
    let explanation = if status == Status::Warn { weaknesses.clone() } else { Vec::new() };
    Trial {
        scenario: record.scenario.name.clone(),
        seed: record.seed,
        mark: Mark::Judged(status),
        line: line::result(record, &weaknesses, settings.widths),
        title: title(&record.scenario.name, record.seed),
        explanation,
        exit,
        totals: Totals::of(record, status),
        object: object(record, &weaknesses),
        folder: None,
        signature: signature::of(record),
        row: Some(index::Row::of(record, None)),
    }
}

fn title(name: &str, seed: u64) -> String {
    format!("{name}  (seed {seed})")
}

/// Returns a run as a line of JSON.
fn object(record: &Record, weaknesses: &[String]) -> Value {
    json!({
        "type": "run",
        "scenario": record.scenario.name,
        "file": record.scenario.file,
        "seed": record.seed,
        "verdict": record.verdict,
        "sentence": line::sentence(record),
        "weaknesses": weaknesses,
        "messages": record.messages.len(),
        "faults": record.faults.len(),
        "events": record.events.len(),
        "simulated_ns": record.ended.at_ns,
        "wall_ms": record.meta.wall_ms,
        "log_hash": record.log_hash,
        "folder": null,
    })
}

/// What stands in the place of the time of a run that came to no end.
const BROKE_WALL: &str = "[      – ] ";

fn broke(selected: &Selected, seed: u64, settings: &Settings<'_>, why: &str) -> Trial {
    let name = &selected.scenario.name;
    let program = invocation::program();
    let again = format!("{program} run {} --seed {seed}", shell::word(&selected.path));
    let mut explanation: Vec<String> = why.lines().map(str::to_owned).collect();
    explanation.push(format!("{:<13}{again}", "again"));
    let seed_text = format!("  seed {seed:<width$}  ", width = settings.widths.seed);
    let around = BROKE_WALL.chars().count() + seed_text.len();
    let names = settings.widths.names(around + line::FACT_AT_LEAST);
    let shown = reports::cut(name, names);
    let room = settings.widths.line.saturating_sub(around + names).max(line::FACT_AT_LEAST);
    Trial {
        scenario: name.clone(),
        seed,
        mark: Mark::Broke,
        line: format!(
            "{BROKE_WALL}{shown:<names$}{seed_text}{}",
            reports::cut(first_line(why), room)
        ),
        title: title(name, seed),
        explanation,
        exit: Exit::Internal,
        totals: Totals::broken(),
        object: json!({ "type": "broken", "scenario": name, "seed": seed, "sentence": why }),
        folder: None,
        signature: None,
        row: None,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Returns the exit code of a record by itself, without what is wrong with a pass.
pub(crate) fn exit_of(record: &Record) -> Exit {
    match record.verdict {
        Verdict::Pass => Exit::Holds,
        Verdict::Fail => Exit::Violated,
        Verdict::Unknown => Exit::Inconclusive,
    }
}
