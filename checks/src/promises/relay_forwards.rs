//! `relay-forwards`: a relay that forwards sends what it has accepted on at once, if nothing keeps it
//! from that.
//!
//! Whose mail it is may find it by asking; so a relay that waits for more traffic before it looks at
//! what it has harms only who cannot ask. This check alone finds `relay-wakes-before-storing`. Judged
//! is what was accepted where nothing has ever been wrong between the relay and the destination, and
//! where the relay does not wait because of something else that it sent there.

use std::time::Duration;

use scenarios::scenario::{Relay, Scenario};

use super::delivered_in_time::has_sure_links;
use crate::{
    Finding, Judgment,
    history::{
        History,
        mail::{Mail, Store},
    },
    reachability::Outages,
};

/// The time in which a relay that is not waiting sends on what it has: a connection and a request on
/// slow links, many times over.
const SENDING_ON: Duration = Duration::from_secs(10);

/// Returns whether there is any relay that forwards, and times mean something on its links.
pub(super) fn applies(scenario: &Scenario) -> bool {
    has_sure_links(scenario) && scenario.relays.values().any(Relay::forwards)
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("stored transactions");
    let mail = Mail::read(history);
    let outages = Outages::read(history);
    let end = history.repaired.map(|repaired| repaired.at);
    let end = end.or_else(|| history.journal.entries().last().map(|entry| entry.at));
    for store in mail.stores.iter().filter(|store| is_judged(history, store)) {
        let deadline = store.accepted.at + SENDING_ON;
        let between = outages.among(&[store.relay, store.destination.as_str()].into());
        let has_trouble = between.first_between(Duration::ZERO, deadline).is_some();
        if has_trouble || end.is_none_or(|end| end < deadline) || waits(&mail, store, deadline) {
            continue;
        }
        judgment.judged += 1;
        let Some(arrived) = store.exchange.arrived else { continue };
        let mut forwards = mail.forwards.iter().filter(|forward| {
            forward.relay == store.relay && forward.destination == store.destination
        });
        let is_sent_on =
            forwards.any(|forward| (arrived.at..=deadline).contains(&forward.exchange.sent.at));
        if !is_sent_on {
            let message = store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
            let what = message.clone().unwrap_or_else(|| "a transaction".to_owned());
            let sentence = format!(
                "{} accepted {what} for {} and sent it nothing by {}",
                store.relay,
                store.destination,
                history.since_ready(deadline)
            );
            let evidence = vec![store.exchange.sent.n, store.accepted.n];
            judgment.found(Finding { message, ..Finding::new(deadline, sentence, evidence) });
        }
    }
    judgment
}

/// Returns whether it is for the relay to send it on, and came for the first time.
fn is_judged(history: &History<'_>, store: &Store<'_>) -> bool {
    let target = &store.exchange.request.target;
    let mut attempts = history.exchanges_of("send_relay").filter(|attempt| {
        (attempt.from, attempt.to) == (store.origin, store.relay)
            && attempt.request.target == *target
    });
    let relay = history.scenario.relays.get(store.relay);
    relay.is_some_and(Relay::forwards)
        && history.is_honest(store.relay)
        && history.is_honest(&store.destination)
        && !store.exchange.pdus().is_empty()
        && attempts.next().is_some_and(|first| first.sent == store.exchange.sent)
}

/// Returns whether the relay may have had something else to wait for: what it sent there before has
/// failed or is under way, or the destination got this in another way meanwhile.
fn waits(mail: &Mail<'_>, store: &Store<'_>, deadline: Duration) -> bool {
    let mut forwards = mail.forwards.iter().filter(|forward| {
        forward.relay == store.relay
            && forward.destination == store.destination
            && forward.exchange.sent < store.accepted
    });
    let has_failed = forwards.any(|forward| {
        !forward.exchange.is_accepted()
            || forward.exchange.answer_arrived.is_none_or(|arrived| arrived > store.accepted)
    });
    let mut acknowledgments = mail.handouts_of(store).flat_map(|it| mail.acknowledgments_of(it));
    has_failed || acknowledgments.any(|known| known.exchange.sent.at <= deadline)
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, Relay};
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, scenario, transaction},
    };

    fn judged(forwards: bool, happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut scenario = scenario(Delivery::Eventual);
        let relay = Relay::default().with("forward", forwards.into());
        scenario.relays.insert("r1".to_owned(), relay);
        let mut fake = Fake::ready();
        let what = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
        fake.exchange(("a", "r1"), what, &transaction("m1"), &Value::Null);
        happens(&mut fake);
        fake.waits(20);
        fake.syncs("r1");
        fake.judged_in(&scenario, judge)
    }

    fn sends_on(fake: &mut Fake) {
        let what = "PUT /_matrix/federation/v1/send/relay-1";
        fake.exchange(("r1", "b"), what, &transaction("m1"), &json!({"pdus": {}}));
    }

    #[test]
    fn a_relay_that_forwards_sends_on_what_it_has_accepted() {
        let good = judged(true, sends_on);
        assert_eq!((good.judged, good.finding), (1, None));
        let late = judged(true, |_| {}).finding.expect("a violation");
        assert!(late.sentence.starts_with("r1 accepted m1 for b and sent it nothing by 10."));
        assert_eq!(judged(false, |_| {}).judged, 0, "it only keeps");
    }

    #[test]
    fn what_the_destination_has_fetched_meanwhile_need_not_be_sent() {
        let fetched = judged(true, |fake| {
            let mut transaction = transaction("m1");
            transaction["transaction_id"] = "t1".into();
            transaction["origin"] = "a".into();
            let entry = json!({"transaction": transaction, "entry_id": 7, "entries_queued": true});
            let what = "GET /_matrix/federation/v1/relay_txn/@user:b";
            fake.exchange(("b", "r1"), what, &json!({"entry_id": 0}), &entry);
            fake.exchange(("b", "r1"), what, &json!({"entry_id": 7}), &json!({}));
        });
        assert_eq!((fetched.judged, fetched.finding), (0, None));
    }
}
