//! `no-forgery`: an honest server accepts no request whose signature is forged, is another
//! server's, or is by an expired key. And an honest backend shows nobody an event that was sent
//! under another's transaction id, that follows events which nobody has, or that is made up and
//! wrongly signed. That a key has expired a server tells by its clock; one whose clock is behind is not
//! judged by that.

use journal::{Entry, Event};
use scenarios::scenario::{FaultKind, Misdeed, NodeFault};

use crate::{
    Finding, Judgment,
    history::{Exchange, Forgery, History, Moment, note::FORGED, pdu::messages_in},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("forgeries");
    for (at, forgery) in &history.forgeries {
        let Some(exchange) = made(history, *at, forgery) else { continue };
        if only_uses_expired_keys(history, exchange.from) && may_be_behind(history, exchange.to) {
            continue;
        }
        judgment.judged += 1;
        if exchange.is_accepted() && history.is_honest(exchange.to) {
            let sentence = format!("{} accepted what {} forged", exchange.to, exchange.from);
            judgment.found(Finding::new(exchange.sent.at, sentence, exchange.evidence()));
        }
    }
    let carries = |exchange: &&Exchange<'_>| {
        let is_received =
            matches!(exchange.endpoint, "send" | "send_relay") && exchange.arrived.is_some();
        let is_dishonest = is_received && !history.is_honest(exchange.from);
        is_dishonest && messages_in(&exchange.request.body).iter().any(|it| it.starts_with(FORGED))
    };
    judgment.judged += history.exchanges.iter().filter(carries).count() as u64;
    for sighting in &history.sightings {
        if let Some(name) = sighting.message.as_ref().filter(|it| it.starts_with(FORGED)) {
            let mut backends = history.scenario.backends.keys();
            if backends.any(|backend| is_first_of_its_id(history, backend, name)) {
                continue;
            }
            let sentence = format!("{} saw {name}", sighting.device);
            let finding = Finding::new(sighting.at.at, sentence, vec![sighting.at.n]);
            judgment.found(finding);
        }
    }
    judgment
}

/// Returns whether a backend may take for true what a dishonest server sent in a second transaction of
/// the same id, because it could keep nothing of the first one and said so: the id tells it nothing
/// then, and the signature is that of the server whose user it is. It hands it on to others.
fn is_first_of_its_id(history: &History<'_>, backend: &str, forged: &str) -> bool {
    let says_it = |it: &Exchange<'_>| messages_in(&it.request.body).contains(&forged);
    let received = || {
        let to_backend = |it: &&Exchange<'_>| it.endpoint == "send" && it.to == backend;
        history.exchanges.iter().filter(to_backend)
    };
    received().filter(|it| says_it(it)).any(|second| {
        let same_id = |it: &&Exchange<'_>| {
            it.from == second.from
                && it.request.target == second.request.target
                && it.sent.n < second.sent.n
                && !says_it(it)
        };
        received().any(|it| same_id(&it)) && !received().filter(same_id).any(Exchange::is_accepted)
    })
}

/// Returns whether all that a dishonest server forges are signatures by keys that have expired.
fn only_uses_expired_keys(history: &History<'_>, peer: &str) -> bool {
    let misdeeds = || {
        history.scenario.faults.iter().filter_map(|fault| match &fault.kind {
            FaultKind::Peer(fault) if fault.node == peer => Some(&fault.misdeed),
            _ => None,
        })
    };
    let forges = |it: &Misdeed| {
        matches!(it, Misdeed::ForgeSignature | Misdeed::WrongOrigin { .. } | Misdeed::ExpiredKey)
    };
    misdeeds().filter(|it| forges(it)).all(|it| *it == Misdeed::ExpiredKey)
}

/// Returns whether a machine's clock is behind at some time: what has expired may then be valid there.
fn may_be_behind(history: &History<'_>, machine: &str) -> bool {
    history.scenario.faults.iter().any(|fault| match &fault.kind {
        FaultKind::Node(
            NodeFault::ClockSkew { node, behind: back, .. }
            | NodeFault::ClockJump { node, back, .. },
        ) => node == machine && *back,
        FaultKind::Node(NodeFault::ClockDrift { node, rate }) => node == machine && *rate < 1.0,
        _ => false,
    })
}

