//! `fedsim run`: runs scenarios, judges them, and prints a line for each and a summary.

use std::{fs, ops::ControlFlow, path::Path};

use explore::workers;
use reports::{
    folder,
    line::{INDENT, Status, Totals, Widths},
};
use serde_json::json;

use crate::{
    arguments::Run,
    exit::{Exit, Stop},
    output::{Output, Tone},
    seeds::Seeds,
    select::{self, Selected},
    stopwatch::Stopwatch,
    threads,
    trial::{self, KEPT_PASSES, Mark, SAMPLE, Settings, Trial, Twice},
};

/// The most runs that are explained below the summary.
const EXPLAINED: usize = 20;

/// Runs what was asked for.
pub(crate) fn run(wanted: &Run, output: &mut Output) -> Result<Exit, Stop> {
    let selected = match select::load(&wanted.files)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    writable(&wanted.out)?;
    let jobs = Jobs { selected: &selected, seeds: wanted.seed.as_ref() };
    let threads = threads::count(wanted.jobs).min(jobs.count());
    let settings = Settings {
        out: &wanted.out,
        twice: if wanted.twice { Twice::Every } else { Twice::Sample },
        strict: wanted.strict,
        journal: wanted.journal,
        reports: wanted.report.as_deref(),
        widths: jobs.widths(),
    };
    if !output.quiet {
        output.word(Tone::Plain, "Running", &jobs.announcement(threads, settings.twice))?;
    }

    let mut results = Results::new(output, &wanted.out);
    let progress = results.output.begin_progress(jobs.count());
    let work = |number| {
        let (selected, seed) = jobs.at(number);
        let trial = trial::run(selected, seed, number, &settings);
        progress.inc(1);
        trial
    };
    let threads_began = workers::in_order(jobs.count(), threads, work, |trial| results.take(trial));
    threads::begun(threads_began)?;
    results.conclude()
}

fn writable(out: &Path) -> Result<(), Stop> {
    fs::create_dir_all(out).map_err(|error| {
        let message =
            format!("cannot make the folder {}: {error}\nname another with --out", out.display());
        Stop::because(Exit::Usage, message)
    })
}

/// Every scenario with every seed, numbered.
struct Jobs<'a> {
    selected: &'a [Selected],
    seeds: Option<&'a Seeds>,
}

impl<'a> Jobs<'a> {
    fn count(&self) -> usize {
        self.selected.len().saturating_mul(self.seeds.map_or(1, Seeds::count))
    }

    fn at(&self, number: usize) -> (&'a Selected, u64) {
        let Some(seeds) = self.seeds else {
            let selected = &self.selected[number];
            return (selected, selected.scenario.seed);
        };
        (&self.selected[number / seeds.count()], seeds.at(number % seeds.count()))
    }

    fn widths(&self) -> Widths {
        let names = self.selected.iter().map(|one| one.scenario.name.chars().count());
        let own = || self.selected.iter().map(|one| one.scenario.seed.to_string().len()).max();
        Widths {
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
    explanations: Vec<Trial>,
    unexplained: usize,
    stopped: Option<Stop>,
}

impl<'a> Results<'a> {
    fn new(output: &'a mut Output, out: &'a Path) -> Self {
        Self {
            output,
            out,
            began: Stopwatch::start(),
            totals: Totals::default(),
            exit: Exit::Holds,
            explanations: Vec::new(),
            unexplained: 0,
            stopped: None,
        }
    }

    /// Prints the next run's line.
    fn take(&mut self, trial: Trial) -> ControlFlow<()> {
        match self.print(trial) {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                self.stopped = Some(stop);
                ControlFlow::Break(())
            }
        }
    }

    fn print(&mut self, trial: Trial) -> Result<(), Stop> {
        self.totals += trial.totals;
        self.exit = self.exit.and(trial.exit);
        self.output.failed(self.totals.fail + self.totals.broken);
        if !self.output.quiet || trial.mark != Mark::Judged(Status::Pass) {
            self.output.word(tone(trial.mark), trial.mark.word(), &trial.line)?;
        }
        self.output.object(&trial.object)?;
        if let Some(folder) = &trial.folder {
            folder::point_latest(self.out, folder).map_err(|error| {
                let latest = self.out.join(folder::LATEST);
                Stop::because(Exit::Internal, format!("cannot write {}: {error}", latest.display()))
            })?;
        }
        if trial.explanation.is_empty() {
            return Ok(());
        }
        if self.explanations.len() < EXPLAINED {
            self.explanations.push(trial);
        } else {
            self.unexplained += 1;
        }
        Ok(())
    }

    /// Prints the summary, and explains the runs that did not pass.
    fn conclude(self) -> Result<Exit, Stop> {
        let Self { output, began, totals, exit, explanations, unexplained, stopped, .. } = self;
        output.end_progress();
        if let Some(stop) = stopped {
            return Err(stop);
        }
        let wall_ms = began.elapsed_ms();
        let summary = format!("[{:>8}] {}", reports::line::wall(wall_ms), totals.summary());
        output.word(Tone::Plain, "Summary", &summary)?;
        for trial in &explanations {
            output.heading(tone(trial.mark), trial.mark.word(), &trial.title)?;
            for line in &trial.explanation {
                output.line(&format!("{}{line}", " ".repeat(INDENT)))?;
            }
        }
        if totals.runs() > KEPT_PASSES as u64 {
            let note = format!("of runs that pass, the first {KEPT_PASSES} are kept");
            output.line(&format!("{}{note}", " ".repeat(INDENT)))?;
        }
        if unexplained > 0 {
            output.line(&format!("\n  and {unexplained} more, each in its folder"))?;
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

fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Judged(status) => status.into(),
        Mark::Differs | Mark::Broke => Tone::Bad,
    }
}
