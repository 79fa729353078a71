//! How far a campaign is, as `fedsim serve` shows every search.

use std::collections::BTreeMap;

use reports::{
    campaign::Failure,
    progress::{
        Campaign, Curve, Kind, MOST_KINDS, MOST_LAST, Played, Point, Progress, State, VERSION,
    },
};

use super::{Named, Verdict};
use crate::{
    block::{Block, Finding, Outcome, Way},
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
    let curve = curve(picture, plan);
    Progress {
        version: VERSION,
        state,
        doubt: doubt(picture, state),
        campaign: campaign(picture, plan),
        wall_ms: wall_ms(picture, plan, state),
        ways,
        passed: picture.ended_as('P'),
        failed: picture.ended_as('F'),
        unknown: picture.ended_as('U'),
        simulated_ns: super::sum(picture.results.values().map(|it| it.simulated_ns)),
        situations: picture.situations.len() as u64,
        unseen: None,
        kinds: failures.len() as u64,
        failures: failures.into_iter().take(MOST_KINDS).map(|it| kind(it, plan, &curve)).collect(),
        last: last(picture, plan),
        curve,
    }
}

/// Returns why a campaign that is over proves nothing, if that is so.
fn doubt(picture: &Picture, state: State) -> Option<String> {
    match super::verdict(picture) {
        _ if state != State::Finished => None,
        Verdict::Inconclusive => Some(super::sentence(picture)),
        Verdict::Holds | Verdict::Violated | Verdict::Differs => super::unfinished(picture),
    }
}

fn campaign(picture: &Picture, plan: &Plan) -> Campaign {
    let ways = [("seeds", true), ("bred", plan.breeds)];
    let ways = ways.into_iter().filter(|(_, used)| *used).map(|(way, _)| way.to_owned());
    Campaign {
        id: Some(plan.id.clone()),
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
    let ended = picture.results.values().map(Outcome::ended_ms).max();
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

fn kind((failure, finding): (Failure, &Finding), plan: &Plan, curve: &Curve) -> Kind {
    let after_ms = finding.at_ms.saturating_sub(plan.began_ms);
    let before = curve.points.iter().take_while(|it| it.wall_ms <= after_ms).last();
    let file = failure.page.as_ref().and_then(|page| page.rsplit_once('/'));
    Kind {
        check: failure.check,
        sentence: failure.sentence,
        found_at: before.map_or(0, |it| it.runs),
        way: format!("{}, block {}", finding.way.word(), finding.block),
        runs: failure.runs,
        file: file.map(|(folder, _)| format!("{folder}/{}", reports::folder::SHRUNK)),
        story: failure.story,
    }
}

fn last(picture: &Picture, plan: &Plan) -> Vec<Played> {
    let mut outcomes: Vec<(&u64, &Outcome)> = picture.results.iter().collect();
    outcomes.sort_by_key(|(_, it)| it.ended_ms());
    let older = outcomes.len().saturating_sub(MOST_LAST);
    let played = |(number, outcome): &(&u64, &Outcome)| {
        let block = picture.blocks.get(number);
        Played {
            number: **number,
            way: block.map_or("seeds", |it| it.way.word()).to_owned(),
            scenario: format!("{}, {}", name(block, plan), count(outcome.ends.len(), "run")),
            end: end(outcome, picture),
            news: 0,
        }
    };
    outcomes[older..].iter().map(played).collect()
}

/// Returns what came of a block: that it passed only if every run did.
fn end(outcome: &Outcome, picture: &Picture) -> String {
    let failed = outcome.failures.first().and_then(|it| it.findings.first());
    let finding = failed.and_then(|hash| picture.findings.get(hash));
    match finding {
        Some(finding) => finding.check.clone(),
        None if outcome.ends.contains('F') => "failed".to_owned(),
        None if !outcome.ends.is_empty() && outcome.ends.chars().all(|end| end == 'P') => {
            "passed".to_owned()
        }
        None => "unknown".to_owned(),
    }
}

/// Returns which scenario a block plays, for people.
fn name(block: Option<&Block>, plan: &Plan) -> String {
    let of = |block: &Block| {
        let base = plan.bases.iter().find(|it| [&it.text, &it.root].contains(&&block.text))?;
        let changed = if block.way == Way::Bred { ", changed" } else { "" };
        Some(format!("{}{changed}", base.name))
    };
    // What is bred of what was bred has no name of its own.
    block.and_then(of).unwrap_or_else(|| "a changed scenario".to_owned())
}

fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block::outcome,
        plan::{Base, example},
    };

    #[test]
    fn a_block_is_called_by_the_scenario_that_it_plays() {
        let base = |name: &str| Base { name: name.to_owned(), ..example().bases[0].clone() };
        let plan = Plan { bases: vec![base("mine")], ..example() };
        let block = |text: &str, way| Block {
            number: 3,
            campaign: "test".to_owned(),
            build: "b".to_owned(),
            text: text.to_owned(),
            way,
            first: 1,
            count: 1,
        };
        assert_eq!(name(Some(&block("one-text", Way::Seeds)), &plan), "mine");
        assert_eq!(name(Some(&block("one-root", Way::Bred)), &plan), "mine, changed");
        assert_eq!(name(Some(&block("other", Way::Bred)), &plan), "a changed scenario");
    }

    #[test]
    fn a_block_has_passed_only_if_every_run_of_it_did() {
        let end_of = |ends: &str| end(&outcome("b", ends), &Picture::default());
        assert_eq!(["PP", "PU", "PF", ""].map(end_of), ["passed", "unknown", "failed", "unknown"]);
    }

    #[test]
    fn a_failure_stands_where_the_curve_was_when_it_was_found() {
        let point = |wall_ms, runs| Point { wall_ms, runs, situations: 0, kinds: 0 };
        let points = vec![point(0, 0), point(10, 30), point(20, 70)];
        let mut curve = Curve::default();
        curve.points = points;
        let finding = Finding {
            check: "c".to_owned(),
            sentence: "s".to_owned(),
            scenario: "n".to_owned(),
            text: "t".to_owned(),
            block: 2,
            seed: 1,
            way: Way::Bred,
            worker: "w_1".to_owned(),
            at_ms: 15,
        };
        let mut picture = Picture::default();
        picture.findings.insert("f".to_owned(), finding);
        let named = Named { command: String::new(), to: String::new(), folder: String::new() };
        let failures = crate::summary::failures::of(&picture, &named);
        let kinds: Vec<Kind> =
            failures.into_iter().map(|it| kind(it, &example(), &curve)).collect();
        assert_eq!((kinds[0].found_at, kinds[0].way.as_str()), (30, "bred, block 2"));
    }
}
