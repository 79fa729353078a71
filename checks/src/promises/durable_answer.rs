//! `durable-answer`: a homeserver or relay says that it has taken a transaction or a message only when
//! that is on its own disk: between the moment at which the request first came and the answer, the
//! disk has synced, or the machine has found it there after a power loss.
//!
//! Under `m1-2021` the sender's own backend may be among those that are left out, as the answer says.
//! Who is told that something is taken does not send it again (server-server API, "Transactions").
//! An answer that is too early harms nobody until the power fails; so this check alone finds
//! `relay-answers-before-storing`, `relay-commits-without-sync` and
//! `transaction-is-answered-before-it-is-durable` where nothing else goes wrong.

use std::collections::BTreeMap;

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Moment, pdu::messages_in},
};

/// What is kept by whoever takes it.
const TAKEN: [&str; 3] = ["send", "send_relay", "client_send"];

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("answers");
    // What came before is not stored again, so that its answer needs no further sync. It may have come
    // although nobody saw it arrive: its sender had given up by then.
    let mut first: BTreeMap<(&str, &str, &str), Moment> = BTreeMap::new();
    for exchange in history.exchanges.iter().filter(|it| TAKEN.contains(&it.endpoint)) {
        let key = (exchange.from, exchange.to, exchange.request.target.as_str());
        let came = exchange.arrived.unwrap_or(exchange.sent);
        let first = first.entry(key).or_insert(came);
        *first = came.min(*first);
    }
    let by_relay = by_relay(history);
    for exchange in history.exchanges.iter().filter(|it| is_judged(history, it)) {
        let Some(answer) = exchange.answer else { continue };
        let target = exchange.request.target.as_str();
        let Some(came) = first.get(&(exchange.from, exchange.to, target)) else { continue };
        let id = target.rsplit('/').next().unwrap_or_default();
        let came = by_relay.get(&(exchange.from, exchange.to, id)).map_or(came, |it| it.min(came));
        judgment.judged += 1;
        let between = (came.n, answer.sent.n);
        if history.synced_between(exchange.to, between.0, between.1).is_none()
            && !has_survived(history, exchange.to, between)
        {
            let evidence = vec![exchange.sent.n, came.n, answer.sent.n];
            let finding = Finding::new(answer.sent.at, sentence(exchange), evidence);
            judgment.found(Finding { message: message(exchange), ..finding });
        }
    }
    judgment
}

/// Returns when each transaction first came from a relay, by its origin, its destination, and its id: one
/// that is sealed says so itself.
fn by_relay<'h>(history: &'h History<'_>) -> BTreeMap<(&'h str, &'h str, &'h str), Moment> {
    let mut first = BTreeMap::new();
    for exchange in history.exchanges_of("relay_txn") {
        let transaction = exchange.answer_json().and_then(|answer| answer.get("transaction"));
        let said = |key| transaction.and_then(|it| it.get(key)?.as_str());
        let (Some(origin), Some(id)) = (said("origin"), said("transaction_id")) else { continue };
        let Some(came) = exchange.answer_arrived else { continue };
        let first = first.entry((origin, exchange.from, id)).or_insert(came);
        *first = came.min(*first);
    }
    first
}

/// Returns whether a machine lost its power and booted between two entries: whatever it has then
/// survived, be it by chance.
fn has_survived(history: &History<'_>, machine: &str, (from, to): (u64, u64)) -> bool {
    history.may_lose_power(machine) && history.booted_between(machine, from, to).is_some()
}

/// Returns whether it was taken by somebody who can answer for what a disk keeps.
fn is_judged(history: &History<'_>, exchange: &Exchange<'_>) -> bool {
    TAKEN.contains(&exchange.endpoint)
        && exchange.is_accepted()
        && history.is_honest(exchange.to)
        && history.keeps_its_disk(exchange.to)
        && history.has_syncs(exchange.to)
        && !may_be_left_out(history, exchange)
}

/// Returns whether it is a message that the sender's own backend need not have.
fn may_be_left_out(history: &History<'_>, exchange: &Exchange<'_>) -> bool {
    let message = message(exchange).filter(|_| exchange.endpoint == "client_send");
    let message = message.and_then(|name| history.message(&name));
    message.is_some_and(|it| history.delivery(&it.conversation) == Delivery::M1Of2021)
}

