//! `messages.m1`: what a scenario expects of one message.

use std::{collections::BTreeSet, time::Duration};

use scenarios::{
    duration,
    scenario::{MessageExpectation, Outcome},
};

use crate::{
    Finding, Judgment,
    history::{History, Message, user_of},
    record::OpOutcome,
};

/// Judges the message called `name`.
pub(crate) fn judge(history: &History<'_>, name: &str, expected: &MessageExpectation) -> Judgment {
    let mut judgment = Judgment::new("expectations");
    let Some(message) = history.message(name) else {
        judgment.cannot_tell(format!("{name} was not sent"));
        return judgment;
    };
    if let Some(doubt) = unanswered(history, message, expected) {
        judgment.cannot_tell(doubt);
        return judgment;
    }
    let end = message.ended.as_ref().map_or(message.began, |ended| ended.at);
    let mut expect = |is_expected: bool, broken: Option<String>| {
        judgment.judged += u64::from(is_expected);
        if let Some(sentence) = broken {
            judgment.found(Finding::about(history, message, end.at, sentence));
        }
    };
    let outcome = expected.outcome.as_ref();
    expect(outcome.is_some(), outcome.and_then(|it| other_outcome(message, it)));
    let unreachable = expected.unreachable.as_deref();
    expect(unreachable.is_some(), unreachable.and_then(|it| others_unreachable(message, it)));
    let seen_by = expected.seen_by.as_deref();
    expect(seen_by.is_some(), seen_by.and_then(|it| seen_by_others(history, message, it)));
    let late = expected.within.and_then(|it| too_late(history, message, it));
    let doubted = late.as_ref().filter(|_| history.is_real_time).cloned();
    expect(expected.within.is_some(), late.filter(|_| !history.is_real_time));
    if let Some(sentence) = doubted {
        judgment.cannot_tell(format!("{sentence}, in real time"));
    }
    judgment
}

/// Returns why nothing is known of a message that got no answer where it was to get one, and time was
/// real: a server that starts slowly, or a machine that is busy, breaks no promise by that.
fn unanswered(
    history: &History<'_>,
    message: &Message,
    expected: &MessageExpectation,
) -> Option<String> {
    let is_unanswered = message.outcome() == OpOutcome::Indefinite;
    let other = expected.outcome.as_ref().and_then(|it| other_outcome(message, it))?;
    (history.is_real_time && is_unanswered).then(|| format!("{other}, in real time"))
}

fn other_outcome(message: &Message, expected: &Outcome) -> Option<String> {
    let code = message.ended.as_ref().and_then(|ended| ended.code.as_deref());
    let (name, outcome) = (&message.name, message.outcome());
    (!is(outcome, code, expected)).then(|| {
        let code = code.filter(|_| matches!(expected, Outcome::Error(_)));
        let code = code.map(|code| format!(" with {code}")).unwrap_or_default();
        format!("{name} was to be {}, and was {}{code}", wanted(expected), word(outcome))
    })
}

/// Returns what an operation was to be: `ok`, or `answered with M_FORBIDDEN`.
pub(super) fn wanted(expected: &Outcome) -> String {
    match expected {
        Outcome::Error(code) => format!("answered with {code}"),
        _ => expected.word().to_owned(),
    }
}

/// Returns whether an operation that ended like this, or was answered with this error, ended as
/// expected.
pub(super) fn is(outcome: OpOutcome, code: Option<&str>, expected: &Outcome) -> bool {
    match expected {
        Outcome::Ok => outcome == OpOutcome::Ok,
        Outcome::Refused => outcome == OpOutcome::Refused,
        Outcome::Indefinite => outcome == OpOutcome::Indefinite,
        Outcome::Error(expected) => code == Some(expected),
    }
}

/// Returns the word for how an operation ended.
pub(super) fn word(outcome: OpOutcome) -> &'static str {
    match outcome {
        OpOutcome::Ok => "ok",
        OpOutcome::Refused => "refused",
        OpOutcome::Indefinite => "indefinite",
    }
}

fn others_unreachable(message: &Message, expected: &[String]) -> Option<String> {
    let named = message.ended.as_ref().map(|ended| ended.unreachable.as_slice());
    let named: BTreeSet<&String> = named.unwrap_or_default().iter().collect();
    let expected: BTreeSet<&String> = expected.iter().collect();
    (named != expected).then(|| {
        let (name, expected, named) = (&message.name, list(&expected), list(&named));
        format!("{name} was to name {expected} as unreachable, and named {named}")
    })
}

/// Returns what is wrong unless, apart from the sender, the expected users have seen the message on
/// all of their devices, and the others on none.
fn seen_by_others(history: &History<'_>, message: &Message, expected: &[String]) -> Option<String> {
    let name = &message.name;
    let others = history.scenario.users.keys().filter(|user| *user != message.sender());
    for user in others.filter(|user| history.has_honest_backend(user)) {
        let is_expected = expected.contains(user);
        let has_seen = |device: &String| history.first_sight(name, device).is_some();
        let devices =
            if is_expected { history.lasting_devices_of(user) } else { history.devices_of(user) };
        let odd = devices.into_iter().find(|it| has_seen(it) != is_expected);
        match odd {
            Some(device) if is_expected => return Some(format!("{device} never saw {name}")),
            Some(device) => {
                return Some(format!("{device} saw {name}, which {user} was not to see"));
            }
            None => {}
        }
    }
    None
}

