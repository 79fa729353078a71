//! `relay-keeps`: a relay hands out what it accepted until the destination acknowledges it, and
//! never again after that; and a destination acknowledges only what is on its own disk. A relay that
//! forwards may forget what the destination has taken from it; and any, what is older than its time to
//! live, or was handed out as often as it is told to. A relay that lost its disk, or was set back, has neither what it accepted nor what it was told
//! since.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Finding, Judgment,
    history::{
        History, Moment,
        mail::{Acknowledgment, Handout, Mail, Store},
    },
    reachability::expired,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("stored transactions");
    let mail = Mail::read(history);
    let stores = distinct(&mail.stores);
    for store in &stores {
        judgment.judged += 1;
        judge_handouts(history, &mail, &mut judgment, store);
    }
    for acknowledgment in &mail.acknowledgments {
        judge_acknowledgment(history, &mail, &mut judgment, acknowledgment);
    }
    judge_rest(history, &mail, &mut judgment, &stores);
    judgment
}

/// Returns each transaction once, as it was first accepted.
fn distinct<'m, 'h>(stores: &'m [Store<'h>]) -> Vec<&'m Store<'h>> {
    let mut known = BTreeSet::new();
    let mut distinct = Vec::new();
    for store in stores {
        let Store { relay, origin, destination, transaction_id, .. } = store;
        if known.insert((*relay, *origin, destination, transaction_id)) {
            distinct.push(store);
        }
    }
    distinct
}

/// Judges that nothing is handed out with the answer to its acknowledgment, or after that.
fn judge_handouts(
    history: &History<'_>,
    mail: &Mail<'_>,
    judgment: &mut Judgment,
    store: &Store<'_>,
) {
    let is_lost_between = |from: Moment, to: Moment| {
        let mut losses = history.losses.iter();
        losses.any(|loss| loss.loses(store.relay, from.at) && loss.at <= to.at)
    };
    // A relay that was set back does not know what it handed out before, nor under which number.
    let acknowledged = mail.handouts_of(store).flat_map(|handout| {
        let later = move |it: &&Acknowledgment<'_>| it.exchange.sent > handout.answered;
        let answered = mail.acknowledgments_of(handout).filter(later);
        let answered = answered.filter(|it| it.exchange.is_accepted());
        let answered = answered.filter_map(|known| Some(known.exchange.answer?.sent));
        answered.filter(|at| !is_lost_between(handout.answered, *at))
    });
    let Some(first) = acknowledged.min() else { return };
    // A dishonest server may leave something else under the same id, of which the relay knows nothing.
    let is_it = |it: &&Handout<'_>| history.is_honest(store.origin) || it.content == store.content;
    let mut later =
        mail.handouts_of(store).filter(is_it).filter(|handout| handout.answered >= first);
    if let Some(again) = later.find(|handout| !is_lost_between(first, handout.answered)) {
        let sentence = format!(
            "{} handed {} to {} again after that had acknowledged it",
            store.relay,
            name(store),
            store.destination
        );
        let evidence = vec![store.exchange.sent.n, first.n, again.answered.n];
        judgment.found(finding(again.answered, sentence, store, evidence));
    }
}

/// Judges that a destination acknowledges only what it has received, and only after its disk has
/// synced.
fn judge_acknowledgment(
    history: &History<'_>,
    mail: &Mail<'_>,
    judgment: &mut Judgment,
    acknowledgment: &Acknowledgment<'_>,
) {
    let sent = acknowledgment.exchange.sent;
    let is_it = |handout: &&Handout<'_>| {
        handout.relay == acknowledgment.relay
            && handout.destination == acknowledgment.destination
            && handout.entry_id == acknowledgment.entry_id
    };
    let Some(handout) = mail.handouts.iter().find(is_it) else { return };
    let received = mail.handouts.iter().filter(|other| is_same(handout, other));
    let received = received.filter_map(|it| it.arrived).min().filter(|arrived| *arrived < sent);
    let (sentence, from) = match received {
        None => ("had received it", sent.n),
        Some(at) if !history.may_be_durable(acknowledgment.destination, at.n, sent.n) => {
            ("had it on its own disk", at.n)
        }
        Some(_) => return,
    };
    let entry = handout.pdus().iter().find_map(|pdu| pdu.message.clone());
    let what = entry.clone().unwrap_or_else(|| format!("entry {}", acknowledgment.entry_id));
    let sentence = format!(
        "{} let {} forget {what} before it {sentence}",
        acknowledgment.destination, acknowledgment.relay
    );
    let evidence = vec![handout.exchange.sent.n, handout.answered.n, from, sent.n];
    judgment.found(Finding { message: entry, ..Finding::new(sent.at, sentence, sorted(evidence)) });
}

