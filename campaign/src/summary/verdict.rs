//! What a campaign came to, in a word and in a sentence.

use crate::{
    block::{Audited, Block, Outcome},
    key::Item,
    picture::Picture,
    plan::Plan,
};

/// What a campaign came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise was kept in every run.
    Holds,
    /// Some promise was broken.
    Violated,
    /// Two workers played the same and saw something else.
    Differs,
    /// Nothing was shown: it is not finished, no run passed, the canary was not found, something was
    /// given up or cannot be read, or the results are not those of the plan.
    Inconclusive,
}

impl Verdict {
    /// Returns the word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Differs => "differs",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Returns what a campaign came to so far.
pub fn verdict(picture: &Picture) -> Verdict {
    if picture.audits.values().any(|audit| !audit.differ.is_empty()) {
        Verdict::Differs
    } else if picture.ended_as('F') > 0 || !picture.findings.is_empty() {
        Verdict::Violated
    } else if doubt(picture).is_some() {
        Verdict::Inconclusive
    } else {
        Verdict::Holds
    }
}

/// Returns why it is not known whether the promises were kept, if none was seen broken.
fn doubt(picture: &Picture) -> Option<String> {
    let is_canary_lost = picture.plan.as_ref().is_some_and(|plan| is_canary_lost(plan, picture));
    let unread = picture.unread.len();
    Some(if is_canary_lost {
        "The canary was not found: this campaign proves nothing.".to_owned()
    } else if let Some(why) = unfinished(picture) {
        why
    } else if let Some(why) = wrong_result(picture) {
        why
    } else if !picture.poison.is_empty() {
        "Some work was given up, because nobody who began it could do it.".to_owned()
    } else if unread > 0 {
        format!("Some documents of the campaign cannot be read: {unread}.")
    } else if let Some(why) = wrong_count(picture) {
        why
    } else if picture.ended_as('P') == 0 {
        "No run has passed.".to_owned()
    } else {
        return None;
    })
}

/// Returns which result is not one of its block, and why, if there is one.
fn wrong_result(picture: &Picture) -> Option<String> {
    let build = &picture.plan.as_ref()?.build;
    picture.results.iter().find_map(|(number, outcome)| {
        let why = contradiction(outcome, picture.blocks.get(number), build)?;
        Some(format!("The result of block {number} cannot be right: {why}."))
    })
}

fn contradiction(outcome: &Outcome, block: Option<&Block>, build: &str) -> Option<String> {
    let Some(block) = block else { return Some("there is no such block".to_owned()) };
    let ends = &outcome.ends;
    if outcome.build != build {
        Some(format!("build {} played it, and the campaign is for build {build}", outcome.build))
    } else if let Some(letter) = ends.chars().find(|end| !"PFU".contains(*end)) {
        Some(format!("no run ends as {letter:?}"))
    } else if ends.len() as u64 != u64::from(block.count) {
        Some(format!("it has {} runs, and the block has {}", ends.len(), block.count))
    } else {
        None
    }
}

/// Returns that there are not as many runs as were planned, if nothing was given up and yet they are
/// more or fewer.
fn wrong_count(picture: &Picture) -> Option<String> {
    let (plan, runs) = (picture.plan.as_ref()?, picture.runs());
    if runs != picture.planned {
        return Some(format!("The blocks have {} runs, and {runs} were made.", picture.planned));
    }
    let most = plan.own_runs()?;
    // The time may have been over before all runs were planned.
    let is_right = runs == most || (plan.until_ms.is_some() && runs < most);
    (!is_right).then(|| format!("There were to be {most} runs, and {runs} were made."))
}

/// Returns that it is not finished, and why, if it is not.
pub(super) fn unfinished(picture: &Picture) -> Option<String> {
    if picture.is_finished() {
        return None;
    }
    Some(match &picture.stopped {
        Some(why) => format!("It was stopped before it was finished: {why}."),
        None => "It is not finished, and proves nothing yet.".to_owned(),
    })
}

/// Returns what a campaign came to, in a sentence.
pub(super) fn sentence(picture: &Picture) -> String {
    let kinds = super::failures::merged(picture).len();
    match verdict(picture) {
        Verdict::Holds => "Everything that was promised was kept.".to_owned(),
        Verdict::Violated if kinds == 0 => {
            "Runs failed, and what they violated was not written down.".to_owned()
        }
        Verdict::Violated if kinds == 1 => {
            "A promise was broken, in one kind of failure.".to_owned()
        }
        Verdict::Violated => format!("Promises were broken, in {kinds} kinds of failures."),
        Verdict::Differs => {
            let mut differ = picture.audits.values().filter(|it| !it.differ.is_empty());
            let who = if differ.any(Audited::is_by_two) { "Two workers" } else { "Two threads" };
            format!(
                "{who} played the same block and saw something else: a defect of fedsim, or of one of \
                 the machines."
            )
        }
        Verdict::Inconclusive => doubt(picture).unwrap_or_default(),
    }
}

/// Returns whether the canary was looked for as often as it was to be, and not found.
pub(super) fn is_canary_lost(plan: &Plan, picture: &Picture) -> bool {
    plan.canary.as_ref().is_some_and(|canary| {
        let is_found = picture.canaries.values().any(|it| it.check.is_some());
        !is_found && (0..canary.times).all(|number| picture.is_over(&Item::Canary(number)))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use crate::{
        block::{Block, Ended, Looked, State, outcome},
        key::Key,
        plan::{Canary, example},
    };

    fn take(picture: &mut Picture, key: Key, what: &impl serde::Serialize) {
        picture.take(&(key, serde_json::to_vec(what).expect("JSON")));
    }

    /// Returns a campaign whose first block of two passed.
    fn half() -> Picture {
        let canary = Canary { defect: "d".to_owned(), texts: Vec::new(), times: 1 };
        let plan = Plan { runs: Some(2), canary: Some(canary), ..example() };
        let mut picture = Picture::default();
        take(&mut picture, Key::Plan, &plan);
        played(&mut picture, 0);
        picture
    }

    fn planned(picture: &mut Picture, number: u64) {
        let block = Block {
            number,
            campaign: "test".to_owned(),
            build: "b".to_owned(),
            text: "t".to_owned(),
            way: Way::Seeds,
            first: number,
            count: 1,
        };
        take(picture, Key::Block(number), &block);
    }

    fn played(picture: &mut Picture, number: u64) {
        planned(picture, number);
        ended(picture, number, ("b", "P"));
    }

    fn ended(picture: &mut Picture, number: u64, (build, ends): (&str, &str)) {
        take(picture, Key::Result(number), &Ended::Done(outcome(build, ends)));
    }

    fn looked(picture: &mut Picture, check: Option<&str>) {
        let check = check.map(str::to_owned);
        let looked = Looked { worker: "w_1".to_owned(), runs: 1, check, at_ms: 1 };
        take(picture, Key::Canary(0), &Ended::Done(looked));
    }

    fn junit(picture: &Picture) -> String {
        let text = |text: &str| text.to_owned();
        let named = Named { command: text("fedsim"), to: text("test"), folder: text("f") };
        let plan = picture.plan.clone().expect("a plan");
        reports::campaign::junit(&told(picture, &plan, &named))
    }

    /// Returns what is shown of a campaign in the place of that it is finished.
    fn doubt_shown(picture: &Picture) -> Option<String> {
        let named = Named { command: String::new(), to: String::new(), folder: String::new() };
        progress(picture, &picture.plan.clone().expect("a plan"), &named).doubt
    }

    #[test]
    fn what_was_cut_off_or_stopped_proves_nothing_and_is_an_error_in_ci() {
        let mut picture = half();
        assert_eq!(verdict(&picture), Verdict::Inconclusive);
        assert!(sentence(&picture).contains("not finished"));
        // It is not finished, and the canary was not found.
        assert!(junit(&picture).contains("errors=\"2\""), "{}", junit(&picture));
        looked(&mut picture, Some("check"));
        let stopped = Some("somebody asked for it".to_owned());
        take(&mut picture, Key::State, &State { stopped, ..State::default() });
        assert_eq!(verdict(&picture), Verdict::Inconclusive);
        assert!(sentence(&picture).contains("stopped before it was finished: somebody"));
        assert_eq!(doubt_shown(&picture), Some(sentence(&picture)));
        assert!(junit(&picture).contains("errors=\"1\""), "{}", junit(&picture));
        played(&mut picture, 1);
        assert_eq!((verdict(&picture), doubt_shown(&picture)), (Verdict::Holds, None));
        assert!(junit(&picture).contains("errors=\"0\""), "{}", junit(&picture));
    }

    #[test]
    fn a_finished_campaign_without_its_canary_or_with_something_unread_proves_nothing() {
        let mut picture = half();
        played(&mut picture, 1);
        let mut lost = picture.clone();
        looked(&mut lost, None);
        assert!(lost.is_finished() && sentence(&lost).contains("canary was not found"));
        looked(&mut picture, Some("check"));
        picture.take(&(Key::Finding("f".to_owned()), b"{".to_vec()));
        assert!(picture.is_finished() && verdict(&picture) == Verdict::Inconclusive);
        assert!(sentence(&picture).contains("cannot be read: 1"), "{}", sentence(&picture));
    }

    #[test]
    fn a_result_that_cannot_be_read_holds_nobody_up_and_proves_nothing() {
        let mut picture = half();
        looked(&mut picture, Some("check"));
        planned(&mut picture, 1);
        assert!(!picture.is_finished());
        picture.take(&(Key::Result(1), b"{".to_vec()));
        assert!(picture.is_finished() && verdict(&picture) == Verdict::Inconclusive);
        assert!(junit(&picture).contains("result.1 cannot be read"), "{}", junit(&picture));
    }

    #[test]
    fn results_that_are_not_those_of_the_plan_prove_nothing_and_the_block_is_named() {
        let sentence_of = |number, result: (&str, &str)| {
            let mut picture = half();
            looked(&mut picture, Some("check"));
            planned(&mut picture, 1);
            ended(&mut picture, 1, ("b", "P"));
            assert_eq!(verdict(&picture), Verdict::Holds);
            ended(&mut picture, number, result);
            assert_eq!(verdict(&picture), Verdict::Inconclusive);
            sentence(&picture)
        };
        assert!(sentence_of(1, ("b", "PP")).contains("block 1 cannot be right: it has 2 runs"));
        assert!(sentence_of(1, ("b", "")).contains("block 1 cannot be right: it has 0 runs"));
        assert!(sentence_of(1, ("b", "p")).contains("block 1 cannot be right: no run ends as 'p'"));
        assert!(sentence_of(1, ("other", "P")).contains("block 1 cannot be right: build other"));
        assert!(sentence_of(9, ("b", "P")).contains("block 9 cannot be right: there is no such"));
        let mut picture = half();
        looked(&mut picture, Some("check"));
        for number in [1, 2] {
            played(&mut picture, number);
        }
        assert_eq!(sentence(&picture), "There were to be 2 runs, and 3 were made.");
    }

    #[test]
    fn a_failure_of_which_nothing_was_written_down_is_an_error_in_ci() {
        let mut picture = half();
        looked(&mut picture, Some("check"));
        planned(&mut picture, 1);
        ended(&mut picture, 1, ("b", "F"));
        assert_eq!(verdict(&picture), Verdict::Violated);
        assert!(junit(&picture).contains("errors=\"1\""), "{}", junit(&picture));
    }

    #[test]
    fn no_figure_that_somebody_wrote_down_is_too_large_for_a_report() {
        let mut picture = half();
        looked(&mut picture, Some("check"));
        for number in [0, 1] {
            planned(&mut picture, number);
            ended(&mut picture, number, ("b", "P"));
            let outcome = picture.results.get_mut(&number).expect("it ended");
            (outcome.at_ms, outcome.wall_ms, outcome.simulated_ns) = (u64::MAX, 9, u64::MAX);
        }
        assert!(junit(&picture).contains("errors=\"0\""));
        let plan = picture.plan.clone().expect("a plan");
        let named = Named { command: String::new(), to: String::new(), folder: String::new() };
        assert_eq!(progress(&picture, &plan, &named).simulated_ns, u64::MAX);
    }
}
