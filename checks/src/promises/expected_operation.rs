//! `ops.join of dave to team`: how a scenario expects an operation to end.

use scenarios::scenario::Outcome;

use super::expected_message::{is, wanted, word};
use crate::{
    Finding, Judgment,
    history::{History, Operation},
    record::OpOutcome,
};

/// Returns what a scenario expects of operations, each with what it is called.
pub(crate) fn expected<'s>(history: &History<'s>) -> Vec<(String, &'s Outcome)> {
    let ops = history.scenario.ops.iter();
    let expected = ops.filter_map(|op| Some((op, op.outcome.as_ref()?)));
    let mut named: Vec<_> = expected
        .flat_map(|(op, outcome)| op.occurrences().map(move |it| (it.kind.to_string(), outcome)))
        .collect();
    // What is done twice and expected to end alike is judged as one.
    named.sort_by(|one, other| (&one.0, one.1.word()).cmp(&(&other.0, other.1.word())));
    named.dedup();
    named
}

/// Judges every operation that is called so by what is expected of it.
pub(crate) fn judge(history: &History<'_>, name: &str, expected: &Outcome) -> Judgment {
    let mut judgment = Judgment::new("operations");
    let begun = history.operations.iter().filter(|operation| operation.operation == name);
    for operation in begun {
        judgment.judged += 1;
        let Some(sentence) = other_outcome(history, operation, expected) else { continue };
        let outcome = operation.ended.as_ref().map(|(_, answer)| answer.outcome);
        if history.is_real_time && outcome.unwrap_or(OpOutcome::Indefinite) == OpOutcome::Indefinite
        {
            // A machine that is busy breaks no promise by that.
            judgment.cannot_tell(format!("{sentence}, in real time"));
            continue;
        }
        let at = operation.ended.as_ref().map_or(operation.began, |(at, _)| *at);
        let finding = Finding::new(at.at, sentence, evidence(history, operation));
        judgment.found(finding);
    }
    if judgment.judged == 0 {
        judgment.cannot_tell(format!("the {name} never happened"));
    }
    judgment
}

/// Says how an operation ended, and when, if that is not as expected.
fn other_outcome(
    history: &History<'_>,
    operation: &Operation,
    expected: &Outcome,
) -> Option<String> {
    let (name, device) = (&operation.operation, &operation.device);
    let was_to = format!("the {name} was to be {}", wanted(expected));
    let Some((at, answer)) = &operation.ended else {
        let is_expected = *expected == Outcome::Indefinite;
        return (!is_expected).then(|| format!("{was_to}, and {device} went down meanwhile"));
    };
    if is(answer.outcome, answer.code.as_deref(), expected) {
        return None;
    }
    let at = history.since_ready(at.at);
    let status = answer.status.map(|status| format!(": {status}")).unwrap_or_default();
    let code = answer.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    Some(format!("{was_to}, and was {} at {at}{status}{code}", word(answer.outcome)))
}

/// Returns what an operation asked for, from its beginning to its end.
fn evidence(history: &History<'_>, operation: &Operation) -> Vec<u64> {
    let (began, ended) = (operation.began.n, operation.ended.as_ref().map(|(at, _)| at.n));
    let polls = history.vocabulary.long_polls;
    let asked = history.exchanges.iter().filter(|exchange| {
        exchange.from == operation.device
            && !polls.contains(&exchange.endpoint)
            && exchange.sent.n > began
            && ended.is_none_or(|ended| exchange.sent.n < ended)
    });
    let asked = asked.flat_map(crate::history::Exchange::evidence);
    let mut evidence: Vec<u64> = asked.chain([began]).chain(ended).collect();
    evidence.sort_unstable();
    evidence.dedup();
    evidence
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, Outcome};
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{Note, fake::Fake},
        record::OpOutcome,
    };

    /// Judges a kick that was answered like this.
    fn kicked(outcome: OpOutcome, status: u16, code: Option<&str>, expected: &Outcome) -> Judgment {
        let (operation, device) =
            ("kick of bob from team by carol".to_owned(), "carol/1".to_owned());
        let mut fake = Fake::ready();
        fake.note(&Note::OperationBegan { operation: operation.clone(), device: device.clone() });
        let what = "POST /_matrix/client/v3/rooms/!team/kick";
        fake.exchange((device.as_str(), "c"), what, &json!({}), &json!({}));
        fake.note(&Note::OperationEnded {
            operation: operation.clone(),
            device,
            outcome,
            status: Some(status),
            code: code.map(str::to_owned),
        });
        fake.judged(Delivery::Eventual, |history| judge(history, &operation, expected))
    }

    #[test]
    fn an_operation_ends_as_the_scenario_says() {
        let forbidden = Outcome::Error("M_FORBIDDEN".to_owned());
        for expected in [Outcome::Refused, forbidden] {
            let as_it_should = kicked(OpOutcome::Refused, 403, Some("M_FORBIDDEN"), &expected);
            assert_eq!((as_it_should.judged, as_it_should.finding), (1, None));
            let found = kicked(OpOutcome::Ok, 200, None, &expected).finding.expect("a violation");
            assert!(found.sentence.starts_with("the kick of bob from team by carol was to be "));
            assert!(found.sentence.ends_with(": 200"), "{}", found.sentence);
            assert!(found.evidence.len() >= 4, "{:?}", found.evidence);
        }
        let other = kicked(
            OpOutcome::Refused,
            404,
            Some("M_NOT_FOUND"),
            &Outcome::Error("M_FORBIDDEN".to_owned()),
        );
        let sentence = other.finding.expect("a violation").sentence;
        assert!(
            sentence.contains("to be answered with M_FORBIDDEN, and was refused at "),
            "{sentence}"
        );
        assert!(sentence.ends_with(": 404 M_NOT_FOUND"), "{sentence}");
    }

    #[test]
    fn what_never_happened_is_unknown() {
        let fake = Fake::ready();
        let judgment = fake.judged(Delivery::Eventual, |history| judge(history, "x", &Outcome::Ok));
        assert_eq!(judgment.unknown.as_deref(), Some("the x never happened"));
    }
}
