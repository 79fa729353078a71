//! What a campaign came to, and which figures reports show.

mod failures;
mod progress;
mod verdict;

use reports::{
    campaign::{Point, Told, Trouble, Worker},
    line::Status,
};

use crate::{
    block::{Outcome, Poison, Way},
    key::Item,
    picture::Picture,
    plan::Plan,
};

use self::verdict::{is_canary_lost, sentence, unfinished};

pub use self::{
    failures::files,
    progress::of as progress,
    verdict::{Verdict, verdict},
};

/// The most documents that are named of those that cannot be read.
const MOST_UNREAD: usize = 20;
/// The most points of a curve.
const MOST_POINTS: usize = 400;

/// How the commands that a report names begin, and where they find things.
#[derive(Clone, Debug)]
pub struct Named {
    /// What a command begins with: `fedsim`.
    pub command: String,
    /// The arguments by which a command finds the campaign.
    pub to: String,
    /// The folder in which the files of the findings are, as a shell reads it.
    pub folder: String,
}

/// Returns what reports show of a campaign.
pub fn told(picture: &Picture, plan: &Plan, named: &Named) -> Told {
    let status = match verdict(picture) {
        Verdict::Holds => Status::Pass,
        Verdict::Violated | Verdict::Differs => Status::Fail,
        Verdict::Inconclusive => Status::Warn,
    };
    Told {
        id: plan.id.clone(),
        build: plan.build.clone(),
        status,
        sentence: sentence(picture),
        unfinished: unfinished(picture),
        facts: facts(picture, plan),
        planned: plan.own_runs(),
        passed: picture.ended_as('P'),
        failed: picture.ended_as('F'),
        unknown: picture.ended_as('U'),
        simulated_ns: sum(picture.results.values().map(|it| it.simulated_ns)),
        curve: curve(picture, plan),
        workers: workers(picture),
        failures: failures::of(picture, named).into_iter().map(|(failure, _)| failure).collect(),
        troubles: troubles(picture, named),
        canary: canary(plan, picture),
        scenarios: scenarios(picture, plan),
    }
}

/// Returns the sum of figures that others wrote down: the largest number if it is larger.
fn sum(figures: impl Iterator<Item = u64>) -> u64 {
    figures.fold(0, u64::saturating_add)
}

/// Returns how far a campaign is, and what its runs say about those that were not made.
pub fn facts(picture: &Picture, plan: &Plan) -> Vec<String> {
    let (passed, failed) = (picture.ended_as('P'), picture.ended_as('F'));
    let runs = picture.runs();
    let mut facts = vec![how_far(picture, plan, runs)];
    if failed == 0 && passed > 3 {
        facts.push(format!(
            "0 failures in {passed} runs: of runs like these fewer than 1 in {} fail (95 %).",
            passed / 3
        ));
    }
    let unknown = picture.ended_as('U');
    if unknown > 0 {
        let why = picture.results.values().find_map(|it| it.first_unknown.clone());
        let why = why.unwrap_or_else(|| "a limit was reached".to_owned());
        facts.push(format!("{unknown} runs could not be judged, one of them because {why}."));
    }
    facts.push(format!("{} situations of the protocol were reached.", picture.situations.len()));
    let compared = sum(picture.audits.values().map(|it| it.compared));
    let differ: usize = picture.audits.values().map(|it| it.differ.len()).sum();
    let by_two = picture.audits.values().filter(|it| it.is_by_two()).count();
    facts.push(format!(
        "{compared} runs, in {} {}, were played twice, {by_two} of the blocks by two workers, and \
         {differ} came out different.",
        picture.audits.len(),
        if picture.audits.len() == 1 { "block" } else { "blocks" },
    ));
    facts
}

fn how_far(picture: &Picture, plan: &Plan, runs: u64) -> String {
    let of = plan.own_runs().map(|most| format!(" of {most}")).unwrap_or_default();
    match &picture.stopped {
        Some(why) => format!("{runs}{of} runs, then it was stopped: {why}."),
        None if picture.is_finished() => format!("{runs}{of} runs, and it is finished."),
        None => format!("{runs}{of} runs so far; it is not finished."),
    }
}

/// Returns whether the canary was found, and that in a sentence; none if there is none.
fn canary(plan: &Plan, picture: &Picture) -> Option<(bool, String)> {
    let canary = plan.canary.as_ref()?;
    let looked = picture.canaries.len() as u64;
    let found: Vec<&str> = picture.canaries.values().filter_map(|it| it.check.as_deref()).collect();
    let defect = &canary.defect;
    Some(match found.first() {
        Some(check) => {
            let text = format!(
                "The canary was found {} of {looked} times: the planted defect {defect}, by {check}.",
                found.len()
            );
            (true, text)
        }
        None if !is_canary_lost(plan, picture) => {
            let text =
                format!("The canary, the planted defect {defect}, has not been found so far.");
            (false, text)
        }
        None => {
            let text = format!(
                "The canary was looked for {looked} times and not found: the planted defect {defect}. \
                 A search that misses it proves nothing."
            );
            (false, text)
        }
    })
}

