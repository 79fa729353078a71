//! Which checks a scenario asks for, and their results.

use std::time::Duration;

use journal::nanoseconds;
use scenarios::scenario::Expect;

use crate::{
    Check, Finding, Judgment, Promises,
    history::History,
    promises::{expected_message, expected_operation},
    record::{CheckKind, CheckRecord, CheckVerdict},
};

/// Judges a run by every check that its scenario asks for, the most serious first, then by what the
/// scenario expects of single messages and operations.
pub fn judge(promises: &Promises, history: &History<'_>) -> Vec<CheckRecord> {
    let expect = &history.scenario.expect;
    let checks = promises.checks.iter().filter_map(|check| {
        let is_named = is_named(expect, check);
        if !is_named && !is_implied(history, check) {
            return None;
        }
        let judgment = (check.judge)(history);
        let is_moot = judgment.judged == 0 && judgment.finding.is_none();
        (is_named || !is_moot).then(|| {
            let must_break = expect.violates.iter().any(|name| name == check.name);
            record(history, check.name, check.kind, judgment, must_break)
        })
    });
    let messages = expect.messages.iter().map(|(name, expected)| {
        let judgment = expected_message::judge(history, name, expected);
        let name = format!("messages.{name}");
        record(history, &name, CheckKind::Eventually, judgment, false)
    });
    let operations = expected_operation::expected(history).into_iter().map(|(name, expected)| {
        let judgment = expected_operation::judge(history, &name, expected);
        record(history, &format!("ops.{name}"), CheckKind::Eventually, judgment, false)
    });
    checks.chain(messages).chain(operations).collect()
}

fn is_named(expect: &Expect, check: &Check) -> bool {
    let mut names = named(expect, check.kind).iter().chain(&expect.only).chain(&expect.violates);
    names.any(|name| name == check.name)
}

fn is_implied(history: &History<'_>, check: &Check) -> bool {
    let scenario = history.scenario;
    // A situation is asked for by name.
    let is_asked_for = check.kind != CheckKind::Sometimes || scenario.expect.sometimes.is_empty();
    is_asked_for && scenario.expect.only.is_empty() && (check.applies)(scenario)
}

fn named(expect: &Expect, kind: CheckKind) -> &[String] {
    match kind {
        CheckKind::Always => &expect.always,
        CheckKind::Eventually => &expect.eventually,
        CheckKind::Sometimes => &expect.sometimes,
    }
}

fn record(
    history: &History<'_>,
    name: &str,
    kind: CheckKind,
    judgment: Judgment,
    must_break: bool,
) -> CheckRecord {
    let verdict = verdict(kind, &judgment);
    let finding = judgment.finding;
    let sentence = finding.as_ref().map(|finding| finding.sentence.clone());
    let ready = history.ready.map_or(Duration::ZERO, |ready| ready.at);
    let since_ready = |finding: &Finding| nanoseconds(finding.at.saturating_sub(ready));
    CheckRecord {
        name: name.to_owned(),
        kind,
        verdict,
        must_break,
        judged: judgment.judged,
        of: judgment.of.to_owned(),
        at_ns: finding.as_ref().map(since_ready),
        sentence: sentence.or(judgment.unknown).or_else(|| excused(&judgment.excused)),
        message: finding.as_ref().and_then(|finding| finding.message.clone()),
        evidence: finding.map(|finding| finding.evidence).unwrap_or_default(),
    }
}

/// Says what was impossible, and of several the first.
fn excused(excuses: &[String]) -> Option<String> {
    let first = excuses.first()?;
    Some(format!("{} excused: {first}", excuses.len()))
}

fn verdict(kind: CheckKind, judgment: &Judgment) -> CheckVerdict {
    match (kind, &judgment.finding, &judgment.unknown) {
        (CheckKind::Sometimes, Some(_), _) => CheckVerdict::Reached,
        (CheckKind::Sometimes, None, _) => CheckVerdict::Never,
        (_, Some(_), _) => CheckVerdict::Violated,
        (_, None, Some(_)) => CheckVerdict::Unknown,
        (_, None, None) => CheckVerdict::Holds,
    }
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::{
        HOMESERVERS,
        history::{
            History,
            fake::{Fake, scenario},
        },
        record::CheckVerdict,
    };

    #[test]
    fn a_named_check_is_listed_though_vacuous_and_an_implied_one_is_not() {
        let mut scenario = scenario(Delivery::Eventual);
        let journal = Fake::ready().journal();
        let names = |scenario: &_| {
            let history = History::read(scenario, &journal);
            judge(&HOMESERVERS, &history).into_iter().map(|check| check.name).collect::<Vec<_>>()
        };
        assert!(!names(&scenario).contains(&"no-zombie".to_owned()));
        scenario.expect.always = vec!["no-zombie".to_owned()];
        assert_eq!(names(&scenario)[0], "no-zombie");
    }

    #[test]
    fn named_checks_come_beside_those_that_apply_and_only_takes_their_place() {
        let mut scenario = scenario(Delivery::Eventual);
        let journal = Fake::ready().journal();
        let names = |scenario: &_| {
            let history = History::read(scenario, &journal);
            judge(&HOMESERVERS, &history).into_iter().map(|check| check.name).collect::<Vec<_>>()
        };
        let by_themselves = names(&scenario);
        scenario.expect.always = vec!["no-zombie".to_owned()];
        assert_eq!(names(&scenario).len(), by_themselves.len() + 1);
        scenario.expect.only = vec!["delivered".to_owned()];
        let mut named = names(&scenario);
        named.sort();
        assert_eq!(named, ["delivered", "no-zombie"]);
    }

    #[test]
    fn a_situation_that_never_came_about_is_never_and_not_violated() {
        let mut scenario = scenario(Delivery::Eventual);
        scenario.expect.sometimes = vec!["send-refused".to_owned()];
        let journal = Fake::ready().journal();
        let history = History::read(&scenario, &journal);
        let checks = judge(&HOMESERVERS, &history);
        let check = checks.iter().find(|check| check.name == "send-refused");
        assert_eq!(check.map(|check| check.verdict), Some(CheckVerdict::Never));
    }
}
