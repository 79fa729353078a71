//! One run as `JUnit` XML, which every CI shows: a suite, and a case for each check.

use checks::record::{CheckRecord, CheckVerdict, Record, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::{
    Kind, Renderer, line, text,
    words::{count, kind},
};

/// The file that CI reads.
pub const RENDERER: Renderer = Renderer {
    name: "junit",
    file: "junit.xml",
    about: "a suite with a case for each check, as CI shows test results",
    kind: Kind::OfRecord(render),
};

/// Returns the XML. It has no times: those of a run are simulated, and CI would add them up.
pub fn render(record: &Record) -> String {
    let mut suite = TestSuite::new(record.scenario.name.as_str());
    suite.add_property(Property::new("seed", record.seed.to_string()));
    suite.add_property(Property::new("log_hash", record.log_hash.as_str()));
    suite.add_test_cases(record.checks.iter().map(|check| case(record, check)));
    if let Some(case) = run(record) {
        suite.add_test_case(case);
    }
    suite.set_system_out(text::render(record));
    file_of(suite)
}

/// Returns the file that has one suite. How many cases are skipped is said of the suite alone: the schema by
/// which Jenkins reads such files (`junit-10.xsd`) does not have it of all suites together.
pub(crate) fn file_of(suite: TestSuite) -> String {
    let mut report = Report::new("fedsim");
    report.add_test_suite(suite);
    let skipped = format!(" skipped=\"{}\"", report.skipped);
    report.to_string().expect("a String takes all text").replacen(&skipped, "", 1)
}

fn case(record: &Record, check: &CheckRecord) -> TestCase {
    let status = match (check.verdict, check.must_break) {
        (CheckVerdict::Violated, false) => failure(check, "was violated"),
        (CheckVerdict::Holds, true) => failure(check, "holds, and this design must break it"),
        (CheckVerdict::Unknown, _) => of(NonSuccessKind::Error, check, "could not be told"),
        (CheckVerdict::Never, _) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message("never came about");
            skipped
        }
        (CheckVerdict::Holds | CheckVerdict::Violated | CheckVerdict::Reached, _) => {
            TestCaseStatus::success()
        }
    };
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(record.scenario.name.as_str());
    case.set_system_out(count(check.judged, &check.of));
    case
}

fn failure(check: &CheckRecord, what: &str) -> TestCaseStatus {
    of(NonSuccessKind::Failure, check, what)
}

fn of(severity: NonSuccessKind, check: &CheckRecord, what: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(severity);
    status.set_message(check.sentence.as_deref().unwrap_or(what));
    status.set_type(kind(check.kind));
    status.set_description(format!("{} {what}", check.name));
    status
}

/// Returns a case for the run itself, if it did not pass for another reason than its checks: a
/// panic, or a limit. One that passes and proves less than it seems to is skipped: whether that will do
/// is said on the command line (`--lenient`), and by the exit status.
fn run(record: &Record) -> Option<TestCase> {
    let severity = match record.verdict {
        Verdict::Pass => return weak(record),
        Verdict::Fail if line::decisive(record).is_some() => return None,
        Verdict::Fail => NonSuccessKind::Failure,
        Verdict::Unknown => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(severity);
    status.set_message(line::sentence(record).unwrap_or_default());
    let mut case = TestCase::new("run", status);
    case.set_classname(record.scenario.name.as_str());
    Some(case)
}

fn weak(record: &Record) -> Option<TestCase> {
    let weaknesses = record.weaknesses();
    let first = weaknesses.first()?;
    let mut status = TestCaseStatus::skipped();
    status.set_message(format!("it proves less: {first}"));
    status.set_description(weaknesses.join("\n"));
    let mut case = TestCase::new("run", status);
    case.set_classname(record.scenario.name.as_str());
    Some(case)
}
