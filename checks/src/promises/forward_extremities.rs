//! `forward-extremities`: what a server's users say builds on everything that the server had accepted
//! of a room by then, on whatever branch it stands.
//!
//! The parents of a new event are all the newest ones that its server knows (server-server API,
//! "PDUs"; 20 at most). A branch that is forgotten is shown all the same, and is missed only by who
//! relies on it later, or where the branches' states differ; so this check alone finds
//! `fork-is-forgotten` where only messages are sent. Judged are `eventual` messages, and of what came
//! with a transaction that was answered at once the messages of who has stayed a member; and no
//! server that may have lost something.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Message, Moment, PduFacts, transacted},
};

/// The most parents of an event (room version 1, "Event format").
const MAX_PARENTS: usize = 20;

/// A message that a server has accepted from another one, and when.
struct Accepted<'h> {
    at: Moment,
    pdu: &'h PduFacts,
    exchange: &'h Exchange<'h>,
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("messages");
    let mut backends = history.scenario.backends.keys();
    let is_eventual = |name: &String| history.delivery(name) == Delivery::Eventual;
    if backends.any(|backend| !history.is_honest(backend))
        || !history.scenario.conversations.keys().any(is_eventual)
    {
        return judgment;
    }
    let (known, graph) = (transacted(history), history.graph());
    let accepted = accepted(history);
    for pdu in known.values() {
        let Some(message) = message_of(history, pdu) else { continue };
        let mut before = accepted.get(pdu.origin.as_str()).into_iter().flatten();
        if pdu.parents.len() >= MAX_PARENTS || !history.keeps_its_disk(&pdu.origin) {
            continue;
        }
        judgment.judged += 1;
        let Some(past) = graph.past(&pdu.event) else { continue };
        let forgotten = before.find(|it| {
            it.pdu.room == pdu.room
                && it.at < message.began
                && past.certainly_lacks(&it.pdu.event, it.pdu.depth)
        });
        let Some(Accepted { pdu: other, exchange, .. }) = forgotten else { continue };
        let sentence = format!(
            "{} sent {} as if it had not accepted {} from {} before",
            pdu.origin, message.name, other.what, exchange.from
        );
        let mut evidence = exchange.evidence();
        evidence.push(message.began.n);
        let finding = Finding::new(message.began.at, sentence, evidence);
        judgment.found(Finding { message: Some(message.name.clone()), ..finding });
    }
    judgment
}

/// Returns the message of an `eventual` conversation that a PDU is.
fn message_of<'h>(history: &'h History<'_>, pdu: &PduFacts) -> Option<&'h Message> {
    let message = history.message(pdu.message.as_deref()?)?;
    (history.delivery(&message.conversation) == Delivery::Eventual).then_some(message)
}

/// Returns what each server has accepted, without doubt, of who has stayed a member.
fn accepted<'h>(history: &'h History<'_>) -> BTreeMap<&'h str, Vec<Accepted<'h>>> {
    let mut accepted: BTreeMap<&str, Vec<Accepted<'_>>> = BTreeMap::new();
    let mut tried = BTreeSet::new();
    for exchange in history.exchanges_of("send") {
        // What could not be judged at once may have been put off, and is answered all the same.
        let is_first = tried.insert((exchange.from, exchange.to, &exchange.request.target));
        let Some(answer) = exchange.answer.filter(|_| is_first && exchange.is_accepted()) else {
            continue;
        };
        let results = exchange.answer_json().and_then(|answer| answer.get("pdus"));
        for pdu in exchange.pdus() {
            let Some(message) = message_of(history, pdu) else { continue };
            let result = results.and_then(|results| results.get(&pdu.event));
            let stayed = history.lasting_members(&message.conversation, message.began.n);
            let is_in_it = history.lasting_backends(&message.conversation).contains(exchange.to);
            let is_taken = result.is_some_and(|result| result.get("error").is_none());
            if is_in_it && is_taken && stayed.contains(&message.sender()) {
                let at = answer.sent;
                accepted.entry(exchange.to).or_default().push(Accepted { at, pdu, exchange });
            }
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        Judgment,
        history::{PduFacts, fake::Fake},
    };

    fn event(message: &str, sender: &str, parents: &[&Value], depth: u64) -> Value {
        let ids = parents.iter().map(|parent| PduFacts::of(parent).expect("a PDU").event);
        let parents: Vec<String> = ids.collect();
        json!({"content": {"org.fedsim.message": message}, "depth": depth, "room_id": "!team",
               "sender": sender, "type": "m.room.message", "prev_events": parents})
    }

    fn sends(fake: &mut Fake, between: (&str, &str), status: u16, pdu: &Value) {
        let id = PduFacts::of(pdu).expect("a PDU").event;
        let what = format!("PUT /_matrix/federation/v1/send/{}", &id[1..]);
        let body = json!({"origin": between.0, "pdus": [pdu]});
        let request = fake.request(between.0, between.1, &what, &body);
        fake.answer(request, status, &json!({"pdus": {id: {}}}));
    }

    /// Lets `b` accept m2, which bob sends beside m1 of alice's, and alice send m3 on top of m1, and
    /// perhaps of m2.
    fn judged(statuses: &[u16], with_both: bool) -> Judgment {
        let root = event("root", "@alice:a", &[], 1);
        let first = event("m1", "@alice:a", &[&root], 2);
        let beside = event("m2", "@bob:b", &[&root], 2);
        let both = [&first, &beside];
        let third = event("m3", "@alice:a", if with_both { &both } else { &both[..1] }, 3);
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        fake.sent_ok("bob/1", "m2");
        for status in statuses {
            sends(&mut fake, ("b", "a"), *status, &beside);
        }
        sends(&mut fake, ("a", "b"), 200, &first);
        fake.sent_ok("alice/1", "m3");
        sends(&mut fake, ("a", "b"), 200, &third);
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn a_message_builds_on_all_branches_that_its_server_knows() {
        let good = judged(&[200], true);
        assert_eq!((good.judged, good.finding), (3, None));
        let bad = judged(&[200], false).finding.expect("a violation");
        assert_eq!(bad.sentence, "a sent m3 as if it had not accepted m2 from b before");
    }

    #[test]
    fn what_was_not_taken_at_once_may_wait() {
        assert_eq!(judged(&[], false).finding, None);
        assert_eq!(judged(&[503], false).finding, None);
        assert_eq!(judged(&[503, 200], false).finding, None);
    }
}
