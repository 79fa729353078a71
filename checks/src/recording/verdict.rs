//! The verdict on a run.

use crate::record::{CheckRecord, CheckVerdict, Ended, Verdict, Why};

/// Returns the verdict, and the sentence that says why unless it is a pass.
pub(super) fn verdict(
    ended: &Ended,
    checks: &[CheckRecord],
    not_ready: Option<&str>,
) -> (Verdict, Option<String>) {
    if matches!(ended.why, Why::Panic | Why::Misbehavior) {
        return (Verdict::Fail, ended.detail.clone());
    }
    if let Some(why) = not_ready {
        return (Verdict::Unknown, Some(why.to_owned()));
    }
    let violated = |check: &&CheckRecord| check.verdict == CheckVerdict::Violated;
    if let Some(check) = checks.iter().filter(violated).find(|check| !check.must_break) {
        return (Verdict::Fail, Some(sentence(check)));
    }
    if ended.why == Why::Limit {
        let detail = ended.detail.clone().unwrap_or_else(|| "the limit was reached".to_owned());
        return (Verdict::Unknown, Some(format!("the world did not settle: {detail}")));
    }
    let untold = checks.iter().find(|check| check.verdict == CheckVerdict::Unknown);
    if let Some(check) = untold {
        return (Verdict::Unknown, Some(sentence(check)));
    }
    let mut unbroken = checks.iter().filter(|check| check.must_break && !violated(check));
    if let Some(check) = unbroken.next() {
        let sentence = format!("the design was expected to break {} and did not", check.name);
        return (Verdict::Fail, Some(sentence));
    }
    (Verdict::Pass, None)
}

fn sentence(check: &CheckRecord) -> String {
    let found = check.sentence.as_deref().unwrap_or_default();
    format!("{}: {found}", check.name)
}

#[cfg(test)]
mod tests {
    use super::verdict;
    use crate::record::{CheckKind, CheckRecord, CheckVerdict, Ended, Verdict, Why};

    fn check(verdict: CheckVerdict, must_break: bool) -> CheckRecord {
        CheckRecord {
            name: "all-or-nothing".to_owned(),
            kind: CheckKind::Always,
            verdict,
            must_break,
            judged: 1,
            of: "messages".to_owned(),
            at_ns: None,
            sentence: Some("alice/1 saw m1, b never showed it to bob/1".to_owned()),
            message: None,
            evidence: Vec::new(),
        }
    }

    fn of(why: Why, found: CheckVerdict, must_break: bool) -> (Verdict, Option<String>) {
        let ended = Ended { at_ns: 0, why, detail: Some("detail".to_owned()) };
        verdict(&ended, &[check(found, must_break)], None)
    }

    #[test]
    fn a_violation_fails_unless_it_was_to_be_and_then_its_absence_does() {
        use CheckVerdict::{Holds, Violated};
        assert_eq!(of(Why::Settled, Holds, false), (Verdict::Pass, None));
        let sentence = "all-or-nothing: alice/1 saw m1, b never showed it to bob/1".to_owned();
        assert_eq!(of(Why::Settled, Violated, false), (Verdict::Fail, Some(sentence)));
        assert_eq!(of(Why::Settled, Violated, true).0, Verdict::Pass);
        let sentence = "the design was expected to break all-or-nothing and did not".to_owned();
        assert_eq!(of(Why::Settled, Holds, true), (Verdict::Fail, Some(sentence)));
    }

    #[test]
    fn what_could_not_be_told_is_unknown_and_a_program_that_breaks_the_rules_fails() {
        use CheckVerdict::{Holds, Unknown, Violated};
        assert_eq!(of(Why::Limit, Holds, false).0, Verdict::Unknown);
        assert_eq!(of(Why::Settled, Unknown, false).0, Verdict::Unknown);
        assert_eq!(of(Why::Limit, Violated, false).0, Verdict::Fail);
        for why in [Why::Panic, Why::Misbehavior] {
            assert_eq!(of(why, Holds, false), (Verdict::Fail, Some("detail".to_owned())));
        }
    }
}
