//! `fedsim explore`: searches for the scenario that breaks a promise.

mod corpus;
mod live;
mod summary;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use explore::{Campaign, Exploration, Method, Trial, trial::End};
use scenarios::Scenario;

use self::{corpus::Corpus, live::Live};
use crate::{
    arguments::Explore,
    exit::{Exit, Stop},
    interrupt,
    output::{Output, Tone},
    program::Program,
    run::counted,
    seeds,
    select::{self, Selected},
    stopwatch::Stopwatch,
    threads,
};

/// How many runs there are if neither their number nor their time is given: enough for every leg of
/// many scenarios, and an end to what would go on for ever.
const MOST_RUNS: u64 = 1_000_000;

/// Searches as it was asked to.
pub(crate) fn explore(
    wanted: &Explore,
    program: &Program,
    output: &mut Output,
) -> Result<Exit, Stop> {
    let selected = match select::load(&wanted.files, program)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    let mut corpus = Corpus::open(wanted.corpus.as_deref(), &wanted.out)?;
    let mut bases = bases(selected, wanted, output)?;
    bases.extend(corpus.scenarios(program.vocabulary())?);
    let campaign = campaign(bases, wanted)?;
    if !output.quiet {
        output.word(Tone::Plain, "Exploring", &announcement(&campaign))?;
    }
    let on = On { program, wanted };
    let mut live = Live::begin(&campaign, wanted, Stopwatch::start())?;
    let explored = play(&campaign, on, &mut corpus, &mut live, output);
    output.end_progress();
    let explored = explored?;
    live.searched(&explored)?;
    let exit = summary::show(explored, &campaign, on, &mut live, output)?;
    live.finished()?;
    Ok(exit)
}

/// Returns what is broken: the scenarios that were named, with the delivery policy that was asked
/// for, and without those whose design breaks its promise by itself.
fn bases(
    selected: Vec<Selected>,
    wanted: &Explore,
    output: &mut Output,
) -> Result<Vec<Scenario>, Stop> {
    let count = selected.len();
    let scenarios = selected.into_iter().map(|selected| selected.scenario);
    let mut bases: Vec<Scenario> =
        scenarios.filter(|scenario| scenario.expect.violates.is_empty()).collect();
    if bases.is_empty() {
        let message = "every scenario says that its design breaks a promise\n\
                       name one that keeps its promises";
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    if bases.len() < count && !output.quiet {
        let left = count - bases.len();
        output.note(&format!("{left} left out that say their design breaks a promise"))?;
    }
    if let Some(delivery) = wanted.delivery {
        let rooms = bases.iter_mut().flat_map(|base| base.conversations.values_mut());
        rooms.for_each(|room| room.delivery = delivery);
    }
    Ok(bases)
}

fn campaign(bases: Vec<Scenario>, wanted: &Explore) -> Result<Campaign, Stop> {
    let is_bounded = wanted.runs.is_some() || wanted.time.is_some();
    let methods: BTreeSet<Method> = if !wanted.ways.is_empty() {
        wanted.ways.iter().map(|way| Method::from(*way)).collect()
    } else if is_bounded {
        Method::SEARCHES.into()
    } else {
        [Method::EveryLeg].into()
    };
    if methods.iter().all(|method| matches!(method, Method::Pairs | Method::Bred)) {
        let message = "pairs and bred go on from what another way has played\n\
                       name every-leg or drawn beside them";
        return Err(Stop::because(Exit::Usage, message));
    }
    Ok(Campaign {
        bases,
        methods,
        runs: wanted.runs.unwrap_or(MOST_RUNS),
        fail_fast: wanted.fail_fast.map(usize::from),
        shard: wanted.shard.map(|part| part.0).unwrap_or_default(),
        seed: seeds::given_or_fresh(wanted.seed),
        threads: threads::count(wanted.jobs),
    })
}

fn announcement(campaign: &Campaign) -> String {
    let ways: Vec<&str> = campaign.methods.iter().map(|method| method.word()).collect();
    let part = match campaign.shard {
        shard if shard.of == 1 => String::new(),
        shard => format!(", part {}/{}", shard.index + 1, shard.of),
    };
    format!(
        "{}, {}, seed {}{part}, {}",
        counted(campaign.bases.len(), "scenario"),
        ways.join(" + "),
        campaign.seed,
        counted(campaign.threads, "thread")
    )
}

/// What is explored, as it was asked for.
#[derive(Clone, Copy)]
struct On<'w> {
    program: &'w Program,
    wanted: &'w Explore,
}

/// Plays the campaign, tells of each new kind of failure at once, and keeps what is to be kept.
fn play(
    campaign: &Campaign,
    on: On<'_>,
    corpus: &mut Corpus,
    live: &mut Live,
    output: &mut Output,
) -> Result<Exploration, Stop> {
    let On { program, wanted } = on;
    // Not the flag of Ctrl-C, which also ends the shrinking: that begins when the time is over.
    let (interrupted, over) = (interrupt::flag(), AtomicBool::new(false));
    let length = usize::try_from(wanted.runs.unwrap_or(0)).unwrap_or(usize::MAX);
    let bar = output.begin_progress(length.max(2));
    if wanted.runs.is_none() {
        bar.unset_length();
    }
    let most = wanted.time.unwrap_or(Duration::MAX);
    let mut told = (0, 0);
    let mut wrong = None;
    let explored = campaign.play(&program.subject(), &over, |so_far, candidate, trial| {
        bar.inc(1);
        let is_late = Duration::from_millis(live.wall_ms()) >= most;
        if is_late || interrupted.load(Ordering::Relaxed) {
            over.store(true, Ordering::Relaxed);
        }
        output.progress_says(progress(so_far, live.wall_ms()));
        let kinds = so_far.failures.count();
        let mut keep = || -> Result<(), Stop> {
            if matches!(trial.end, End::Unknown(_)) {
                corpus.keep_unjudged(candidate)?;
            }
            if kinds > told.0 {
                found(so_far, trial, output)?;
                live.kept(so_far.count(), &corpus.keep_failing(candidate, trial)?);
            } else if so_far.coverage.count() > told.1 {
                corpus.keep_interesting(candidate)?;
            }
            live.run(so_far, candidate, trial)
        };
        if let Err(stop_because) = keep() {
            over.store(true, Ordering::Relaxed);
            wrong = Some(stop_because);
        }
        told = (kinds, so_far.coverage.count());
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    threads::begun(explored)
}

fn progress(so_far: &Exploration, wall_ms: u64) -> String {
    let mut text = format!(
        "{} runs/s, {} situations",
        so_far.count() * 1000 / wall_ms.max(1),
        so_far.coverage.count()
    );
    if so_far.failures.count() > 0 {
        write!(text, ", {} kinds of failures", so_far.failures.count())
            .expect("a String takes all text");
    }
    text
}

/// Tells of a new kind of failure as soon as it is found.
fn found(so_far: &Exploration, trial: &Trial, output: &mut Output) -> Result<(), Stop> {
    let run = so_far.count();
    for violation in trial.violations() {
        let text = format!("run {run}: {}: {}", violation.check, violation.sentence);
        output.word(Tone::Bad, "Found", &text)?;
    }
    Ok(())
}

/// Makes a folder and those above it.
fn make_folder(folder: &std::path::Path) -> Result<(), Stop> {
    fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot make the folder {}: {error}", folder.display());
        Stop::because(Exit::Usage, message)
    })
}
