//! `relay-once`: a relay keeps what it accepted once, however often it came, and what it refused not
//! at all, nor more than its quota.
//!
//! A transaction is known by its origin and its id (server-server API, "Transactions"): what comes
//! again because its answer was lost is the same one. Kept twice, or kept though refused, it fills
//! its destination's mailbox. No client sees that, since events are known by their ids; so this check
//! alone finds `relay-stores-repeats` and `relay-keeps-what-it-refuses` where every mailbox is
//! emptied in the end. A relay whose clock is wrong may forget early what it has delivered.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Finding, Judgment,
    history::{
        Exchange, History, Moment,
        mail::{Handout, Mail, Store},
    },
};

/// A transaction by its destination, its origin and its id.
type Key<'h> = (String, &'h str, String);

/// Every attempt to leave a transaction at one relay.
type Offers<'h> = BTreeMap<Key<'h>, Vec<&'h Exchange<'h>>>;

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("transactions");
    let mail = Mail::read(history);
    for relay in history.scenario.relays.keys().filter(|relay| is_judged(history, relay)) {
        let offers = offers(history, relay);
        judgment.judged += offers.len() as u64;
        judge_handouts(&mut judgment, &mail, &offers, relay);
        judge_rest(history, &mut judgment, &mail, &offers, relay);
        judge_quota(history, &mut judgment, &mail, relay);
    }
    judgment
}

/// Judges that a relay accepts no more for a destination than its quota lets it keep.
fn judge_quota(history: &History<'_>, judgment: &mut Judgment, mail: &Mail<'_>, relay: &str) {
    let known = history.scenario.relays.get(relay);
    let quota = known.and_then(|relay| relay.settings.amount("max_entries_per_destination"));
    let Some(quota) = quota else { return };
    let stores: Vec<&Store<'_>> = mail.stores.iter().filter(|store| store.relay == relay).collect();
    for store in &stores {
        let waiting = stores.iter().filter(|other| {
            other.destination == store.destination
                && other.accepted <= store.accepted
                && !may_be_gone(mail, other, store.accepted)
        });
        // What comes again is kept already, and takes no room.
        let waiting: BTreeSet<(&str, &str)> =
            waiting.map(|other| (other.origin, other.transaction_id.as_str())).collect();
        if waiting.len() as u64 > quota {
            let sentence = format!(
                "{relay} accepted {} transactions for {}, of which it is to keep {quota}",
                waiting.len(),
                store.destination
            );
            let evidence = vec![store.exchange.sent.n, store.accepted.n];
            let message = store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
            let finding = Finding::new(store.accepted.at, sentence, evidence);
            judgment.found(Finding { message, ..finding });
        }
    }
}

/// Returns whether a relay may have been rid of something at that moment: its destination had told it
/// so, or the relay had sent it on.
fn may_be_gone(mail: &Mail<'_>, store: &Store<'_>, at: Moment) -> bool {
    let mut acknowledgments =
        mail.handouts_of(store).flat_map(|handout| mail.acknowledgments_of(handout));
    let mut forwards = mail
        .forwards
        .iter()
        .filter(|forward| forward.relay == store.relay && forward.destination == store.destination);
    acknowledgments.any(|known| known.exchange.sent < at)
        || forwards.any(|it| it.exchange.sent < at && it.exchange.pdus() == store.exchange.pdus())
}

fn is_judged(history: &History<'_>, relay: &str) -> bool {
    history.is_honest(relay) && history.keeps_its_disk(relay) && history.keeps_time(relay)
}

fn offers<'h>(history: &'h History<'_>, relay: &str) -> Offers<'h> {
    let mut offers = Offers::new();
    let arrived = |it: &&Exchange<'_>| it.to == relay && it.arrived.is_some();
    for exchange in history.exchanges_of("send_relay").filter(arrived) {
        let Ok([id, user]) = <[String; 2]>::try_from(exchange.arguments()) else { continue };
        let Some((_, destination)) = user.split_once(':') else { continue };
        offers.entry((destination.to_owned(), exchange.from, id)).or_default().push(exchange);
    }
    offers
}

