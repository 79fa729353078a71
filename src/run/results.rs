//! The results of the runs of `fedsim run`: printed as they come, and summed up.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use reports::{
    cut, folder, index,
    line::{INDENT, Status, Totals, Widths},
};
use serde_json::json;

use super::counted;
use crate::{
    exit::{Exit, Stop},
    interrupt,
    live::Tally,
    output::{Output, Tone},
    stopwatch::Stopwatch,
    trial::{KEPT_PASSES, Mark, Trial},
};

/// The most failures that are explained: kinds of them, where they have one.
const EXPLAINED: usize = 20;
/// How many failures that are the same one keep their folder.
const KEPT_ALIKE: usize = 20;

/// The results of the runs so far.
pub(super) struct Results<'a> {
    pub(super) output: &'a mut Output,
    out: &'a Path,
    began: Stopwatch,
    totals: Totals,
    exit: Exit,
    groups: Vec<Group>,
    unexplained: usize,
    /// How many folders were removed again, because enough like them are kept.
    removed: usize,
    rows: Vec<index::Row>,
    /// After how many failures to end.
    fail_fast: Option<u64>,
    /// What repeated runs came to.
    pub(super) tally: Option<Tally>,
    /// The widths of the columns, if what is alike has one line together.
    folds: Option<Widths>,
    /// Passes that have no line yet.
    passes: Option<Passes>,
    interrupted: bool,
    stopped: Option<Stop>,
}

/// Runs that did not pass and are alike.
struct Group {
    /// The first one.
    trial: Trial,
    /// How many more there are.
    more: usize,
}

/// Passes of one scenario.
struct Passes {
    scenario: String,
    /// The first and the last seed.
    seeds: (u64, u64),
    count: usize,
    began: Stopwatch,
}

impl<'a> Results<'a> {
    pub(super) fn new(
        output: &'a mut Output,
        out: &'a Path,
        fail_fast: Option<u64>,
        folds: Option<Widths>,
    ) -> Self {
        // From here on, Ctrl-C asks for what is known.
        interrupt::flag();
        Self {
            output,
            out,
            began: Stopwatch::start(),
            totals: Totals::default(),
            exit: Exit::Holds,
            groups: Vec::new(),
            unexplained: 0,
            removed: 0,
            rows: Vec::new(),
            fail_fast,
            tally: None,
            folds,
            passes: None,
            interrupted: false,
            stopped: None,
        }
    }