/// Returns whether two handouts are of the same transaction, even if they come from different
/// relays.
fn is_same(one: &Handout<'_>, other: &Handout<'_>) -> bool {
    one.destination == other.destination
        && one.origin == other.origin
        && one.transaction_id == other.transaction_id
        && one.content == other.content
}

/// Judges that what nobody has acknowledged is still there at the end.
fn judge_rest(
    history: &History<'_>,
    mail: &Mail<'_>,
    judgment: &mut Judgment,
    stores: &[&Store<'_>],
) {
    let mut unacknowledged: BTreeMap<(&str, &str), Vec<&Store<'_>>> = BTreeMap::new();
    for store in stores {
        // An acknowledgment whose answer was lost may have taken effect.
        let mut acknowledgments =
            mail.handouts_of(store).flat_map(|it| mail.acknowledgments_of(it));
        let is_acknowledged = acknowledgments.any(|known| known.exchange.arrived.is_some());
        let is_rid_of = is_acknowledged || mail.is_forwarded(store);
        if is_rid_of || expired(history, store).is_some() || is_set_aside(history, mail, store) {
            continue;
        }
        let mut losses = history.losses.iter();
        if let Some(loss) = losses.find(|loss| loss.loses(store.relay, store.accepted.at)) {
            let (at, name) = (history.since_ready(loss.at), name(store));
            let destination = &store.destination;
            let excuse =
                format!("{} lost its disk at {at}, and {name} for {destination}", store.relay);
            judgment.excused.push(excuse);
        } else {
            unacknowledged.entry((store.relay, &store.destination)).or_default().push(store);
        }
    }
    for ((relay, destination), stores) in unacknowledged {
        let Some(kept) = history.finals.mail.get(relay) else { continue };
        let kept = kept.get(destination).copied().unwrap_or_default();
        if (stores.len() as u64) > kept {
            let store = stores[0];
            let sentence = format!(
                "{relay} accepted {} for {destination}, which never acknowledged it, and does not \
                 have it in the end",
                name(store)
            );
            let evidence = vec![store.exchange.sent.n, store.accepted.n];
            judgment.found(finding(store.accepted, sentence, store, evidence));
        }
    }
}

/// Returns whether a relay has handed something out so often that it may have set it aside, as it is
/// told to.
fn is_set_aside(history: &History<'_>, mail: &Mail<'_>, store: &Store<'_>) -> bool {
    let relay = history.scenario.relays.get(store.relay);
    let most = relay.and_then(|relay| relay.settings.amount("max_handouts"));
    most.is_some_and(|most| mail.handouts_of(store).count() as u64 >= most)
}

fn finding(at: Moment, sentence: String, store: &Store<'_>, evidence: Vec<u64>) -> Finding {
    let message = store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
    Finding { message, ..Finding::new(at.at, sentence, sorted(evidence)) }
}

fn sorted(mut evidence: Vec<u64>) -> Vec<u64> {
    evidence.sort_unstable();
    evidence.dedup();
    evidence
}

/// Names a transaction by its first message, or else by its origin and id.
fn name(store: &Store<'_>) -> String {
    let message = store.exchange.pdus().iter().find_map(|pdu| pdu.message.clone());
    let plain = || format!("transaction {} of {}", store.transaction_id, store.origin);
    message.unwrap_or_else(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::judge;
    use crate::history::{
        Note,
        fake::{Fake, restored, transaction},
    };

    const RETRIEVE: &str = "GET /_matrix/federation/v1/relay_txn/@user:b";

    fn stored() -> Fake {
        let mut fake = Fake::ready();
        let what = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
        fake.exchange(("a", "r1"), what, &transaction("m1"), &Value::Null);
        fake
    }

    fn retrieve(fake: &mut Fake, acknowledged: i64, is_there: bool) {
        let mut transaction = transaction("m1");
        transaction["transaction_id"] = "t1".into();
        let entry = json!({"transaction": transaction, "entry_id": 7, "entries_queued": true});
        let none = json!({"transaction": {}, "entries_queued": false});
        let answer = if is_there { entry } else { none };
        fake.exchange(("b", "r1"), RETRIEVE, &json!({"entry_id": acknowledged}), &answer);
    }

    fn sentence(mut fake: Fake) -> Option<String> {
        fake.note(&Note::FinalMail { relay: "r1".to_owned(), entries: Some([].into()) });
        let judgment = fake.judged_in(&restored("r1", 0), judge);
        assert_eq!(judgment.judged, 1);
        judgment.finding.map(|finding| finding.sentence)
    }

    #[test]
    fn handed_out_stored_acknowledged_and_gone_is_as_it_should_be() {
        let mut fake = stored();
        retrieve(&mut fake, 0, true);
        fake.syncs("b");
        retrieve(&mut fake, 7, false);
        assert_eq!(sentence(fake), None);
    }

    #[test]
    fn what_was_acknowledged_is_not_handed_out_again() {
        let mut fake = stored();
        retrieve(&mut fake, 0, true);
        fake.syncs("b");
        retrieve(&mut fake, 7, false);
        retrieve(&mut fake, 0, true);
        let expected = "r1 handed m1 to b again after that had acknowledged it";
        assert_eq!(sentence(fake).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_acknowledged_is_not_handed_out_with_the_answer_to_that() {
        let mut fake = stored();
        retrieve(&mut fake, 0, true);
        fake.syncs("b");
        retrieve(&mut fake, 7, true);
        let expected = "r1 handed m1 to b again after that had acknowledged it";
        assert_eq!(sentence(fake).as_deref(), Some(expected));
    }

    #[test]
    fn an_acknowledgment_before_the_disk_synced_is_too_early() {
        let mut fake = stored();
        // The world sees disks.
        fake.syncs("b");
        retrieve(&mut fake, 0, true);
        retrieve(&mut fake, 7, false);
        let expected = "b let r1 forget m1 before it had it on its own disk";
        assert_eq!(sentence(fake).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_older_than_its_time_to_live_may_be_gone_and_nothing_younger_may() {
        let after = |days: u64| {
            let mut fake = stored();
            fake.waits(days * 24 * 60 * 60);
            sentence(fake)
        };
        assert_eq!(after(28), None);
        assert!(after(27).is_some());
    }

    #[test]
    fn a_relay_that_was_set_back_has_neither_what_it_accepted_nor_what_it_was_told() {
        let mut fake = stored();
        fake.begins_fault(0);
        assert_eq!(sentence(fake), None);
        let mut fake = stored();
        retrieve(&mut fake, 0, true);
        fake.syncs("b");
        retrieve(&mut fake, 7, false);
        fake.begins_fault(0);
        retrieve(&mut fake, 0, true);
        assert_eq!(sentence(fake), None);
        let mut fake = stored();
        retrieve(&mut fake, 0, true);
        fake.syncs("b");
        fake.begins_fault(0);
        retrieve(&mut fake, 7, true);
        assert_eq!(sentence(fake), None);
    }

    #[test]
    fn what_vanishes_unacknowledged_is_lost() {
        let expected = "r1 accepted m1 for b, which never acknowledged it, and does not have it in \
                        the end";
        assert_eq!(sentence(stored()).as_deref(), Some(expected));
    }
}
