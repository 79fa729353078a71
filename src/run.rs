//! `fedsim run`: runs scenarios, judges them, and prints a line for each and a summary.

mod results;

use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use explore::workers;
use reports::line::Widths;

use self::results::Results;
use crate::{
    arguments::Run,
    exit::{Exit, Stop},
    live::{self, Place, Tally},
    output::{Output, Tone},
    program::Program,
    seeds::Seeds,
    select::{self, Selected},
    threads,
    trial::{self, SAMPLE, Settings, Twice},
};

/// The most seeds of which each run has a line of its own; of more, passes of a scenario have one
/// together, and failures that are the same one.
const EACH: usize = 20;

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
    let index = wanted.out.join(reports::index::FILE);
    let settings = Settings {
        program,
        out: &wanted.out,
        index: &index,
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

    let fail_fast = wanted.fail_fast.map(NonZeroU64::get);
    let folds = wanted.seed.as_ref().is_some_and(|seeds| seeds.count() > EACH);
    let mut results =
        Results::new(output, &wanted.out, fail_fast, folds.then_some(settings.widths));
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