fn curve(picture: &Picture, plan: &Plan) -> Vec<Point> {
    enum Step {
        Runs(u64),
        Situation,
        Kind,
    }
    let at = |ms: u64| ms.saturating_sub(plan.began_ms);
    let ended = |it: &Outcome| (at(it.ended_ms()), Step::Runs(it.ends.len() as u64));
    let runs = picture.results.values().map(ended);
    let situations = picture.situations.values().map(|it| (at(it.at_ms), Step::Situation));
    let kinds = picture.findings.values().map(|it| (at(it.at_ms), Step::Kind));
    let mut steps: Vec<(u64, Step)> = runs.chain(situations).chain(kinds).collect();
    steps.sort_by_key(|(at_ms, _)| *at_ms);
    let every = steps.len().div_ceil(MOST_POINTS).max(1);
    let mut point = Point::default();
    let mut points = vec![point];
    let last = steps.len().saturating_sub(1);
    for (nth, (at_ms, step)) in steps.into_iter().enumerate() {
        point.at_ms = at_ms;
        match step {
            Step::Runs(runs) => point.runs += runs,
            Step::Situation => point.situations += 1,
            Step::Kind => point.kinds += 1,
        }
        if nth % every == 0 || nth == last {
            points.push(point);
        }
    }
    points
}

fn workers(picture: &Picture) -> Vec<Worker> {
    let row = |(name, it): (&String, &crate::block::Present)| {
        let is_own = |outcome: &&Outcome| {
            outcome.worker.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('_'))
        };
        let own: Vec<&Outcome> = picture.results.values().filter(is_own).collect();
        let runs = own.iter().map(|it| it.ends.len() as u64).sum::<u64>();
        let first = own.iter().map(|it| it.at_ms).min().unwrap_or_default();
        let last = own.iter().map(|it| it.ended_ms()).max().unwrap_or_default();
        Worker {
            name: name.clone(),
            threads: it.threads,
            blocks: own.len() as u64,
            runs,
            tenths: runs.saturating_mul(10_000) / last.saturating_sub(first).max(1),
            state: match (it.left, picture.is_here(name)) {
                (true, _) => "has left",
                (false, true) => "is there",
                (false, false) => "fell silent",
            },
        }
    };
    picture.workers.iter().map(row).collect()
}

fn troubles(picture: &Picture, Named { command, to, .. }: &Named) -> Vec<Trouble> {
    let alone = |number: &u64| format!("{command} campaign worker {to} --alone {number}");
    let differ = picture.audits.iter().filter(|(_, audit)| !audit.differ.is_empty());
    let differ = differ.map(|(number, audit)| Trouble {
        name: format!("block {number} differs"),
        sentence: format!(
            "{} and {} played it, and the journals of {} of {} runs differ, the first with seed {}.",
            audit.first,
            audit.second,
            audit.differ.len(),
            audit.compared,
            audit.differ.first().copied().unwrap_or_default()
        ),
        again: alone(number),
    });
    let poison = picture.poison.iter().map(|(item, poison)| Trouble {
        name: format!("{item} was given up"),
        sentence: poison_sentence(poison),
        again: match item {
            Item::Block(number) | Item::Audit(number) => alone(number),
            Item::Shrink(_) | Item::Canary(_) => format!("{command} campaign status {to}"),
        },
    });
    let unread = picture.unread.iter().map(|key| Trouble {
        name: format!("{key} cannot be read"),
        sentence: "Another version of fedsim wrote it, or somebody falsified it.".to_owned(),
        again: format!("{command} campaign status {to}"),
    });
    differ.chain(poison).chain(unread.take(MOST_UNREAD)).collect()
}

/// Returns why something was given up: who was not heard of again, and what kept others from it.
fn poison_sentence(poison: &Poison) -> String {
    let (dead, refused) = (&poison.workers, &poison.refused);
    let dead = match dead.len() {
        0 => String::new(),
        many => {
            format!("{many} workers began it and were not heard of again: {}.", dead.join(", "))
        }
    };
    let refused = match refused.last() {
        None => String::new(),
        Some(why) => {
            let times = refused.len();
            format!("{times} times it could not be done, the last time because {why}.")
        }
    };
    [dead, refused].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

fn scenarios(picture: &Picture, plan: &Plan) -> Vec<(String, u64)> {
    let of = |text: &str| {
        let own = picture.blocks.values().filter(|it| it.way == Way::Seeds && it.text == text);
        own.filter_map(|it| picture.results.get(&it.number)).map(|it| it.ends.len() as u64).sum()
    };
    plan.bases.iter().map(|base| (base.name.clone(), of(&base.text))).collect()
}
