//! Why somebody answered as it did, in its own words: an error, a vote, what it refused of a
//! transaction.

use serde_json::Value;

use crate::history::{Exchange, History};

/// The most characters of what an answer says.
const MOST: usize = 160;

/// Returns what the answer to request number `request` says of itself beside its status; none if it
/// says nothing.
pub(super) fn of(history: &History<'_>, request: u64) -> Option<String> {
    let exchange = history.exchange(request)?;
    let said = if exchange.status() >= 400 {
        error(exchange)
    } else {
        match exchange.endpoint {
            "send" => refused(history, exchange),
            "prepare" => vote(exchange),
            "send_message" => decided(exchange),
            "outcome" => text(exchange.answer_json()?, "decision").map(str::to_owned),
            _ => None,
        }
    }?;
    let is_long = said.chars().count() > MOST;
    Some(if is_long { said.chars().take(MOST - 1).chain(['…']).collect() } else { said })
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

/// Returns an error: Matrix's code and sentence, or the first line of anything else.
fn error(exchange: &Exchange<'_>) -> Option<String> {
    if let Some(body) = exchange.answer_json() {
        let said: Vec<&str> =
            ["errcode", "error"].into_iter().filter_map(|key| text(body, key)).collect();
        return (!said.is_empty()).then(|| said.join(": "));
    }
    let body = std::str::from_utf8(exchange.answer?.body).ok()?;
    body.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// Returns which events of a transaction were refused, and why; a message by its name.
fn refused(history: &History<'_>, exchange: &Exchange<'_>) -> Option<String> {
    let events = exchange.answer_json()?.get("pdus")?.as_object()?;
    let refused = events.iter().filter_map(|(event, result)| {
        let why = text(result, "error")?;
        let name = history.name_of(event).unwrap_or("an event");
        Some(format!("refused {name}: {why}"))
    });
    let refused: Vec<String> = refused.collect();
    (!refused.is_empty()).then(|| refused.join("; "))
}

fn vote(exchange: &Exchange<'_>) -> Option<String> {
    let body = exchange.answer_json()?;
    let vote = text(body, "vote")?.replace('_', " ");
    let why = text(body, "reason").map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("votes {vote}{why}"))
}

/// Returns what an owner says of a message that it was asked to send, unless that went to everybody.
fn decided(exchange: &Exchange<'_>) -> Option<String> {
    let body = exchange.answer_json()?;
    let backends = |key: &str| {
        let names = body.get(key)?.as_array()?.iter().filter_map(Value::as_str);
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let unreachable = backends("unreachable_backends").map(|names| format!("unreachable {names}"));
    let left_out = backends("failed_to_send").map(|names| format!("left out {names}"));
    unreachable.or(left_out).or_else(|| text(body, "reason").map(|why| format!("refused: {why}")))
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::{Value, json};

    use super::of;
    use crate::history::{
        PduFacts,
        fake::{Fake, pdu, transaction},
    };

    /// Returns why `b` answers `what`, which carries `m1`, with this status and body.
    fn why(what: &str, body: &Value, (status, answer): (u16, &Value)) -> Option<String> {
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        let request = fake.request("a", "b", what, body);
        fake.answered(request, status, answer);
        fake.judged(Delivery::M1, |history| of(history, request))
    }

    const SEND: &str = "PUT /_matrix/federation/v1/send/1";
    const PREPARE: &str = "PUT /_matrix/federation/unstable/org.fedsim.m1/prepare/!team/$m1";

    #[test]
    fn what_a_server_refuses_of_a_transaction_is_told_by_its_name() {
        let event = PduFacts::of(&pdu("m1")).expect("a PDU").event;
        let answer = json!({"pdus": {event.clone(): {"error": "no member"}, "$other": {}}});
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        fake.sees_event("alice/1", "m1", &event, "!team");
        let request = fake.request("a", "b", SEND, &transaction("m1"));
        fake.answered(request, 200, &answer);
        let why = fake.judged(Delivery::M1, |history| of(history, request));
        assert_eq!(why.as_deref(), Some("refused m1: no member"));
    }

    #[test]
    fn a_vote_and_an_error_are_told_and_silence_is_nothing() {
        let body = json!({"event": pdu("m1"), "devices": {}});
        let vote = json!({"vote": "no", "reason": "the room is unknown here"});
        let told = why(PREPARE, &body, (200, &vote));
        assert_eq!(told.as_deref(), Some("votes no: the room is unknown here"));
        let error = json!({"errcode": "M_FORBIDDEN", "error": "no such server"});
        let told = why(SEND, &transaction("m1"), (403, &error));
        assert_eq!(told.as_deref(), Some("M_FORBIDDEN: no such server"));
        assert_eq!(why(SEND, &transaction("m1"), (200, &json!({"pdus": {"$m1": {}}}))), None);
    }
}