/// Returns the forged request as the network saw it; none if it was never whole on the wire. What its
/// sender says after a boot, or when it could not connect, is another request to the same place.
fn made<'h>(history: &'h History<'_>, at: Moment, forgery: &Forgery) -> Option<&'h Exchange<'h>> {
    let before = usize::try_from(at.n).unwrap_or(usize::MAX);
    let mut later = history.journal.entries().iter().skip(before);
    let ends_it = |entry: &&Entry| {
        let is_given_up = match &entry.event {
            Event::Booted { .. } => true,
            Event::ConnectFailed(failed) => *failed.to == *forgery.to,
            _ => false,
        };
        is_given_up && *entry.machine == *forgery.peer
    };
    let end = later.find(ends_it).map_or(u64::MAX, |entry| entry.n);
    let from = history.exchanges.partition_point(|exchange| exchange.sent.n < at.n);
    let made = history.exchanges[from..].iter().find(|exchange| {
        exchange.from == forgery.peer
            && exchange.to == forgery.to
            && exchange.request.target == forgery.target
    });
    made.filter(|exchange| exchange.sent.n < end)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use journal::{ConnectFailed, Event, Loss};
    use scenarios::scenario::{Delivery, Fault, FaultKind, Misdeed, NodeFault, PeerFault, When};
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, scenario, transaction},
        },
    };

    const SEND_RELAY: &str = "/_matrix/federation/v1/send_relay/1/@bob:b";

    /// Judges it with a lying `a`, and with a wrong clock at one machine, if it is named.
    fn judged_with(fake: Fake, misdeed: Misdeed, wrong_clock: Option<&str>) -> Judgment {
        let mut scenario = scenario(Delivery::Eventual);
        let fault = PeerFault { node: "a".to_owned(), to: Vec::new(), share: 1.0, misdeed };
        let clock = wrong_clock.map(|node| {
            let (node, by) = (node.to_owned(), Duration::from_secs(86_400));
            FaultKind::from(NodeFault::ClockSkew { node, by, behind: true })
        });
        for kind in [fault.into()].into_iter().chain(clock) {
            scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, kind));
        }
        fake.judged_in(&scenario, judge)
    }

    fn judged(fake: Fake) -> Judgment {
        judged_with(fake, Misdeed::ForgeSignature, None)
    }

    fn forged(status: u16) -> Judgment {
        judged(answered(status))
    }

    fn answered(status: u16) -> Fake {
        let (what, target) = ("PUT /_matrix/federation/v1/send/1", "/_matrix/federation/v1/send/1");
        let mut fake = Fake::ready();
        let (peer, to) = ("a".to_owned(), "b".to_owned());
        fake.note(&Note::Forged { peer, to, target: target.to_owned() });
        let request = fake.request("a", "b", what, &transaction("m1"));
        fake.answer(request, status, &json!({}));
        fake
    }

    #[test]
    fn an_expired_key_is_told_by_a_clock_that_is_right() {
        let accepted = |wrong_clock| {
            judged_with(answered(200), Misdeed::ExpiredKey, wrong_clock).finding.is_some()
        };
        assert!(accepted(None) && accepted(Some("c")) && !accepted(Some("b")));
        let finding = judged_with(answered(200), Misdeed::ForgeSignature, Some("b")).finding;
        assert!(finding.is_some(), "a signature is wrong at any time");
    }

    #[test]
    fn a_forged_request_is_refused() {
        assert_eq!((forged(401).judged, forged(401).finding), (1, None));
        let sentence = forged(200).finding.expect("a violation").sentence;
        assert_eq!(sentence, "b accepted what a forged");
    }

    #[test]
    fn what_a_server_says_after_a_boot_or_when_it_could_not_connect_is_no_forgery_of_before() {
        let accepted_after = |event: Option<Event>| {
            let target = "/_matrix/federation/v1/send/1";
            let mut fake = Fake::ready();
            let (peer, to) = ("a".to_owned(), "b".to_owned());
            fake.note(&Note::Forged { peer, to, target: target.to_owned() });
            if let Some(event) = event {
                fake.push("a", event);
            }
            let request = fake.request("a", "b", &format!("PUT {target}"), &transaction("m1"));
            fake.answer(request, 200, &json!({}));
            judged(fake).finding.is_some()
        };
        let failed = |to: &str| {
            let waited = Duration::from_secs(10);
            let (to, why) = (Arc::from(to), Loss::Refused);
            Event::ConnectFailed(ConnectFailed { to, port: 8448, why, waited, fault: None })
        };
        assert!(accepted_after(None) && accepted_after(Some(failed("c"))));
        assert!(!accepted_after(Some(failed("b"))));
        assert!(!accepted_after(Some(Event::Booted { incarnation: 2 })));
    }

    #[test]
    fn what_was_made_up_is_shown_to_nobody_but_the_dishonest() {
        let seen_by = |device: &str| {
            let mut fake = Fake::ready();
            let targets = ["/_matrix/federation/v1/send/1", SEND_RELAY];
            for (to, target) in ["b", "r"].into_iter().zip(targets) {
                let request =
                    fake.request("a", to, &format!("PUT {target}"), &transaction("forged m1"));
                fake.answer(request, 200, &json!({}));
            }
            // Nobody has received this one.
            fake.request("a", "b", "PUT /_matrix/federation/v1/send/2", &transaction("forged m1"));
            fake.sees(device, "forged m1");
            judged(fake)
        };
        assert_eq!((seen_by("alice/1").judged, seen_by("alice/1").finding), (2, None));
        let sentence = seen_by("bob/1").finding.expect("a violation").sentence;
        assert_eq!(sentence, "bob/1 saw forged m1");
    }

    #[test]
    fn an_id_tells_nothing_while_its_first_transaction_was_not_kept() {
        let seen_after = |status: u16| {
            let what = "PUT /_matrix/federation/v1/send/1";
            let mut fake = Fake::ready();
            for (message, status) in [("m1", status), ("forged m1", 200)] {
                let request = fake.request("a", "b", what, &transaction(message));
                fake.answer(request, status, &json!({}));
            }
            fake.sees("bob/1", "forged m1");
            judged(fake).finding.is_some()
        };
        assert!(seen_after(200) && !seen_after(503));
    }
}
