//! `relay-order`: a relay hands out what waits for a destination oldest first.
//!
//! Judged where the relay itself shows that it had both: it hands out an entry although an older one
//! waits, which it hands out only later. A dishonest relay promises no order, and an honest one none for
//! an entry that its destination was given again and again and never acknowledged: what it cannot take
//! must not keep the rest from it. A transaction that is repeated has the place of its first request,
//! also if a relay that lost power could not answer that one. Finds `relay-hands-out-newest-first`
//! first: events of one room find their order by themselves, so that no client sees it.

use std::collections::BTreeMap;

use crate::{
    Finding, Judgment,
    history::{
        Exchange, History,
        mail::{Handout, Mail, Store},
    },
};

/// How often an entry was handed out in vain before others may overtake it.
const TRIED: usize = 3;

/// A transaction at a relay, from its first acceptance to its last, in numbers of journal entries.
struct Entry<'m, 'h> {
    store: &'m Store<'h>,
    /// When the first request to store it arrived.
    arrived: u64,
    /// When the relay last said that it has it.
    accepted: u64,
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("handouts");
    let mail = Mail::read(history);
    let boxes = boxes(history, &mail.stores);
    let mut handouts: BTreeMap<(&str, &str), Vec<&Handout<'_>>> = BTreeMap::new();
    for handout in &mail.handouts {
        handouts.entry((handout.relay, handout.destination)).or_default().push(handout);
    }
    for (place, mut handouts) in handouts {
        handouts.sort_unstable_by_key(|handout| handout.answered);
        let Some(entries) = boxes.get(&place) else { continue };
        for (at, handout) in handouts.iter().enumerate() {
            judgment.judged += 1;
            judge_handout(&mail, &mut judgment, entries, handout, &handouts[at + 1..]);
        }
    }
    judgment
}

/// Returns what honest relays accepted, each transaction once, by relay and destination.
fn boxes<'m, 'h>(
    history: &History<'_>,
    stores: &'m [Store<'h>],
) -> BTreeMap<(&'m str, &'m str), Vec<Entry<'m, 'h>>> {
    let mut boxes: BTreeMap<(&str, &str), Vec<Entry<'m, 'h>>> = BTreeMap::new();
    let first = first_arrivals(history);
    for store in stores.iter().filter(|store| history.is_honest(store.relay)) {
        let Some(arrived) = first.get(&transaction(store.exchange)).copied() else { continue };
        let entries = boxes.entry((store.relay, store.destination.as_str())).or_default();
        let is_it = |known: &&mut Entry<'_, '_>| {
            known.store.origin == store.origin && known.store.transaction_id == store.transaction_id
        };
        if let Some(known) = entries.iter_mut().find(is_it) {
            known.accepted = known.accepted.max(store.accepted.n);
        } else {
            entries.push(Entry { store, arrived, accepted: store.accepted.n });
        }
    }
    boxes
}

/// What tells the transactions that are left at relays apart: the relay, the origin, and what the path
/// of the request names.
type Left<'h> = (&'h str, &'h str, Vec<String>);

fn transaction<'h>(exchange: &'h Exchange<'_>) -> Left<'h> {
    (exchange.to, exchange.from, exchange.arguments())
}

/// Returns when the first request to keep each transaction arrived that the relay may have kept: it said
/// so, or said nothing.
fn first_arrivals<'h>(history: &'h History<'_>) -> BTreeMap<Left<'h>, u64> {
    let mut first = BTreeMap::new();
    let may_be_kept = |it: &&Exchange<'_>| it.answer.is_none() || it.is_accepted();
    for exchange in history.exchanges_of("send_relay").filter(may_be_kept) {
        if let Some(arrived) = exchange.arrived {
            let known = first.entry(transaction(exchange)).or_insert(arrived.n);
            *known = arrived.n.min(*known);
        }
    }
    first
}

