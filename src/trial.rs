//! One run of one scenario with one seed: run, perhaps run again, written down, and made small.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use reports::{
    folder,
    line::{self, Status, Totals, Widths},
};
use scenarios::{Record, record::Verdict, run::Options};
use serde_json::{Value, json};

use crate::{divergence, exit::Exit, select::Selected, stopwatch::Stopwatch};

/// What every trial of one call shares.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// Where the runs' folders go.
    pub(crate) out: &'a Path,
    /// Whether to run everything twice.
    pub(crate) twice: bool,
    /// Whether a weakness is no pass.
    pub(crate) strict: bool,
    /// The widths of the columns of results.
    pub(crate) widths: Widths,
}

/// What is kept of a run once it is written down: no journal, so that many runs need no memory.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Its line of results begins with this.
    pub(crate) mark: Mark,
    /// The rest of its line of results.
    pub(crate) line: String,
    /// What the lines below are about.
    pub(crate) title: String,
    /// What else there is to say, if it is not as it should be.
    pub(crate) explanation: Vec<String>,
    /// What it comes to.
    pub(crate) exit: Exit,
    /// What it adds to the summary.
    pub(crate) totals: Totals,
    /// The same for programs.
    pub(crate) object: Value,
    /// Its folder, once that is written.
    pub(crate) folder: Option<PathBuf>,
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
    /// Its word, in capitals.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Judged(status) => status.word(),
            Self::Differs => "DIFFERS",
            Self::Broke => "BROKE",
        }
    }
}

/// Runs a scenario with `seed`. Whatever happens, there is a trial: a panic is one that broke.
pub(crate) fn run(selected: &Selected, seed: u64, settings: &Settings<'_>) -> Trial {
    caught(|| attempt(selected, seed, settings))
        .unwrap_or_else(|why| broke(selected, seed, settings, &why))
}

/// Runs a scenario with `seed` and only records it; or says what panicked.
pub(crate) fn again(selected: &Selected, seed: u64) -> Result<Record, String> {
    let name = &selected.scenario.name;
    caught(|| record(selected, seed)).map_err(|why| format!("{name}, seed {seed}: {why}"))
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .map_err(|payload| format!("fedsim itself panicked: {}", panic_message(payload.as_ref())))
}

fn attempt(selected: &Selected, seed: u64, settings: &Settings<'_>) -> Trial {
    let mut record = record(selected, seed);
    let folder = match folder::write(settings.out, &record) {
        Ok(folder) => folder,
        Err(error) => {
            let why = format!("cannot write its folder below {}: {error}", settings.out.display());
            return broke(selected, seed, settings, &why);
        }
    };
    let repeated = || self::record(selected, seed);
    let difference =
        settings.twice.then(|| divergence::between(&mut record, &mut repeated())).flatten();
    if let Some(difference) = difference {
        let mut trial = broke(selected, seed, settings, "two runs of it differ");
        trial.mark = Mark::Differs;
        trial.exit = Exit::Diverged;
        trial.object["type"] = json!("difference");
        trial.explanation = difference.lines("first", "second");
        trial.explanation.push(format!(
            "{:<13}{}",
            "the record",
            folder.join(folder::RECORD).display()
        ));
        trial.folder = Some(folder);
        return trial;
    }
    judged(&record, folder, settings)
}

/// One run as it is written down.
fn record(selected: &Selected, seed: u64) -> Record {
    let options = Options { file: Some(selected.path.display().to_string()) };
    let began = Stopwatch::start();
    let mut record = scenarios::run::run(&selected.scenario, seed, &options).record;
    record.meta.wall_ms = began.elapsed_ms();
    record
}

fn judged(record: &Record, folder: PathBuf, settings: &Settings<'_>) -> Trial {
    let weaknesses = record.weaknesses();
    let status = Status::of(record, &weaknesses);
    let exit = match status {
        Status::Warn if settings.strict => Exit::Inconclusive,
        Status::Pass | Status::Warn => Exit::Holds,
        Status::Fail => Exit::Violated,
        Status::Unknown => Exit::Inconclusive,
    };
    let explanation = match status {
        Status::Pass => Vec::new(),
        Status::Warn => weaknesses.clone(),
        Status::Fail | Status::Unknown => line::failure(record, &folder),
    };
    Trial {
        mark: Mark::Judged(status),
        line: line::result(record, &weaknesses, settings.widths),
        title: title(&record.scenario.name, record.seed),
        explanation,
        exit,
        totals: Totals::of(record, status),
        object: object(record, &weaknesses, &folder),
        folder: Some(folder),
    }
}

fn title(name: &str, seed: u64) -> String {
    format!("{name}  (seed {seed})")
}

/// A run as a line of JSON.
pub(crate) fn object(record: &Record, weaknesses: &[String], folder: &Path) -> Value {
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
        "folder": folder.display().to_string(),
    })
}

fn broke(selected: &Selected, seed: u64, settings: &Settings<'_>, why: &str) -> Trial {
    let name = &selected.scenario.name;
    let again = format!("fedsim run {} --seed {seed}", selected.path.display());
    let mut explanation: Vec<String> = why.lines().map(str::to_owned).collect();
    explanation.push(format!("{:<13}{again}", "again"));
    let Widths { name: names, seed: seeds } = settings.widths;
    Trial {
        mark: Mark::Broke,
        line: format!("[      – ] {name:<names$}  seed {seed:<seeds$}  {}", first_line(why)),
        title: title(name, seed),
        explanation,
        exit: Exit::Internal,
        totals: Totals::broken(),
        object: json!({ "type": "broken", "scenario": name, "seed": seed, "sentence": why }),
        folder: None,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

/// What a record comes to by itself, without what `--strict` asks.
pub(crate) fn exit_of(record: &Record) -> Exit {
    match record.verdict {
        Verdict::Pass => Exit::Holds,
        Verdict::Fail => Exit::Violated,
        Verdict::Unknown => Exit::Inconclusive,
    }
}
