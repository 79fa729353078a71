//! Misdeeds with events: another body under the same transaction id, two events in one place, and
//! previous events that nobody has, and events that the room does not allow, all of them validly
//! signed; events that are wrongly signed; and events whose content was altered.

use checks::{
    MAX_PDUS,
    history::{note::FORGED, pdu::MESSAGE_FIELD},
};
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, RoomVersionId,
    serde::{Base64, base64::Standard},
    signatures::hash_and_sign_event,
};
use scenarios::scenario::Misdeed;
use serde_json::{Value, json};
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};
use transport::federation::Identity;

use super::{
    tamperer::Meeting,
    wire::{arguments, signed},
};

/// The suffix of a message's name in an event that took its place.
const TWIN: &str = " twin";

/// The local part of a user who is in no room.
const STRANGER: &str = "stranger";

/// Turns a true event of the server's own into what it sends instead.
type Altering = fn(&Identity, CanonicalJsonObject) -> Option<Vec<CanonicalJsonObject>>;

/// Decides what becomes of a request that carries events.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    let (carriers, alter): (&[&str], Altering) = match misdeed {
        Misdeed::SameIdOtherBody => (&["send"], made_up),
        Misdeed::Equivocate => (&["send"], twin),
        Misdeed::UnknownPrevEvents => (&["send"], standing_on_nothing),
        // No relay looks at the events that it keeps.
        Misdeed::ForgeEventSignature => (&["send", "send_relay"], signed_wrongly),
        Misdeed::AlterContent => (&["send", "send_relay"], saying_something_else),
        Misdeed::BreakAuthRules => (&["send", "send_relay"], not_allowed),
        _ => return None,
    };
    carriers.iter().find_map(|endpoint| arguments(endpoint, request))?;
    let identity = meeting.identity?;
    let altered = altered(identity, request, alter)?;
    let signed = signed(&altered, &identity.server_name, meeting.other, &identity.key_pair)?;
    if *misdeed == Misdeed::SameIdOtherBody {
        let aside = Aside { request: signed, after_answer: true, pause: None };
        return Some(Dealing { fate: Fate::Pass, asides: vec![aside] });
    }
    Some(Fate::Replace(signed).into())
}

/// Returns the same transaction with its own server's messages altered; none if it carries no such
/// message, or would carry more events than a transaction may.
fn altered(identity: &Identity, request: &HttpMessage, alter: Altering) -> Option<HttpMessage> {
    let mut transaction: Value = serde_json::from_slice(&request.body).ok()?;
    let Value::Array(pdus) = transaction.get_mut("pdus")?.take() else { return None };
    let mut sent = Vec::new();
    let mut is_altered = false;
    for pdu in pdus {
        let altered = Some(&pdu).filter(|pdu| is_own_message(identity, pdu));
        let altered = altered.and_then(|pdu| serde_json::from_value(pdu.clone()).ok());
        match altered.and_then(|event| alter(identity, event)) {
            Some(events) => {
                is_altered = true;
                sent.extend(events.into_iter().map(|it| CanonicalJsonValue::Object(it).into()));
            }
            None => sent.push(pdu),
        }
    }
    if !is_altered || sent.len() > MAX_PDUS {
        return None;
    }
    transaction["pdus"] = Value::Array(sent);
    Some(request.clone().with_body(transaction.to_string()))
}

/// Returns an event that the server made up, in the place of a true one.
pub(super) fn made_up(
    identity: &Identity,
    event: CanonicalJsonObject,
) -> Option<Vec<CanonicalJsonObject>> {
    Some(vec![signed_anew(identity, renamed(event, |name| format!("{FORGED}{name}")))?])
}

/// Returns another event at the same place in the graph.
fn twin(identity: &Identity, event: CanonicalJsonObject) -> Option<Vec<CanonicalJsonObject>> {
    Some(vec![signed_anew(identity, renamed(event, |name| format!("{name}{TWIN}")))?])
}