/// Judges that no entry was handed out `later` that had waited longer than this one.
fn judge_handout(
    mail: &Mail<'_>,
    judgment: &mut Judgment,
    entries: &[Entry<'_, '_>],
    handout: &Handout<'_>,
    later: &[&Handout<'_>],
) {
    let Some(entry) = entries.iter().find(|entry| handout.is_of(entry.store)) else { return };
    let Some(asked) = handout.exchange.arrived else { return };
    let waited = |older: &&Entry<'_, '_>| {
        older.accepted < entry.arrived
            && older.accepted < asked.n
            && later.iter().any(|later| later.is_of(older.store))
            && !is_acknowledged(mail, older, handout.answered.n)
            && handouts_before(mail, older, handout.answered.n) < TRIED
    };
    let Some(older) = entries.iter().find(waited) else { return };
    let sentence = format!(
        "{} handed out {} to {} before {}, which it had accepted earlier",
        handout.relay,
        name(entry.store),
        handout.destination,
        name(older.store)
    );
    let evidence =
        vec![older.store.exchange.sent.n, entry.store.exchange.sent.n, handout.answered.n];
    let message = older.store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
    judgment.found(Finding { message, ..Finding::new(handout.answered.at, sentence, evidence) });
}

/// Returns whether the relay may have been told to forget the entry before entry `n`.
fn is_acknowledged(mail: &Mail<'_>, entry: &Entry<'_, '_>, n: u64) -> bool {
    let mut acknowledgments =
        mail.handouts_of(entry.store).flat_map(|handout| mail.acknowledgments_of(handout));
    acknowledgments.any(|known| known.exchange.arrived.is_some_and(|arrived| arrived.n < n))
}

/// Returns how often the relay handed the entry out before entry `n`.
fn handouts_before(mail: &Mail<'_>, entry: &Entry<'_, '_>, n: u64) -> usize {
    mail.handouts_of(entry.store).filter(|handout| handout.answered.n < n).count()
}

/// Names a transaction by its first message, or else by its origin and id.
fn name(store: &Store<'_>) -> String {
    let message = store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
    message.unwrap_or_else(|| format!("transaction {} of {}", store.transaction_id, store.origin))
}

#[cfg(test)]
mod tests {
    use journal::Event;
    use scenarios::scenario::Delivery;
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, transaction},
    };

    fn store(fake: &mut Fake, message: &str) {
        let what = format!("PUT /_matrix/federation/v1/send_relay/{message}/@user:b");
        fake.exchange(("a", "r1"), &what, &transaction(message), &Value::Null);
    }

    fn retrieve(fake: &mut Fake, acknowledged: i64, message: &str) {
        let mut transaction = transaction(message);
        transaction["transaction_id"] = message.into();
        let id: i64 = message[1..].parse().expect("a number");
        let entry = json!({"transaction": transaction, "entry_id": id, "entries_queued": true});
        let what = "GET /_matrix/federation/v1/relay_txn/@user:b";
        fake.exchange(("b", "r1"), what, &json!({"entry_id": acknowledged}), &entry);
    }

    fn handed_out(order: &[(i64, &str)]) -> Judgment {
        let mut fake = Fake::ready();
        store(&mut fake, "m1");
        store(&mut fake, "m2");
        for (acknowledged, message) in order {
            retrieve(&mut fake, *acknowledged, message);
        }
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn the_oldest_is_handed_out_first_and_again_until_it_is_acknowledged() {
        let good = handed_out(&[(0, "m1"), (0, "m1"), (1, "m2")]);
        assert_eq!((good.judged, good.finding), (3, None));
        let bad = handed_out(&[(0, "m2"), (2, "m1")]).finding.expect("a violation");
        let expected = "r1 handed out m2 to b before m1, which it had accepted earlier";
        assert_eq!(bad.sentence, expected);
    }

    #[test]
    fn what_is_never_acknowledged_may_be_overtaken() {
        let tried = [(0, "m1"); super::TRIED];
        let order = [&tried[..], &[(0, "m2"), (2, "m1")]].concat();
        assert_eq!(handed_out(&order).finding, None);
        assert!(handed_out(&order[1..]).finding.is_some());
    }

    #[test]
    fn what_comes_again_after_its_acknowledgment_is_another_matter() {
        assert_eq!(handed_out(&[(0, "m1"), (1, "m2"), (2, "m1")]).finding, None);
    }

    #[test]
    fn what_is_repeated_since_the_relay_lost_power_has_the_place_of_its_first_request() {
        let judged = |is_lost: bool, is_refused: bool| {
            let mut fake = Fake::ready();
            let what = "PUT /_matrix/federation/v1/send_relay/m1/@user:b";
            if is_lost {
                let request = fake.request("a", "r1", what, &transaction("m1"));
                fake.push("r1", Event::RequestArrived { request });
            }
            if is_refused {
                let request = fake.request("a", "r1", what, &transaction("m1"));
                fake.answer(request, 507, &Value::Null);
            }
            store(&mut fake, "m2");
            store(&mut fake, "m1");
            retrieve(&mut fake, 0, "m1");
            retrieve(&mut fake, 1, "m2");
            fake.judged(Delivery::Eventual, judge).finding
        };
        assert_eq!(judged(true, false), None);
        assert!(judged(false, false).is_some());
        assert!(judged(false, true).is_some(), "what was refused has no place");
    }

    #[test]
    fn what_was_stored_only_later_was_not_waiting() {
        let mut fake = Fake::ready();
        store(&mut fake, "m2");
        retrieve(&mut fake, 0, "m2");
        store(&mut fake, "m1");
        retrieve(&mut fake, 2, "m1");
        assert_eq!(fake.judged(Delivery::Eventual, judge).finding, None);
    }
}
