//! `queue-order`: a server sends a destination what its users say in the order in which they were
//! told that it is sent, and leaves nothing out: an `eventual` message leaves for a backend, or for a
//! relay of it, not before one that was ok earlier.
//!
//! What overtook another is put in its place by whoever receives it, who asks for what lies between;
//! so no client sees that, as long as somebody can be asked. Judged are backends that certainly were
//! in both conversations all the time, and whose mail anybody can read. Finds `queue-loses-its-order` alone, and what heals as soon as
//! one more message comes: `queue-drops-mail-for-the-absent`, `catch-up-sends-heads-only`,
//! `queue-is-emptied-before-it-is-sent`.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::scenario::{Backend, Delivery};

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Message, Moment},
    record::OpOutcome,
};

/// The request in which something first left, and its place in that.
type Left = (u64, usize);

/// When each message first left its origin for each backend, by origin, backend, and message.
type Departures<'h> = BTreeMap<(&'h str, String), BTreeMap<&'h str, Left>>;

/// A message that was ok, with its end and with when it left, if it did.
type Sent<'h> = (&'h Message, Moment, Option<Left>);

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("messages");
    for ((origin, destination), left) in departures(history) {
        let is_sealed = history.scenario.backends.get(origin).is_some_and(Backend::seals_mail);
        if !history.is_honest(origin) || !history.keeps_its_disk(origin) || is_sealed {
            continue;
        }
        let sent = sent(history, origin, &destination, &left);
        judgment.judged += sent.len() as u64;
        for (message, _, left) in &sent {
            let Some(left) = left else { continue };
            let overtaken = sent.iter().find(|(earlier, ended, earlier_left)| {
                *ended < message.began
                    && earlier_left.is_none_or(|earlier_left| earlier_left > *left)
                    && earlier.name != message.name
            });
            let Some((earlier, ..)) = overtaken else { continue };
            let sentence = format!(
                "{origin} sent {} to {destination} before {}, which it had accepted earlier",
                message.name, earlier.name
            );
            let at = history.exchange(left.0).map_or(message.began.at, |it| it.sent.at);
            judgment.found(Finding::about(history, earlier, at, sentence));
        }
    }
    judgment
}

fn departures<'h>(history: &'h History<'_>) -> Departures<'h> {
    let mut departures = Departures::new();
    for exchange in history.exchanges.iter().filter(|it| it.request.replays.is_none()) {
        let Some(destination) = destination(exchange) else { continue };
        let left = departures.entry((exchange.from, destination)).or_default();
        for (place, pdu) in exchange.pdus().iter().enumerate() {
            if let Some(message) = &pdu.message {
                left.entry(message.as_str()).or_insert((exchange.sent.n, place));
            }
        }
    }
    departures
}

/// Returns whom a transaction is for.
fn destination(exchange: &Exchange<'_>) -> Option<String> {
    match exchange.endpoint {
        "send" => Some(exchange.to.to_owned()),
        "send_relay" => {
            exchange.arguments().pop()?.split_once(':').map(|(_, server)| server.to_owned())
        }
        _ => None,
    }
}

/// Returns what the users of `origin` have sent, and were told that it is, to conversations in which
/// `destination` was all the time.
fn sent<'h>(
    history: &'h History<'_>,
    origin: &str,
    destination: &str,
    left: &BTreeMap<&str, Left>,
) -> Vec<Sent<'h>> {
    let is_shared = |conversation: &str| {
        history.delivery(conversation) == Delivery::Eventual
            && history.lasting_backends(conversation).contains(destination)
    };
    let conversations = history.scenario.conversations.keys();
    let shared: BTreeSet<&str> =
        conversations.map(String::as_str).filter(|it| is_shared(it)).collect();
    let ok = history.ended(OpOutcome::Ok).filter(|(message, _)| {
        shared.contains(message.conversation.as_str())
            && history.backend_of(&message.device) == origin
    });
    ok.map(|(message, ended)| (message, ended.at, left.get(message.name.as_str()).copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::fake::{Fake, pdu},
    };

    /// Lets alice send three messages, and `a` send these transactions to `b`, or to its relay.
    fn judged(transactions: &[(&str, &[&str])]) -> Judgment {
        let mut fake = Fake::ready();
        for message in ["m1", "m2", "m3"] {
            fake.sent_ok("alice/1", message);
        }
        for (to, messages) in transactions {
            let pdus: Vec<_> = messages.iter().map(|message| pdu(message)).collect();
            let what = if *to == "b" { "send/1" } else { "send_relay/1/@user:b" };
            let what = format!("PUT /_matrix/federation/v1/{what}");
            fake.request("a", to, &what, &json!({"origin": "a", "pdus": pdus}));
        }
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn what_was_said_first_leaves_first() {
        let good = judged(&[("b", &["m1", "m2"]), ("b", &["m1", "m2"]), ("b", &["m3"])]);
        assert_eq!((good.judged, good.finding), (3, None));
        let bad = judged(&[("b", &["m2"]), ("b", &["m1", "m3"])]).finding.expect("a violation");
        assert_eq!(bad.sentence, "a sent m2 to b before m1, which it had accepted earlier");
        assert!(judged(&[("b", &["m2", "m1", "m3"])]).finding.is_some(), "in one transaction");
    }

    #[test]
    fn nothing_is_left_out_but_what_comes_last() {
        assert_eq!(judged(&[("b", &["m1", "m2"])]).finding, None);
        let bad = judged(&[("b", &["m1", "m3"])]).finding.expect("a violation");
        assert_eq!(bad.message.as_deref(), Some("m2"));
    }

    #[test]
    fn a_relay_of_the_destination_is_as_good() {
        assert_eq!(judged(&[("r1", &["m1"]), ("b", &["m2"]), ("r1", &["m3"])]).finding, None);
        assert!(judged(&[("b", &["m2"]), ("r1", &["m1"])]).finding.is_some());
    }
}
