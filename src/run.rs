//! `fedsim run`: runs scenarios, judges them, and prints a line for each and a summary.

use std::{
    fs,
    num::NonZeroU64,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use explore::workers;
use reports::{
    folder, index,
    line::{INDENT, Status, Totals, Widths},
};
use serde_json::json;

use crate::{
    arguments::Run,
    exit::{Exit, Stop},
    interrupt,
    live::{self, Place, Tally},
    output::{Output, Tone},
    program::Program,
    seeds::Seeds,
    select::{self, Selected},
    stopwatch::Stopwatch,
    threads,
    trial::{self, KEPT_PASSES, Mark, SAMPLE, Settings, Trial, Twice},
};

/// The most runs that are explained below the summary.
const EXPLAINED: usize = 20;

/// Runs what was asked for.
pub(crate) fn run(wanted: &Run, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    let selected = match select::load(&wanted.files, program)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    let place = Place::of(wanted, program)?;
    writable(&wanted.out)?;
    let selected = live::playable(&place, selected, output)?;
    let repeat = usize::from(wanted.repeat.get());
    let jobs = Jobs { selected: &selected, seeds: wanted.seed.as_ref(), repeat };
    let threads = if place.is_live() { wanted.jobs.or(Some(1)) } else { wanted.jobs };
    let threads = threads::count(threads).min(jobs.count());
    let settings = Settings {
        program,
        out: &wanted.out,
        place: &place,
        twice: match wanted.twice {
            true => Twice::Every,
            false if place.is_live() => Twice::Never,
            false => Twice::Sample,
        },
        lenient: wanted.lenient,
        journal: wanted.journal,
        reports: wanted.report.as_deref(),
        widths: jobs.widths(output.columns),
    };
    if !output.quiet {
        output.word(Tone::Plain, "Running", &jobs.announcement(threads, settings.twice))?;
    }

    let mut results = Results::new(output, &wanted.out, wanted.fail_fast.map(NonZeroU64::get));
    results.tally = (repeat > 1).then(Tally::default);
    let progress = results.output.begin_progress(jobs.count());
    let work = |number| {
        let (selected, seed, repetition) = jobs.at(number);
        let out = repeated(&wanted.out, repetition);
        let settings = Settings { out: &out, ..settings };
        let trial = trial::run(&selected.seeded(seed, program), seed, number, &settings);
        progress.inc(1);
        trial
    };
    let threads_began = workers::in_order(jobs.count(), threads, work, |trial| results.take(trial));
    threads::begun(threads_began)?;
    results.conclude()
}

/// Returns where the folder of a repeated run goes: the first one where it always goes.
fn repeated(out: &Path, repetition: usize) -> PathBuf {
    match repetition {
        0 => out.to_owned(),
        n => out.join(format!("repeated-{n}")),
    }
}

fn writable(out: &Path) -> Result<(), Stop> {
    fs::create_dir_all(out).map_err(|error| {
        let message =
            format!("cannot make the folder {}: {error}\nname another with --out", out.display());
        Stop::because(Exit::Usage, message)
    })
}

/// Every scenario with every seed, as often as it is repeated, numbered.
struct Jobs<'a> {
    selected: &'a [Selected],
    seeds: Option<&'a Seeds>,
    repeat: usize,
}

impl<'a> Jobs<'a> {
    fn count(&self) -> usize {
        let seeds = self.seeds.map_or(1, Seeds::count);
        self.selected.len().saturating_mul(seeds).saturating_mul(self.repeat)
    }

    /// Returns the scenario and the seed of a run, and which repetition of it that is, from 0.
    fn at(&self, number: usize) -> (&'a Selected, u64, usize) {
        let (number, repetition) = (number / self.repeat, number % self.repeat);
        let Some(seeds) = self.seeds else {
            let selected = &self.selected[number];
            return (selected, selected.scenario.seed, repetition);
        };
        (&self.selected[number / seeds.count()], seeds.at(number % seeds.count()), repetition)
    }

    fn widths(&self, line: usize) -> Widths {
        let names = self.selected.iter().map(|one| one.scenario.name.chars().count());
        let own = || self.selected.iter().map(|one| one.scenario.seed.to_string().len()).max();
        Widths {
            line,
            name: names.max().unwrap_or(0),
            seed: self.seeds.map_or_else(|| own().unwrap_or(0), Seeds::width),
        }
    }

    fn announcement(&self, threads: usize, twice: Twice) -> String {
        let scenarios = counted(self.selected.len(), "scenario");
        let seeds = self.seeds.map_or_else(
            || "seeds from their files".to_owned(),
            |seeds| format!("{} each", counted(seeds.count(), "seed")),
        );
        let twice = match twice {
            Twice::Every => ", everything twice".to_owned(),
            Twice::Sample if self.count() < SAMPLE => String::new(),
            Twice::Sample => format!(", 1 in {SAMPLE} twice"),
            Twice::Never => {
                let once = live::takes(self.selected.iter().map(|one| &one.scenario));
                let runs = u32::try_from(self.count() / self.selected.len()).unwrap_or(u32::MAX);
                let threads = u32::try_from(threads).unwrap_or(1);
                format!(", about {} of real time", live::about(once * runs / threads))
            }
        };
        format!("{scenarios}, {seeds}{twice}, {}", counted(threads, "thread"))
    }
}

/// Returns a count with its thing, such as `1 thread` or `5 threads`.
pub(crate) fn counted(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// The results of the runs so far.
struct Results<'a> {
    output: &'a mut Output,
    out: &'a Path,
    began: Stopwatch,
    totals: Totals,
    exit: Exit,
    /// Runs that did not pass, and how many more are like each.
    explanations: Vec<(Trial, usize)>,
    unexplained: usize,
    rows: Vec<index::Row>,
    /// After how many failures to end.
    fail_fast: Option<u64>,
    /// What repeated runs came to.
    tally: Option<Tally>,
    interrupted: bool,
    stopped: Option<Stop>,
}

