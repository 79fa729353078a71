//! `fedsim campaign start`: decides what a campaign is, and begins it.

use std::{sync::Mutex, time::Duration};

use ::campaign::{
    Desk, Item, Key, Plan,
    block::State,
    desk::{check_text, hash_of},
    feeder, now_ms,
    plan::{Base, Canary, MOST_BASES, VERSION, runs_a_block},
    queue::Kept,
};
use explore::offspring;
use scenarios::language;
use serde_json::json;

use super::{
    find::{self, stop},
    work,
};
use crate::{
    arguments::Start,
    build,
    exit::{Exit, Stop},
    interrupt, invocation,
    output::{Output, Tone},
    program::Program,
    run::counted,
    seeds,
    select::{self, Selected},
    stopwatch::Stopwatch,
    threads,
};

/// How many changed scenarios are measured.
const MEASURED: u64 = 2;
/// How often the canary is looked for.
const CANARY_TIMES: u64 = 3;
/// The defect that is the canary, unless another one is named.
const CANARY: &str = "m1-shown-at-the-vote";

/// Begins a campaign.
pub(crate) fn start(wanted: &Start, program: &Program, output: &mut Output) -> Result<Exit, Stop> {
    if wanted.runs.is_none() && wanted.time.is_none() {
        let message =
            "nothing says when this campaign ends\ngive it --runs N, --time TIME, or both";
        return Err(Stop::because(Exit::Usage, message));
    }
    let selected = match select::load(&wanted.files, program)? {
        Ok(selected) => selected,
        Err(mistakes) => {
            output.mistakes(&mistakes)?;
            return Ok(Exit::Usage);
        }
    };
    let selected = honest(selected, output)?;
    let canary = canary(wanted, program)?;
    let build = match &wanted.build {
        Some(build) => build.clone(),
        None => build::known()?.to_owned(),
    };
    let bar = output.begin_progress(selected.len());
    output.progress_says("measured".to_owned());
    let measured = bases(&selected, wanted, program, || bar.inc(1));
    output.end_progress();
    let (bases, texts) = measured?;
    let planted = canary.iter().flat_map(|(_, texts)| texts);
    // From here on nothing but the queue is in the way: what ends before has taken no name.
    texts.iter().chain(planted).try_for_each(|it| check_text(it)).map_err(|it| stop(&it))?;
    let began_ms = now_ms();
    let id = wanted.id.clone().unwrap_or_else(|| format!("c{:x}", began_ms / 1000));
    let found = find::create(&id, &wanted.carrier, wanted.lease)?;
    let desk = Desk::new(&*found.queue);
    for text in &texts {
        desk.keep_text(text).map_err(|trouble| stop(&trouble))?;
    }
    let plan = Plan {
        version: VERSION,
        id: id.clone(),
        build,
        bases,
        breeds: !wanted.as_they_are,
        runs: wanted.runs,
        until_ms: wanted.time.map(|time| began_ms.saturating_add(milliseconds(time))),
        fail_fast: wanted.fail_fast.map(|most| most.get() as u64),
        seed: seeds::given_or_fresh(wanted.seed),
        canary: canary.map(|(defect, texts)| keep_canary(&desk, defect, &texts)).transpose()?,
        part: wanted.shard.map_or((0, 1), |part| (part.0.index, part.0.of)),
        began_ms,
        lease_ms: milliseconds(wanted.lease),
    };
    begin(&desk, &plan).map_err(|trouble| stop(&trouble))?;
    if !output.quiet {
        output.word(Tone::Plain, "Campaign", &announcement(&plan))?;
    }
    output.object(&json!({
        "type": "campaign", "id": id, "build": plan.build, "seed": plan.seed,
    }))?;
    if wanted.carrier.nats.is_none() {
        return work::work(&found, &desk, threads::count(wanted.jobs), program, output);
    }
    if let Some(note) = found.note {
        output.note(note)?;
    }
    let (program, to) = (invocation::program(), &found.named.to);
    output.line(&format!("  workers join with  {program} campaign worker {to}"))?;
    output.line(&format!("  how far it is      {program} campaign status {to}"))?;
    Ok(Exit::Holds)
}

/// Leaves out scenarios whose design breaks a promise by itself.
fn honest(selected: Vec<Selected>, output: &mut Output) -> Result<Vec<Selected>, Stop> {
    let count = selected.len();
    let is_honest = |it: &Selected| it.scenario.expect.violates.is_empty();
    let kept: Vec<Selected> = selected.into_iter().filter(is_honest).collect();
    if kept.is_empty() || kept.len() > MOST_BASES {
        let message = match kept.len() {
            0 => "every scenario says that its design breaks a promise\n\
                  name one that keeps its promises"
                .to_owned(),
            many => format!("a campaign begins with at most {MOST_BASES} scenarios, not {many}"),
        };
        return Err(Stop::because(Exit::NothingSelected, message));
    }
    if kept.len() < count && !output.quiet {
        let left = count - kept.len();
        output.note(&format!("{left} left out that say their design breaks a promise"))?;
    }
    Ok(kept)
}

