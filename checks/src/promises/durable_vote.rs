//! `durable-vote`: a backend votes yes on a message of an `m1` conversation only when the message is
//! on its own disk: between the moment at which it received the message and its vote, or before it went
//! down in between, its disk has synced.
//!
//! A vote that is not durable harms nobody until the power fails, and the owner mends even that by
//! asking again. So this check alone finds `m1-vote-before-it-is-durable` where nothing else goes
//! wrong.

use std::collections::BTreeSet;

use scenarios::scenario::FaultKind;

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Moment},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("votes");
    // A vote that was durable once is given again without another sync.
    let mut durable: BTreeSet<(&str, String)> = BTreeSet::new();
    for exchange in history.exchanges_of("prepare").filter(|it| is_judged(history, it)) {
        let (Some(arrived), Some(answer)) = (exchange.arrived, exchange.answer) else { continue };
        let event = exchange.arguments().pop().unwrap_or_default();
        judgment.judged += 1;
        let since = first_received(history, exchange, &event, arrived);
        let is_synced = history.may_be_durable(exchange.to, since.n, answer.sent.n);
        if is_synced
            || durable.contains(&(exchange.to, event.clone()))
            || was_durable(history, exchange, &event, arrived)
        {
            durable.insert((exchange.to, event));
            continue;
        }
        let message = history.name_of(&event).and_then(|name| history.message(name));
        let what = message.map_or(event.as_str(), |message| message.name.as_str());
        let sentence = format!("{} voted for {what} before it had it on its own disk", exchange.to);
        let evidence = vec![exchange.sent.n, arrived.n, answer.sent.n];
        judgment.found(Finding {
            message: message.map(|message| message.name.clone()),
            ..Finding::new(answer.sent.at, sentence, evidence)
        });
    }
    judgment
}

/// Returns whether it is a yes that somebody answers for: nobody can promise anything on a disk that
/// says that it has synced and has not.
fn is_judged(history: &History<'_>, exchange: &Exchange<'_>) -> bool {
    let is_yes =
        exchange.is_accepted() && exchange.answer_json().is_some_and(|it| it["vote"] == "yes");
    let mut faults = history.scenario.faults.iter();
    let lies = |kind: &FaultKind| matches!(kind, FaultKind::Disk(disk) if disk.node == exchange.to && disk.lies.is_some());
    is_yes && history.is_honest(exchange.to) && !faults.any(|fault| lies(&fault.kind))
}

/// Returns when the event first came to the backend since it last booted before this request.
fn first_received(
    history: &History<'_>,
    exchange: &Exchange<'_>,
    event: &str,
    arrived: Moment,
) -> Moment {
    let backend = exchange.to;
    let carriers = history.name_of(event).into_iter().flat_map(|name| history.carriers_of(name));
    let received = carriers.filter_map(|carrier| match carrier.endpoint {
        "decision" | "outcome" => None,
        _ => carrier.came_to(backend),
    });
    let same_start = |at: &Moment| history.booted_between(backend, at.n, arrived.n).is_none();
    received.filter(same_start).min().map_or(arrived, |first| first.min(arrived))
}

/// Returns whether the backend was asked before it last booted, and its disk has synced since that and
/// before it went down: it may have stored its vote, and could not give it any more.
fn was_durable(
    history: &History<'_>,
    exchange: &Exchange<'_>,
    event: &str,
    arrived: Moment,
) -> bool {
    let backend = exchange.to;
    let mut asked = history
        .exchanges_of("prepare")
        .filter(|it| it.to == backend && it.arguments().pop().as_deref() == Some(event));
    asked.any(|it| {
        let Some(before) = it.arrived.filter(|before| *before < arrived) else { return false };
        let boot = history.booted_between(backend, before.n, arrived.n);
        let mut losses = history.losses.iter();
        boot.is_some_and(|boot| history.synced_between(backend, before.n, boot).is_some())
            && !losses.any(|loss| loss.at <= arrived.at && loss.loses(backend, before.at))
    })
}

#[cfg(test)]
mod tests {
    use journal::Event;
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, pdu},
    };

    const PREPARE: &str = "PUT /_matrix/federation/unstable/org.fedsim.m1/prepare/!team/$m1";

    fn asked(fake: &mut Fake) -> u64 {
        fake.request("a", "b", PREPARE, &json!({"event": pdu("m1"), "devices": {}}))
    }

    fn votes(fake: &mut Fake, vote: &str, syncs: &str) {
        let request = asked(fake);
        fake.push("b", Event::RequestArrived { request });
        fake.syncs(syncs);
        fake.answered(request, 200, &json!({"vote": vote}));
    }

    fn judged(happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut fake = Fake::ready();
        fake.syncs("b");
        fake.sends("alice/1", "m1");
        happens(&mut fake);
        fake.judged(Delivery::M1, judge)
    }

    #[test]
    fn a_vote_after_a_sync_of_the_own_disk_is_durable_and_one_before_is_not() {
        let good = judged(|fake| votes(fake, "yes", "b"));
        assert_eq!((good.judged, good.finding), (1, None));
        let early = judged(|fake| votes(fake, "yes", "a")).finding.expect("a violation");
        assert_eq!(early.sentence, "b voted for m1 before it had it on its own disk");
        assert_eq!(early.message.as_deref(), Some("m1"));
        assert_eq!(judged(|fake| votes(fake, "no", "a")).judged, 0);
    }

    #[test]
    fn what_is_durable_is_voted_for_again_without_a_sync_also_after_a_restart() {
        let again = judged(|fake| {
            votes(fake, "yes", "b");
            fake.push("b", Event::Booted { incarnation: 2 });
            votes(fake, "yes", "a");
        });
        assert_eq!((again.judged, again.finding), (2, None));
    }

    #[test]
    fn a_world_that_sees_no_disks_blames_no_vote() {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        votes_unseen(&mut fake);
        let judgment = fake.judged(Delivery::M1, judge);
        assert_eq!((judgment.judged, judgment.finding), (1, None));
    }

    fn votes_unseen(fake: &mut Fake) {
        let request = asked(fake);
        fake.push("b", Event::RequestArrived { request });
        fake.answered(request, 200, &json!({"vote": "yes"}));
    }

    #[test]
    fn what_may_have_been_stored_before_a_restart_blames_nobody() {
        let asked_before = |syncs: &str| {
            judged(|fake| {
                let request = asked(fake);
                fake.push("b", Event::RequestArrived { request });
                fake.syncs(syncs);
                fake.push("b", Event::Booted { incarnation: 2 });
                votes(fake, "yes", "a");
            })
        };
        assert_eq!(asked_before("b").finding, None, "the vote was stored, and not given any more");
        assert!(asked_before("a").finding.is_some());
    }
}