impl<'a> Results<'a> {
    fn new(output: &'a mut Output, out: &'a Path, fail_fast: Option<u64>) -> Self {
        Self {
            output,
            out,
            began: Stopwatch::start(),
            totals: Totals::default(),
            exit: Exit::Holds,
            explanations: Vec::new(),
            unexplained: 0,
            rows: Vec::new(),
            fail_fast,
            tally: None,
            interrupted: false,
            stopped: None,
        }
    }

    /// Prints the next run's line.
    fn take(&mut self, trial: Trial) -> ControlFlow<()> {
        match self.print(trial) {
            Ok(()) if self.is_enough() => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                self.stopped = Some(stop);
                ControlFlow::Break(())
            }
        }
    }

    /// Returns whether no more runs are wanted: enough of them failed, or somebody pressed Ctrl-C.
    fn is_enough(&mut self) -> bool {
        let failed = self.totals.fail + self.totals.unknown + self.totals.broken;
        self.interrupted = interrupt::flag().load(Ordering::Relaxed);
        self.interrupted || self.fail_fast.is_some_and(|most| failed >= most)
    }

    fn print(&mut self, mut trial: Trial) -> Result<(), Stop> {
        self.totals += trial.totals;
        if let Some(tally) = &mut self.tally {
            tally.count(&trial);
        }
        if self.rows.len() < index::MOST {
            self.rows.extend(trial.row.take());
        }
        self.exit = self.exit.and(trial.exit);
        self.output.failed(self.totals.fail + self.totals.broken);
        if !self.output.quiet || trial.mark != Mark::Judged(Status::Pass) {
            self.output.word(tone(trial.mark), trial.mark.word(), &trial.line)?;
        }
        self.output.object(&trial.object)?;
        if let Some(folder) = &trial.folder {
            let out = folder.parent().unwrap_or(self.out);
            folder::point_latest(out, folder).map_err(|error| {
                let latest = out.join(folder::LATEST);
                Stop::because(Exit::Internal, format!("cannot write {}: {error}", latest.display()))
            })?;
        }
        if trial.explanation.is_empty() {
            return Ok(());
        }
        let same = |(known, _): &&mut (Trial, usize)| {
            known.signature.is_some() && known.signature == trial.signature
        };
        if let Some((_, more)) = self.explanations.iter_mut().find(same) {
            *more += 1;
        } else if self.explanations.len() < EXPLAINED {
            self.explanations.push((trial, 0));
        } else {
            self.unexplained += 1;
        }
        Ok(())
    }

    /// Writes the page about all runs, if there are several; returns where it is.
    fn page(&self) -> Result<Option<PathBuf>, Stop> {
        if self.totals.runs() < 2 {
            return Ok(None);
        }
        let path = self.out.join(index::FILE);
        let page = index::render(&self.rows, self.totals.runs());
        folder::put(&path, page.as_bytes()).map_err(|error| {
            Stop::because(Exit::Internal, format!("cannot write {}: {error}", path.display()))
        })?;
        Ok(Some(path))
    }

    /// Prints the summary, and explains the runs that did not pass.
    fn conclude(self) -> Result<Exit, Stop> {
        let page = self.page();
        let Self { output, began, totals, explanations, unexplained, stopped, tally, .. } = self;
        let exit = if self.interrupted { self.exit.and(Exit::Interrupted) } else { self.exit };
        output.end_progress();
        if let Some(stop) = stopped {
            return Err(stop);
        }
        let page = page?;
        let wall_ms = began.elapsed_ms();
        let summary = format!("[{:>8}] {}", reports::line::wall(wall_ms), totals.summary());
        output.word(Tone::Plain, "Summary", &summary)?;
        if let Some(tally) = tally {
            tally.print(output)?;
        }
        if self.interrupted {
            output.line(&format!(
                "{}ended by Ctrl-C before all runs were made",
                " ".repeat(INDENT)
            ))?;
        }
        for (trial, more) in &explanations {
            explain(trial, *more, output)?;
        }
        if totals.runs() > KEPT_PASSES as u64 {
            let note = format!("of runs that pass, the first {KEPT_PASSES} are kept");
            output.line(&format!("{}{note}", " ".repeat(INDENT)))?;
        }
        if unexplained > 0 {
            output.line(&format!("\n  and {unexplained} more, each in its folder"))?;
        }
        if let Some(page) = page {
            output.line(&format!("\n{}all runs     {}", " ".repeat(INDENT), page.display()))?;
        }
        output.object(&json!({
            "type": "summary",
            "runs": totals.runs(),
            "pass": totals.pass,
            "fail": totals.fail,
            "warn": totals.warn,
            "unknown": totals.unknown,
            "broken": totals.broken,
            "faults": totals.faults,
            "simulated_ns": totals.simulated_ns,
            "wall_ms": wall_ms,
            "exit": exit.code(),
        }))?;
        Ok(exit)
    }
}

/// Explains a run that did not pass, and says how many more are like it.
fn explain(trial: &Trial, more: usize, output: &mut Output) -> Result<(), Stop> {
    output.heading(tone(trial.mark), trial.mark.word(), &trial.title)?;
    for line in &trial.explanation {
        output.line(&format!("{}{line}", " ".repeat(INDENT)))?;
    }
    if more > 0 {
        let line = format!("{:<13}{} failed the same way", "and", counted(more, "more run"));
        output.line(&format!("{}{line}", " ".repeat(INDENT)))?;
    }
    Ok(())
}

fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Judged(status) => status.into(),
        Mark::Differs | Mark::Broke => Tone::Bad,
    }
}