/// Judges that each transaction is handed out as one entry, and that none is that was refused.
fn judge_handouts(judgment: &mut Judgment, mail: &Mail<'_>, offers: &Offers<'_>, relay: &str) {
    let mut handed_out: BTreeMap<(Key<'_>, &str), &Handout<'_>> = BTreeMap::new();
    for handout in mail.handouts.iter().filter(|handout| handout.relay == relay) {
        let Some(id) = handout.transaction_id.clone() else { continue };
        let key = (handout.destination.to_owned(), handout.origin.as_str(), id);
        let attempts = offers.get(&key).map(Vec::as_slice).unwrap_or_default();
        let destination = handout.destination;
        if !attempts.is_empty() && attempts.iter().all(|it| is_refused(it)) {
            let sentence = format!("{relay} handed out to {destination} what it had refused");
            found(judgment, handout, sentence, attempts[0]);
        }
        // An origin that sends something else under the same id has sent two.
        let first = handed_out.entry((key, handout.content.as_str())).or_insert(handout);
        if first.entry_id != handout.entry_id {
            let sentence = format!("{relay} kept the same transaction for {destination} twice");
            found(judgment, handout, sentence, first.exchange);
        }
    }
}

fn found(judgment: &mut Judgment, handout: &Handout<'_>, what: String, other: &Exchange<'_>) {
    let message = handout.pdus().iter().find_map(|pdu| pdu.message.clone());
    let evidence = vec![other.sent.n, handout.exchange.sent.n, handout.answered.n];
    let finding = Finding::new(handout.answered.at, what, evidence);
    judgment.found(Finding { message, ..finding });
}

/// Judges that a relay has no more in the end than it may have accepted and was not rid of.
fn judge_rest(
    history: &History<'_>,
    judgment: &mut Judgment,
    mail: &Mail<'_>,
    offers: &Offers<'_>,
    relay: &str,
) {
    let Some(kept) = history.finals.mail.get(relay) else { return };
    for (destination, kept) in kept {
        let of_it = offers.iter().filter(|(key, _)| key.0 == *destination);
        let most: u64 = of_it.map(|(key, attempts)| may_be_there(mail, relay, key, attempts)).sum();
        if *kept > most {
            let sentence = format!(
                "{relay} has {kept} entries for {destination} in the end, of which it can have \
                 accepted and not delivered {most}"
            );
            judgment.found(super::queues_drained::at_the_end(history, sentence));
        }
    }
}

/// Returns how many entries a transaction may make up in the end: one, and more if its origin sent
/// several things under one id; without those that were acknowledged or taken by their destination.
fn may_be_there(mail: &Mail<'_>, relay: &str, key: &Key<'_>, attempts: &[&Exchange<'_>]) -> u64 {
    let (destination, origin, id) = key;
    let offered: BTreeSet<&[u8]> = attempts
        .iter()
        .filter(|exchange| !is_refused(exchange))
        .map(|exchange| &*exchange.request.body)
        .collect();
    let handouts = mail.handouts.iter().filter(|handout| {
        handout.relay == relay
            && handout.destination == destination
            && handout.origin == *origin
            && handout.transaction_id.as_ref() == Some(id)
    });
    let acknowledged: BTreeSet<&str> = handouts
        .filter(|it| mail.acknowledgments_of(it).any(|known| known.exchange.is_accepted()))
        .map(|handout| handout.content.as_str())
        .collect();
    let is_it = |sent| attempts.iter().any(|attempt| attempt.sent == sent);
    let mut stores = mail.stores.iter().filter(|store| is_it(store.exchange.sent));
    if stores.any(|store| mail.is_forwarded(store)) {
        return 0;
    }
    (offered.len() as u64).saturating_sub(acknowledged.len() as u64)
}

/// Returns whether an attempt was refused for a reason that has nothing to do with the disk: an
/// error of the server may have come too late to keep it from storing.
fn is_refused(exchange: &Exchange<'_>) -> bool {
    matches!(exchange.status(), 400..500 | 507)
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, Relay};
    use serde_json::{Value, json};

    use super::judge;
    use crate::history::{
        Note,
        fake::{Fake, scenario, transaction},
    };

    fn offers(fake: &mut Fake, status: u16) {
        let what = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
        let request = fake.request("a", "r1", what, &transaction("m1"));
        fake.answer(request, status, &Value::Null);
    }

    fn retrieves(fake: &mut Fake, acknowledged: i64, entry: i64) {
        let mut transaction = transaction("m1");
        transaction["transaction_id"] = "t1".into();
        transaction["origin"] = "a".into();
        let answer = match entry {
            0 => json!({"transaction": {}, "entries_queued": false}),
            id => json!({"transaction": transaction, "entry_id": id, "entries_queued": true}),
        };
        let what = "GET /_matrix/federation/v1/relay_txn/@user:b";
        fake.exchange(("b", "r1"), what, &json!({"entry_id": acknowledged}), &answer);
    }

    fn sentence(kept: u64, happens: impl FnOnce(&mut Fake)) -> Option<String> {
        let mut fake = Fake::ready();
        happens(&mut fake);
        let entries = [("b".to_owned(), kept)].into_iter().filter(|(_, kept)| *kept > 0);
        let entries = Some(entries.collect());
        fake.note(&Note::FinalMail { relay: "r1".to_owned(), entries });
        let judgment = fake.judged(Delivery::Eventual, judge);
        assert_eq!(judgment.judged, 1);
        judgment.finding.map(|finding| finding.sentence)
    }

    #[test]
    fn what_comes_again_is_kept_and_handed_out_as_one_entry() {
        let twice = |again: i64, kept| {
            sentence(kept, |fake| {
                offers(fake, 200);
                offers(fake, 200);
                retrieves(fake, 0, 7);
                retrieves(fake, 7, again);
            })
        };
        assert_eq!(twice(0, 0), None);
        assert_eq!(twice(8, 0).as_deref(), Some("r1 kept the same transaction for b twice"));
        let rest = "r1 has 1 entries for b in the end, of which it can have accepted and not \
                    delivered 0";
        assert_eq!(twice(0, 1).as_deref(), Some(rest));
    }

    #[test]
    fn what_was_refused_is_neither_kept_nor_handed_out() {
        let refused = |status: u16, entry: i64, kept| {
            sentence(kept, |fake| {
                offers(fake, status);
                retrieves(fake, 0, entry);
            })
        };
        assert_eq!(refused(429, 0, 0), None);
        assert_eq!(refused(429, 7, 0).as_deref(), Some("r1 handed out to b what it had refused"));
        assert!(refused(429, 0, 1).is_some());
        assert_eq!(refused(500, 7, 1), None, "the disk may have kept it all the same");
    }

    #[test]
    fn no_more_is_accepted_than_the_quota_lets_a_relay_keep() {
        let accepted = |ids: &[&str]| {
            let mut scenario = scenario(Delivery::Eventual);
            let one = Relay::default().with("max_entries_per_destination", 1);
            scenario.relays.insert("r1".to_owned(), one);
            let mut fake = Fake::ready();
            for id in ids {
                let what = format!("PUT /_matrix/federation/v1/send_relay/{id}/@user:b");
                fake.exchange(("a", "r1"), &what, &transaction("m1"), &Value::Null);
            }
            fake.judged_in(&scenario, judge).finding.map(|finding| finding.sentence)
        };
        assert_eq!(accepted(&["t1", "t1"]), None);
        let expected = "r1 accepted 2 transactions for b, of which it is to keep 1";
        assert_eq!(accepted(&["t1", "t2"]).as_deref(), Some(expected));
    }

    #[test]
    fn what_waits_unacknowledged_is_there_in_the_end() {
        assert_eq!(sentence(1, |fake| offers(fake, 200)), None);
    }
}