/// Returns what a campaign begins with, and all texts that belong to it. How many runs take a second
/// is measured, once for each scenario, of which `each` is told.
fn bases(
    selected: &[Selected],
    wanted: &Start,
    program: &Program,
    each: impl Fn(),
) -> Result<(Vec<Base>, Vec<String>), Stop> {
    let subject = program.subject();
    // What is made once in a process is not what a run costs.
    if let Some(first) = selected.first() {
        let _warm = subject.play(&first.scenario);
    }
    let texts = Mutex::new(Vec::new());
    let base = |number: usize| {
        let Selected { scenario, text, .. } = &selected[number];
        let opened = offspring::root(scenario);
        let root = language::to_toml(&opened);
        let bred_runs = if wanted.as_they_are { 1 } else { bred(&subject, &opened) };
        // What a file expects of single messages holds for its own seed and faults.
        let text = if wanted.as_they_are { text } else { &root };
        let runs = measured(&subject, if wanted.as_they_are { scenario } else { &opened });
        let name = scenario.name.clone();
        let base = Base { name, text: hash_of(text), root: hash_of(&root), runs, bred_runs };
        if let Ok(mut texts) = texts.lock() {
            texts.extend([text.clone(), root.clone()]);
        }
        base
    };
    let mut bases = Vec::new();
    let jobs = threads::count(wanted.jobs);
    let done = explore::workers::in_order(selected.len(), jobs, base, |base| {
        bases.push(base);
        each();
        std::ops::ControlFlow::Continue(())
    });
    threads::begun(done)?;
    if interrupt::is_set() {
        return Err(Stop::because(Exit::Interrupted, "ended before the campaign began"));
    }
    Ok((bases, texts.into_inner().unwrap_or_default()))
}

/// Returns how many runs of changed scenarios take a second.
fn bred(subject: &explore::Subject, root: &scenarios::Scenario) -> u32 {
    let places = subject.play(root).places;
    let vocabulary = (subject.found)().promises().vocabulary;
    let began = Stopwatch::start();
    for seed in 0..MEASURED {
        let _trial = subject.play(&offspring::child(vocabulary, root, &places, seed));
    }
    runs_a_block(began.elapsed_ms() / MEASURED)
}

/// Returns how many runs like this one take a second.
fn measured(subject: &explore::Subject, scenario: &scenarios::Scenario) -> u32 {
    let began = Stopwatch::start();
    let _trial = subject.play(scenario);
    runs_a_block(began.elapsed_ms())
}

/// Writes down what the campaign is, and offers the first of its work.
fn begin(desk: &Desk<'_>, plan: &Plan) -> Result<(), ::campaign::Trouble> {
    if desk.keep(&Key::Plan, plan)? == Kept::Before && !is_known(desk, plan)? {
        let message =
            format!("there is a campaign {} already\ngive the new one another --id", plan.id);
        return Err(::campaign::Trouble::new(message));
    }
    desk.replace(&Key::State, &State::default())?;
    let times = plan.canary.as_ref().map_or(0, |canary| canary.times);
    (0..times).try_for_each(|number| desk.queue.offer(&Item::Canary(number)))?;
    feeder::feed(desk)
}

/// Returns whether this is what was written down of the campaign.
fn is_known(desk: &Desk<'_>, plan: &Plan) -> Result<bool, ::campaign::Trouble> {
    let body = desk.queue.read(&Key::Plan)?;
    let known = body.and_then(|body| serde_json::from_slice::<Plan>(&body).ok());
    Ok(known.as_ref() == Some(plan))
}

fn announcement(plan: &Plan) -> String {
    let breeds = if plan.breeds { "bred" } else { "as they are" };
    let part = match plan.part {
        (_, 1) => String::new(),
        (index, of) => format!(", part {}/{of}", index + 1),
    };
    let canary = match &plan.canary {
        Some(canary) => format!("canary {}", canary.defect),
        None => "no canary".to_owned(),
    };
    let runs = plan.own_runs().map(|runs| format!("{runs} runs, ")).unwrap_or_default();
    format!(
        "{}: {}, {breeds}, {runs}seed {}{part}, build {}, {canary}",
        plan.id,
        counted(plan.bases.len(), "scenario"),
        plan.seed,
        plan.build
    )
}

/// Returns the defect that must be found, and the texts of the scenarios in which it is looked for;
/// none if this build cannot have one, or none is wanted.
#[cfg(feature = "homeservers")]
fn canary(wanted: &Start, program: &Program) -> Result<Option<(String, Vec<String>)>, Stop> {
    let named = wanted.canary.as_deref();
    if named == Some("none") || (named.is_none() && !(defects::CAN_PLANT && program.is_fedsim())) {
        return Ok(None);
    }
    if !defects::CAN_PLANT || !program.is_fedsim() {
        let message = "this build cannot plant a canary\nbuild it with --features defects";
        return Err(Stop::because(Exit::Usage, message));
    }
    let name = named.unwrap_or(CANARY);
    if !defects::Defect::ALL.iter().any(|it| it.name() == name) {
        let message = format!("no defect is called {name}\ndocs/defects.md lists them");
        return Err(Stop::because(Exit::Usage, message));
    }
    let texts = explore::hunt::bases();
    let texts = texts.iter().map(|base| language::to_toml(&offspring::root(base))).collect();
    Ok(Some((name.to_owned(), texts)))
}

#[cfg(not(feature = "homeservers"))]
fn canary(wanted: &Start, _program: &Program) -> Result<Option<(String, Vec<String>)>, Stop> {
    match wanted.canary.as_deref() {
        None | Some("none") => Ok(None),
        Some(_) => Err(Stop::because(Exit::Usage, "this build has no known defects to plant")),
    }
}

fn keep_canary(desk: &Desk<'_>, defect: String, texts: &[String]) -> Result<Canary, Stop> {
    let texts = texts.iter().map(|text| desk.keep_text(text)).collect::<Result<_, _>>();
    Ok(Canary { defect, texts: texts.map_err(|trouble| stop(&trouble))?, times: CANARY_TIMES })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 16)
}
