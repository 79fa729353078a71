//! How far a campaign is, as `fedsim serve` shows every search.

use std::collections::BTreeMap;

use reports::{
    campaign::Failure,
    progress::{
        Campaign, Curve, Kind, MOST_KINDS, MOST_LAST, Played, Point, Progress, State, VERSION,
    },
};

use super::Named;
use crate::{
    block::{Finding, Outcome, Way},
    now_ms,
    picture::Picture,
    plan::Plan,
};

/// Returns how far it is.
pub fn of(picture: &Picture, plan: &Plan, named: &Named) -> Progress {
    let mut ways: BTreeMap<String, u64> = BTreeMap::new();
    for (number, outcome) in &picture.results {
        let way = picture.blocks.get(number).map_or(Way::Seeds, |block| block.way);
        *ways.entry(way.word().to_owned()).or_default() += outcome.ends.len() as u64;
    }
    let state = match (picture.is_finished() || picture.stopped.is_some(), picture.waiting()) {
        (true, _) => State::Finished,
        (false, 0) if picture.is_planned() => State::Shrinking,
        (false, _) => State::Searching,
    };
    let failures = super::failures::of(picture, named);
    Progress {
        version: VERSION,
        state,
        campaign: campaign(picture, plan),
        wall_ms: wall_ms(picture, plan, state),
        ways,
        passed: picture.ended_as('P'),
        failed: picture.ended_as('F'),
        unknown: picture.ended_as('U'),
        simulated_ns: picture.results.values().map(|it| it.simulated_ns).sum(),
        situations: picture.situations.len() as u64,
        unseen: None,
        curve: curve(picture, plan),
        kinds: failures.len() as u64,
        failures: failures.into_iter().take(MOST_KINDS).map(kind).collect(),
        last: last(picture),
    }
}

fn campaign(picture: &Picture, plan: &Plan) -> Campaign {
    let ways = [("seeds", true), ("bred", plan.breeds)];
    let ways = ways.into_iter().filter(|(_, used)| *used).map(|(way, _)| way.to_owned());
    Campaign {
        scenarios: plan.bases.iter().map(|it| it.name.clone()).take(MOST_KINDS).collect(),
        ways: ways.collect(),
        seed: plan.seed,
        part: (plan.part.0 + 1, plan.part.1),
        threads: picture.threads(),
        runs: plan.runs,
        time_ms: plan.until_ms.map(|until| until.saturating_sub(plan.began_ms)),
    }
}

fn wall_ms(picture: &Picture, plan: &Plan, state: State) -> u64 {
    let ended = picture.results.values().map(|it| it.at_ms + it.wall_ms).max();
    let until = if state == State::Searching { Some(now_ms()) } else { ended };
    until.unwrap_or(plan.began_ms).saturating_sub(plan.began_ms)
}

fn curve(picture: &Picture, plan: &Plan) -> Curve {
    let mut curve = Curve::default();
    let points = super::curve(picture, plan);
    curve.points = points
        .iter()
        .map(|it| Point {
            runs: it.runs,
            wall_ms: it.at_ms,
            situations: it.situations,
            kinds: it.kinds,
        })
        .collect();
    curve
}

fn kind((failure, finding): (Failure, &Finding)) -> Kind {
    let file = failure.page.as_ref().and_then(|page| page.rsplit_once('/'));
    Kind {
        check: failure.check,
        sentence: failure.sentence,
        found_at: finding.block,
        way: finding.way.word().to_owned(),
        runs: failure.runs,
        file: file.map(|(folder, _)| format!("{folder}/{}", reports::folder::SHRUNK)),
        story: failure.story,
    }
}

fn last(picture: &Picture) -> Vec<Played> {
    let mut outcomes: Vec<(&u64, &Outcome)> = picture.results.iter().collect();
    outcomes.sort_by_key(|(_, it)| it.at_ms + it.wall_ms);
    let older = outcomes.len().saturating_sub(MOST_LAST);
    let played = |(number, outcome): &(&u64, &Outcome)| {
        let block = picture.blocks.get(number);
        let failed = outcome.failures.first().and_then(|it| it.findings.first());
        let finding = failed.and_then(|hash| picture.findings.get(hash));
        Played {
            number: **number,
            way: block.map_or("seeds", |it| it.way.word()).to_owned(),
            scenario: format!("block {number}, {} runs", outcome.ends.len()),
            end: finding.map_or_else(|| "passed".to_owned(), |it| it.check.clone()),
            news: 0,
        }
    };
    outcomes[older..].iter().map(played).collect()
}
