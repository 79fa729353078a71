//! The situations that a scenario can demand to have come about after its cluster was ready.

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Moment},
    record::OpOutcome,
};

/// Judges whether a send was refused.
pub(super) fn send_refused(history: &History<'_>) -> Judgment {
    send_ended(history, OpOutcome::Refused, "was refused")
}

/// Judges whether a send ended without anybody knowing how.
pub(super) fn send_indefinite(history: &History<'_>) -> Judgment {
    send_ended(history, OpOutcome::Indefinite, "had no answer")
}

fn send_ended(history: &History<'_>, outcome: OpOutcome, how: &str) -> Judgment {
    let mut judgment = Judgment::new("sends");
    judgment.judged = history.messages.len() as u64;
    for (message, ended) in history.ended(outcome) {
        let sentence = format!("{} {how}", message.name);
        judgment.found(Finding::about(history, message, ended.at.at, sentence));
    }
    judgment
}

/// Judges whether a relay accepted a transaction.
pub(super) fn relayed(history: &History<'_>) -> Judgment {
    exchanged(history, "send_relay", is_accepted)
}

/// Judges whether a homeserver received a transaction from its relay.
pub(super) fn retrieved_from_relay(history: &History<'_>) -> Judgment {
    exchanged(history, "relay_txn", |exchange| {
        let has_entry = exchange.answer_json().is_some_and(|it| it["entries_queued"] == true);
        has_entry && exchange.is_accepted() && exchange.answer_arrived.is_some()
    })
}

/// Judges whether a prepared backend asked the owner for its decision and was answered.
pub(super) fn in_doubt_asked(history: &History<'_>) -> Judgment {
    exchanged(history, "outcome", is_accepted)
}

/// Judges whether a homeserver fetched events that it had not been sent.
pub(super) fn missing_events_fetched(history: &History<'_>) -> Judgment {
    exchanged(history, "get_missing_events", is_accepted)
}

fn is_accepted(exchange: &Exchange<'_>) -> bool {
    exchange.is_accepted()
}