/// Returns an event that names a previous event that nobody ever made. The made-up id is the hash
/// of the event that it replaces.
fn standing_on_nothing(
    identity: &Identity,
    mut event: CanonicalJsonObject,
) -> Option<Vec<CanonicalJsonObject>> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let known = format!("{:?}", event.get("prev_events"));
    let id = URL_SAFE_NO_PAD.encode(blake3::hash(known.as_bytes()).as_bytes());
    let nobodys = CanonicalJsonValue::String(format!("${id}"));
    event.insert("prev_events".to_owned(), CanonicalJsonValue::Array(vec![nobodys]));
    made_up(identity, event)
}

/// Returns the true event and one that the server made up, both with a signature that is wrong by
/// one bit.
fn signed_wrongly(
    identity: &Identity,
    event: CanonicalJsonObject,
) -> Option<Vec<CanonicalJsonObject>> {
    let mut events = made_up(identity, event.clone())?;
    events.push(event);
    events.iter_mut().try_for_each(|event| spoil_signature(identity, event))?;
    Some(events)
}

/// Returns the event with another content, under the hash and the signatures of the true one.
#[expect(clippy::unnecessary_wraps, reason = "every altering has this type")]
fn saying_something_else(
    _: &Identity,
    event: CanonicalJsonObject,
) -> Option<Vec<CanonicalJsonObject>> {
    Some(vec![renamed(event, |name| format!("{FORGED}{name}"))])
}

/// Returns the true event, and beside it the message of a user who never joined, and power levels
/// that leave everybody but the sender without a say.
fn not_allowed(
    identity: &Identity,
    event: CanonicalJsonObject,
) -> Option<Vec<CanonicalJsonObject>> {
    let text = |text: &str| CanonicalJsonValue::String(text.to_owned());
    let mut strangers = renamed(event.clone(), |name| format!("{FORGED}{name}"));
    let stranger = format!("@{STRANGER}:{}", identity.server_name);
    strangers.insert("sender".to_owned(), text(&stranger));
    let sender = event.get("sender")?.as_str()?;
    let levels = json!({"users": {sender: 100}, "events_default": 100});
    let mut powers = event.clone();
    powers.insert("type".to_owned(), text("m.room.power_levels"));
    powers.insert("state_key".to_owned(), text(""));
    powers.insert("content".to_owned(), levels.try_into().ok()?);
    let (strangers, powers) = (signed_anew(identity, strangers)?, signed_anew(identity, powers)?);
    Some(vec![strangers, powers, event])
}

fn is_own_message(identity: &Identity, pdu: &Value) -> bool {
    let sender = pdu.get("sender").and_then(Value::as_str).unwrap_or_default();
    let is_own = sender.split_once(':').is_some_and(|(_, it)| it == identity.server_name.as_str());
    is_own && pdu["content"].get(MESSAGE_FIELD).is_some()
}

/// Returns the event with valid signatures and a valid hash, for a room of version 11, as all of
/// ours are.
fn signed_anew(identity: &Identity, mut event: CanonicalJsonObject) -> Option<CanonicalJsonObject> {
    for field in ["signatures", "hashes", "unsigned"] {
        event.remove(field);
    }
    let rules = RoomVersionId::V11.rules()?;
    let name = identity.server_name.as_str();
    hash_and_sign_event(name, &*identity.key_pair, &mut event, &rules.redaction).ok()?;
    Some(event)
}

/// Changes one bit of the server's own signature.
fn spoil_signature(identity: &Identity, event: &mut CanonicalJsonObject) -> Option<()> {
    let CanonicalJsonValue::Object(signatures) = event.get_mut("signatures")? else { return None };
    let own = signatures.get_mut(identity.server_name.as_str())?;
    let CanonicalJsonValue::Object(by_key) = own else { return None };
    let CanonicalJsonValue::String(signature) = by_key.get_mut(&identity.key_id())? else {
        return None;
    };
    let mut bytes = Base64::<Standard>::parse(&*signature).ok()?.into_inner();
    *bytes.first_mut()? ^= 1;
    *signature = Base64::<Standard>::new(bytes).encode();
    Some(())
}

/// Returns the event of a message with another name.
fn renamed(mut event: CanonicalJsonObject, other: impl Fn(&str) -> String) -> CanonicalJsonObject {
    if let Some(CanonicalJsonValue::Object(content)) = event.get_mut("content")
        && let Some(CanonicalJsonValue::String(name)) = content.get_mut(MESSAGE_FIELD)
    {
        *name = other(name);
    }
    event
}
