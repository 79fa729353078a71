//! A campaign as `JUnit` XML: a case for the runs that passed, one for each kind of failure, one for
//! each trouble, one for whether it was finished, and one for the canary.

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::Told;
use crate::{junit::file_of, words::count};

/// Returns the XML. It has no times: those of many machines do not add up to anything.
pub fn render(told: &Told) -> String {
    let mut suite = TestSuite::new(told.id.as_str());
    suite.add_property(Property::new("build", told.build.as_str()));
    suite.add_property(Property::new("runs", told.runs().to_string()));
    let mut runs = TestCase::new("runs", TestCaseStatus::success());
    if told.passed == 0 {
        runs.status = of(NonSuccessKind::Error, "no run could be judged and passed");
    } else if told.failed > 0 && told.failures.is_empty() {
        let sentence =
            format!("{} failed, and nothing says in which way", count(told.failed, "runs"));
        runs.status = of(NonSuccessKind::Error, &sentence);
    }
    runs.set_system_out(told.facts.join("\n"));
    let mut cases = vec![runs];
    for failure in &told.failures {
        let mut status = of(NonSuccessKind::Failure, &failure.sentence);
        status.set_description(format!(
            "{}\n{}; {}\n{}",
            failure.story.join("\n"),
            count(failure.runs, "runs"),
            failure.found,
            failure.again
        ));
        cases.push(TestCase::new(failure.check.as_str(), status));
    }
    for trouble in &told.troubles {
        let mut status = of(NonSuccessKind::Error, &trouble.sentence);
        status.set_description(trouble.again.as_str());
        cases.push(TestCase::new(trouble.name.as_str(), status));
    }
    let finished = told.unfinished.as_ref().map(|why| of(NonSuccessKind::Error, why));
    cases.push(TestCase::new("finished", finished.unwrap_or_else(TestCaseStatus::success)));
    cases.push(TestCase::new("canary", canary(told)));
    for mut case in cases {
        case.set_classname("campaign");
        suite.add_test_case(case);
    }
    file_of(suite)
}

fn canary(told: &Told) -> TestCaseStatus {
    match &told.canary {
        Some((true, _)) => TestCaseStatus::success(),
        Some((false, sentence)) => of(NonSuccessKind::Error, sentence),
        None => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message("this build cannot have one");
            skipped
        }
    }
}

fn of(severity: NonSuccessKind, sentence: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(severity);
    status.set_message(sentence);
    status
}