fn exchanged(
    history: &History<'_>,
    endpoint: &'static str,
    is_it: impl Fn(&Exchange<'_>) -> bool,
) -> Judgment {
    let mut judgment = Judgment::new("requests");
    let after_ready = |exchange: &&Exchange<'_>| history.is_after_ready(exchange.sent.n);
    for exchange in history.exchanges_of(endpoint).filter(after_ready) {
        judgment.judged += 1;
        if is_it(exchange) {
            let sentence = format!("{} asked {} for {endpoint}", exchange.from, exchange.to);
            let evidence = exchange.evidence();
            judgment.found(Finding::new(exchange.sent.at, sentence, evidence));
        }
    }
    judgment
}

/// Judges whether a request other than a long poll was processed and its answer did not arrive.
pub(super) fn answer_lost(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("requests");
    let polls = ["", "sync", "await", "notifications"];
    for exchange in history.exchanges.iter().filter(|it| history.is_after_ready(it.sent.n)) {
        if polls.contains(&exchange.endpoint) || exchange.request.replays.is_some() {
            continue;
        }
        judgment.judged += 1;
        // What never arrived was not processed: a front proxy has answered it.
        if let (Some(_), Some(_), None, Some((lost, _))) =
            (exchange.arrived, exchange.answer, exchange.answer_arrived, exchange.lost)
        {
            let (from, to, endpoint) = (exchange.from, exchange.to, exchange.endpoint);
            let sentence = format!("{from} never had the answer of {to} to {endpoint}");
            judgment.found(Finding::new(lost.at, sentence, exchange.evidence()));
        }
    }
    judgment
}

/// Judges whether a machine booted again.
pub(super) fn machine_restarted(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("machines");
    for (machine, boots) in history.boots() {
        judgment.judged += 1;
        let again = boots.iter().skip(1).find(|boot| history.is_after_ready(boot.n));
        if let Some(again) = again {
            judgment.found(happened(*again, format!("{machine} booted again")));
        }
    }
    judgment
}

/// Judges whether a device found something new by fetching its notifications, before the end.
pub(super) fn caught_up_by_notifications(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("fetches");
    let end = history.settled.as_ref().map(|(settled, _)| *settled);
    for (at, device, fresh) in &history.catch_ups {
        if !history.is_after_ready(at.n) || end.is_some_and(|end| end < *at) {
            continue;
        }
        judgment.judged += 1;
        if *fresh > 0 {
            judgment.found(happened(*at, format!("{device} caught up with {fresh}")));
        }
    }
    judgment
}

/// Judges whether a stranger was refused another server's mail.
pub(super) fn trespass_refused(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("attempts");
    judgment.judged = history.trespasses.len() as u64;
    for (at, trespass) in &history.trespasses {
        if trespass.status == Some(403) {
            let sentence = format!("{} refused the mail of {}", trespass.relay, trespass.victim);
            judgment.found(happened(*at, sentence));
        }
    }
    judgment
}

/// Judges whether a device was told that somebody else types.
pub(super) fn typing_seen(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("tellings");
    judgment.judged = history.typing_seen.len() as u64;
    for (at, seen) in &history.typing_seen {
        let sentence = format!("{} was told that {} types", seen.device, seen.user);
        judgment.found(happened(*at, sentence));
    }
    judgment
}

fn happened(at: Moment, sentence: String) -> Finding {
    Finding::new(at.at, sentence, vec![at.n])
}

#[cfg(test)]
mod tests {
    use journal::{Event, Loss};
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use crate::{
        find,
        history::{Note, fake::Fake},
        record::OpOutcome,
    };

    fn is_reached(situation: &str, happens: impl FnOnce(&mut Fake)) -> bool {
        let mut fake = Fake::ready();
        happens(&mut fake);
        fake.judged(Delivery::M1, find(situation).expect("a check").judge).finding.is_some()
    }

    fn asked(fake: &mut Fake, path: &str, status: u16, answer: &serde_json::Value) -> (u64, u64) {
        let request = fake.request("b", "x", path, &json!({}));
        (request, fake.answer(request, status, answer))
    }

    #[test]
    fn outcomes_of_sends_are_situations() {
        let sent = |fake: &mut Fake, outcome| {
            fake.sends("alice/1", "m1");
            fake.ends("m1", outcome);
        };
        assert!(is_reached("send-refused", |fake| sent(fake, OpOutcome::Refused)));
        assert!(!is_reached("send-refused", |fake| sent(fake, OpOutcome::Ok)));
        assert!(is_reached("send-indefinite", |fake| sent(fake, OpOutcome::Indefinite)));
        assert!(!is_reached("send-indefinite", |fake| sent(fake, OpOutcome::Refused)));
    }

    #[test]
    fn accepted_requests_are_situations_and_refused_ones_are_not() {
        let v1 = "/_matrix/federation/v1";
        for (situation, path) in [
            ("relayed", format!("PUT {v1}/send_relay/1/@user:b")),
            ("missing-events-fetched", format!("POST {v1}/get_missing_events/!r")),
            (
                "in-doubt-asked",
                "GET /_matrix/federation/unstable/org.fedsim.m1/outcome/!r/$e".to_owned(),
            ),
        ] {
            for (status, expected) in [(200, true), (403, false)] {
                let reached = is_reached(situation, |fake| {
                    asked(fake, &path, status, &json!({}));
                });
                assert_eq!(reached, expected, "{situation}");
            }
        }
    }

    #[test]
    fn mail_is_retrieved_when_an_entry_arrives() {
        let retrieving = |is_queued: bool, arrives: bool| {
            is_reached("retrieved-from-relay", |fake| {
                let path = "GET /_matrix/federation/v1/relay_txn/@user:b";
                let (request, answer) =
                    asked(fake, path, 200, &json!({"entries_queued": is_queued}));
                if arrives {
                    fake.arrive(request, answer);
                }
            })
        };
        assert!(retrieving(true, true));
        assert!(!retrieving(false, true) && !retrieving(true, false));
    }

    #[test]
    fn a_lost_answer_is_not_a_lost_request() {
        let losing = |is_answered: bool| {
            is_reached("answer-lost", |fake| {
                let request = fake.request("a", "b", "GET /_matrix/key/v2/server", &json!({}));
                if is_answered {
                    fake.answer(request, 200, &json!({}));
                }
                fake.push("a", Event::RequestLost { request, why: Loss::Reset });
            })
        };
        assert!(losing(true) && !losing(false));
    }

    #[test]
    fn an_answer_after_the_request_was_given_up_is_lost() {
        assert!(is_reached("answer-lost", |fake| {
            let request = fake.request("a", "b", "GET /_matrix/key/v2/server", &json!({}));
            let answer = fake.answer(request, 200, &json!({}));
            fake.push("a", Event::RequestLost { request, why: Loss::Closed });
            fake.arrive(request, answer);
        }));
    }

    #[test]
    fn a_restart_is_the_second_boot() {
        let booting = |times: u64| {
            is_reached("machine-restarted", |fake| {
                for incarnation in 1..=times {
                    fake.push("a", Event::Booted { incarnation });
                }
            })
        };
        assert!(booting(2) && !booting(1));
    }

    #[test]
    fn a_device_caught_up_if_it_found_something_new() {
        let catching_up = |fresh| {
            is_reached("caught-up-by-notifications", |fake| {
                fake.note(&Note::CaughtUp { device: "bob/1".to_owned(), fresh });
            })
        };
        assert!(catching_up(1) && !catching_up(0));
    }

    #[test]
    fn a_trespass_is_refused_with_403_only() {
        let answered = |status| {
            is_reached("trespass-refused", |fake| {
                let (relay, victim) = ("r1".to_owned(), "b".to_owned());
                fake.note(&Note::Trespassed { relay, victim, entry_id: 0, status });
            })
        };
        assert!(answered(Some(403)));
        assert!(!answered(Some(200)) && !answered(None));
    }
}