fn sentence(exchange: &Exchange<'_>) -> String {
    let (from, to) = (exchange.from, exchange.to);
    let what = message(exchange).unwrap_or_else(|| "a transaction".to_owned());
    format!("{to} said that it had taken {what} of {from} before it was on its own disk")
}

fn message(exchange: &Exchange<'_>) -> Option<String> {
    messages_in(&exchange.request.body).first().map(|&name| name.to_owned())
}

#[cfg(test)]
mod tests {
    use journal::Event;
    use scenarios::scenario::{AfterCrash, Delivery, DiskFault, Fault, NodeFault, When};
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, scenario, transaction},
    };

    const STORE: &str = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";

    fn takes(fake: &mut Fake, syncs: &str) {
        let request = fake.request("a", "r1", STORE, &transaction("m1"));
        fake.push("r1", Event::RequestArrived { request });
        fake.syncs(syncs);
        fake.answered(request, 200, &json!({}));
    }

    fn judged(happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut fake = Fake::ready();
        fake.syncs("r1");
        happens(&mut fake);
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn what_is_taken_is_on_the_own_disk_before_the_answer() {
        let good = judged(|fake| takes(fake, "r1"));
        assert_eq!((good.judged, good.finding), (1, None));
        let early = judged(|fake| takes(fake, "a")).finding.expect("a violation");
        let expected = "r1 said that it had taken m1 of a before it was on its own disk";
        assert_eq!(early.sentence, expected);
    }

    #[test]
    fn who_may_be_left_out_may_tell_a_client_that_a_message_is_sent() {
        let told = |delivery| {
            let mut fake = Fake::ready();
            fake.syncs("a");
            fake.sends("alice/1", "m1");
            let what = "PUT /_matrix/client/v3/rooms/!team/send/m.room.message/m1";
            let body = json!({"org.fedsim.message": "m1"});
            fake.exchange(("alice/1", "a"), what, &body, &json!({"event_id": "$m1"}));
            let judgment = fake.judged(delivery, judge);
            (judgment.judged, judgment.finding.is_some())
        };
        assert_eq!(told(Delivery::M1), (1, true));
        assert_eq!(told(Delivery::M1Of2021), (0, false));
    }

    #[test]
    fn what_comes_again_is_answered_without_a_sync() {
        let again = judged(|fake| {
            takes(fake, "r1");
            takes(fake, "a");
        });
        assert_eq!((again.judged, again.finding), (2, None));
    }

    #[test]
    fn what_is_there_after_a_power_loss_was_on_the_disk() {
        let taken_after = |fault: NodeFault| {
            let mut scenario = scenario(Delivery::Eventual);
            let when = When::At(std::time::Duration::ZERO);
            scenario.faults.push(Fault::new(when, None, fault.into()));
            let mut fake = Fake::ready();
            fake.syncs("r1");
            fake.request("a", "r1", STORE, &transaction("m1"));
            fake.push("r1", Event::Booted { incarnation: 2 });
            takes(&mut fake, "a");
            fake.judged_in(&scenario, judge).finding.is_some()
        };
        let node = || "r1".to_owned();
        assert!(!taken_after(NodeFault::Crash { node: node(), disk: AfterCrash::LoseUnsynced }));
        assert!(taken_after(NodeFault::Kill { node: node() }), "the kernel had it");
    }

    #[test]
    fn a_disk_that_lies_or_that_nobody_saw_is_not_judged() {
        let mut lying = scenario(Delivery::Eventual);
        let fault = DiskFault { lies: Some(1.0), ..DiskFault::of("r1") };
        let when = When::At(std::time::Duration::ZERO);
        lying.faults.push(Fault::new(when, None, fault.into()));
        let mut fake = Fake::ready();
        fake.syncs("r1");
        takes(&mut fake, "a");
        assert_eq!(fake.judged_in(&lying, judge).judged, 0);
        let mut unseen = Fake::ready();
        takes(&mut unseen, "a");
        assert_eq!(unseen.judged(Delivery::Eventual, judge).judged, 0);
    }
}