fn too_late(history: &History<'_>, message: &Message, within: Duration) -> Option<String> {
    let sightings = history.sightings_of(&message.name);
    let others = sightings.filter(|it| user_of(&it.device) != message.sender());
    // Whoever comes back is told again.
    let mut told = BTreeSet::new();
    let mut firsts = others.filter(|it| told.insert(it.device.as_str()));
    let late = firsts.find(|it| it.at.at.saturating_sub(message.began.at) > within)?;
    let took = late.at.at.saturating_sub(message.began.at);
    let (device, name) = (&late.device, &message.name);
    let (took, within) = (duration::rounded(took), duration::text(within));
    Some(format!("{device} saw {name} after {took}, not within {within}"))
}

fn list(names: &BTreeSet<&String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::scenario::{Delivery, MessageExpectation, Outcome};

    use super::judge;
    use crate::{
        history::{Note, fake::Fake},
        record::OpOutcome,
    };

    /// Judges `m1`, which is refused because `b` cannot be reached, and which carol sees
    /// nevertheless, 2 ms after it was sent.
    fn sentence(expected: &MessageExpectation) -> Option<String> {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.note(&Note::SendEnded {
            message: "m1".to_owned(),
            outcome: OpOutcome::Refused,
            status: Some(533),
            event: None,
            unreachable: vec!["b".to_owned()],
            failed_to_send: Vec::new(),
            error: None,
        });
        fake.sees("carol/1", "m1");
        let judgment = fake.judged(Delivery::M1, |history| judge(history, "m1", expected));
        assert_eq!(judgment.judged, 1);
        judgment.finding.map(|finding| finding.sentence)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_outcome_is_as_expected() {
        let expecting = |outcome| {
            sentence(&MessageExpectation { outcome: Some(outcome), ..Default::default() })
        };
        assert_eq!(expecting(Outcome::Refused), None);
        let expected = "m1 was to be ok, and was refused";
        assert_eq!(expecting(Outcome::Ok).as_deref(), Some(expected));
    }

    #[test]
    fn exactly_the_expected_backends_are_unreachable() {
        let expecting = |backends: &[&str]| {
            sentence(&MessageExpectation {
                unreachable: Some(names(backends)),
                ..Default::default()
            })
        };
        assert_eq!(expecting(&["b"]), None);
        let expected = "m1 was to name b, c as unreachable, and named b";
        assert_eq!(expecting(&["b", "c"]).as_deref(), Some(expected));
    }

    #[test]
    fn exactly_the_expected_users_see_it() {
        let expecting = |users: &[&str]| {
            sentence(&MessageExpectation { seen_by: Some(names(users)), ..Default::default() })
        };
        assert_eq!(expecting(&["carol"]), None);
        assert_eq!(expecting(&["bob", "carol"]).as_deref(), Some("bob/1 never saw m1"));
        let expected = "carol/1 saw m1, which carol was not to see";
        assert_eq!(expecting(&[]).as_deref(), Some(expected));
    }

    #[test]
    fn it_is_seen_in_time() {
        let expecting = |ms| {
            let within = Some(Duration::from_millis(ms));
            sentence(&MessageExpectation { within, ..Default::default() })
        };
        assert_eq!(expecting(2), None);
        assert!(expecting(1).is_some());
    }

    #[test]
    fn what_came_too_late_is_in_doubt_where_time_is_real() {
        let mut fake = Fake::ready();
        fake.note(&Note::RealTime {});
        fake.sends("alice/1", "m1");
        fake.ends("m1", OpOutcome::Indefinite);
        fake.waits(10);
        fake.sees("carol/1", "m1");
        let (outcome, within) = (Some(Outcome::Ok), Some(Duration::from_secs(1)));
        let expected = MessageExpectation { outcome, within, ..Default::default() };
        let judgment = fake.judged(Delivery::M1, |history| judge(history, "m1", &expected));
        assert_eq!(judgment.finding, None);
        let doubt = "m1 was to be ok, and was indefinite, in real time";
        assert_eq!(judgment.unknown.as_deref(), Some(doubt));
    }

    #[test]
    fn only_the_first_sight_of_a_device_has_to_be_in_time() {
        let late = |devices: [&str; 2]| {
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            fake.sees(devices[0], "m1");
            fake.waits(10);
            fake.sees(devices[1], "m1");
            let within = Some(Duration::from_secs(1));
            let expected = MessageExpectation { within, ..Default::default() };
            fake.judged(Delivery::Eventual, |history| judge(history, "m1", &expected)).finding
        };
        assert_eq!(late(["carol/1", "carol/1"]), None);
        let sentence = late(["carol/1", "bob/1"]).expect("a violation").sentence;
        assert!(sentence.starts_with("bob/1 saw m1 after 10"), "{sentence}");
    }
}