    /// Takes in the next run, and prints what is new about it.
    pub(super) fn take(&mut self, trial: Trial) -> ControlFlow<()> {
        match self.take_in(trial) {
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
        self.interrupted = interrupt::is_set();
        self.interrupted || self.fail_fast.is_some_and(|most| failed >= most)
    }

    fn take_in(&mut self, mut trial: Trial) -> Result<(), Stop> {
        self.totals += trial.totals;
        if let Some(tally) = &mut self.tally {
            tally.count(&trial);
        }
        self.exit = self.exit.and(trial.exit);
        self.output.failed(self.totals.fail + self.totals.broken);
        let alike = self.groups.iter().position(|group| group.has(&trial));
        if alike.is_some_and(|at| self.groups[at].more + 1 >= KEPT_ALIKE) {
            self.leave_out(&mut trial)?;
        }
        if self.rows.len() < index::MOST {
            self.rows.extend(trial.row.take());
        }
        self.line(&trial, alike.is_some())?;
        self.output.object(&trial.object)?;
        self.point_latest(&trial)?;
        if trial.explanation.is_empty() {
            return Ok(());
        }
        match alike {
            Some(at) => self.groups[at].more += 1,
            None if self.groups.len() < EXPLAINED => {
                if self.folds.is_some() {
                    explain(&trial, 0, self.output)?;
                    self.output.line("")?;
                }
                self.groups.push(Group { trial, more: 0 });
            }
            None => self.unexplained += 1,
        }
        Ok(())
    }

    /// Removes the folder of a run, because enough like it are kept.
    fn leave_out(&mut self, trial: &mut Trial) -> Result<(), Stop> {
        let Some(folder) = trial.folder.take() else { return Ok(()) };
        self.removed += 1;
        trial.object["folder"] = json!(null);
        trial.row = trial.row.take().map(index::Row::without_a_page);
        fs::remove_dir_all(&folder).map_err(|error| {
            Stop::because(Exit::Internal, format!("cannot remove {}: {error}", folder.display()))
        })
    }

    /// Prints the line of a run, unless it has one together with others.
    fn line(&mut self, trial: &Trial, is_alike: bool) -> Result<(), Stop> {
        let is_plain = trial.mark == Mark::Judged(Status::Pass);
        if is_plain && self.output.quiet {
            return Ok(());
        }
        if self.folds.is_some() {
            let is_other = |passes: &Passes| passes.scenario != trial.scenario;
            if self.passes.as_ref().is_some_and(is_other) {
                self.flush()?;
            }
            if is_plain {
                let passes = self.passes.get_or_insert_with(|| Passes {
                    scenario: trial.scenario.clone(),
                    seeds: (trial.seed, trial.seed),
                    count: 0,
                    began: Stopwatch::start(),
                });
                passes.count += 1;
                passes.seeds.1 = trial.seed;
                return Ok(());
            }
            if is_alike {
                return Ok(());
            }
        }
        Ok(self.output.word(tone(trial.mark), trial.mark.word(), &trial.line)?)
    }

    /// Prints the line that passes have together.
    fn flush(&mut self) -> Result<(), Stop> {
        let (Some(passes), Some(widths)) = (self.passes.take(), self.folds) else { return Ok(()) };
        let Passes { scenario, seeds: (first, last), count, began } = passes;
        let wall = format!("[{:>8}] ", reports::line::wall(began.elapsed_ms()));
        let rest = format!("  {}, of seeds {first} to {last}", counted(count, "run"));
        let names = widths.names(wall.chars().count() + rest.chars().count());
        let text = format!("{wall}{:<names$}{rest}", cut(&scenario, names));
        Ok(self.output.word(Tone::Good, Status::Pass.word(), &text)?)
    }

    fn point_latest(&self, trial: &Trial) -> Result<(), Stop> {
        let Some(folder) = &trial.folder else { return Ok(()) };
        let out = folder.parent().unwrap_or(self.out);
        folder::point_latest(out, folder).map_err(|error| {
            let latest = out.join(folder::LATEST);
            Stop::because(Exit::Internal, format!("cannot write {}: {error}", latest.display()))
        })
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
    pub(super) fn conclude(mut self) -> Result<Exit, Stop> {
        self.output.end_progress();
        if let Some(stop) = self.stopped.take() {
            return Err(stop);
        }
        self.flush()?;
        let page = self.page()?;
        let exit = if self.interrupted { self.exit.and(Exit::Interrupted) } else { self.exit };
        let wall_ms = self.began.elapsed_ms();
        let summary = self.totals.summary();
        let summary = format!("[{:>8}] {summary}", reports::line::wall(wall_ms));
        self.output.word(Tone::Plain, "Summary", &summary)?;
        if let Some(tally) = &self.tally {
            tally.print(self.output)?;
        }
        if self.interrupted {
            self.remark(interrupt::ENDED)?;
        }
        self.explain_groups()?;
        self.say_what_is_kept()?;
        if let Some(page) = page {
            self.output.line("")?;
            self.remark(&format!("all runs     {}", page.display()))?;
        }
        self.output.object(&json!({
            "type": "summary",
            "runs": self.totals.runs(),
            "pass": self.totals.pass,
            "fail": self.totals.fail,
            "warn": self.totals.warn,
            "unknown": self.totals.unknown,
            "broken": self.totals.broken,
            "faults": self.totals.faults,
            "simulated_ns": self.totals.simulated_ns,
            "wall_ms": wall_ms,
            "exit": exit.code(),
        }))?;
        Ok(exit)
    }

    /// Explains each kind of failure; or, if that was done when it was found, says how many there are.
    fn explain_groups(&mut self) -> Result<(), Stop> {
        for Group { trial, more } in &self.groups {
            if self.folds.is_none() {
                explain(trial, *more, self.output)?;
            } else if *more > 0 {
                self.output.heading(tone(trial.mark), trial.mark.word(), &trial.title)?;
                let alike =
                    format!("{}and {} failed the same way", indent(), counted(*more, "more run"));
                self.output.line(&alike)?;
            }
        }
        Ok(())
    }

    fn say_what_is_kept(&mut self) -> Result<(), Stop> {
        if self.totals.runs() > KEPT_PASSES as u64 {
            self.remark(&format!("of runs that pass, the first {KEPT_PASSES} are kept"))?;
        }
        if self.removed > 0 {
            self.remark(&format!(
                "of runs that failed the same way, the first {KEPT_ALIKE} are kept"
            ))?;
        }
        if self.unexplained > 0 {
            let more = format!("\n  and {} more, each in its folder", self.unexplained);
            self.output.line(&more)?;
        }
        Ok(())
    }

    fn remark(&mut self, text: &str) -> Result<(), Stop> {
        Ok(self.output.line(&format!("{}{text}", indent()))?)
    }
}

impl Group {
    /// Returns whether a run failed in the same way.
    fn has(&self, trial: &Trial) -> bool {
        self.trial.signature.is_some() && self.trial.signature == trial.signature
    }
}

fn indent() -> String {
    " ".repeat(INDENT)
}

/// Explains a run that did not pass, and says how many more are like it.
fn explain(trial: &Trial, more: usize, output: &mut Output) -> Result<(), Stop> {
    output.heading(tone(trial.mark), trial.mark.word(), &trial.title)?;
    for line in &trial.explanation {
        output.line(&format!("{}{line}", indent()))?;
    }
    if more > 0 {
        let line = format!("{:<13}{} failed the same way", "and", counted(more, "more run"));
        output.line(&format!("{}{line}", indent()))?;
    }
    Ok(())
}

fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Judged(status) => status.into(),
        Mark::Differs | Mark::Broke => Tone::Bad,
    }
}
