//! What a campaign came to, in a word and in a sentence.

use crate::{block::Audited, key::Item, picture::Picture, plan::Plan};

/// What a campaign came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise was kept in every run.
    Holds,
    /// Some promise was broken.
    Violated,
    /// Two workers played the same and saw something else.
    Differs,
    /// Nothing was shown: it is not finished, no run passed, the canary was not found, or something
    /// was given up or cannot be read.
    Inconclusive,
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
    } else if !picture.poison.is_empty() {
        "Some work was given up, because nobody who began it could do it.".to_owned()
    } else if unread > 0 {
        format!("Some documents of the campaign cannot be read: {unread}.")
    } else if picture.ended_as('P') == 0 {
        "No run has passed.".to_owned()
    } else {
        return None;
    })
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
        block::{Block, Ended, Looked, State},
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
        let outcome = Outcome {
            worker: "w_1".to_owned(),
            build: "b".to_owned(),
            at_ms: 1,
            wall_ms: 1,
            simulated_ns: 1,
            ends: "P".to_owned(),
            failures: Vec::new(),
            first_unknown: None,
            hashes: Vec::new(),
        };
        take(picture, Key::Result(number), &Ended::Done(outcome));
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
        assert!(junit(&picture).contains("errors=\"1\""), "{}", junit(&picture));
        played(&mut picture, 1);
        assert_eq!(verdict(&picture), Verdict::Holds);
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
}
