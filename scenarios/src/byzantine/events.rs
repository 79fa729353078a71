//! Misdeeds with events: another body under the same transaction id, two events in one place,
//! previous events that nobody has, all of them validly signed; and events that are not.

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, RoomVersionId,
    serde::{Base64, base64::Standard},
    signatures::hash_and_sign_event,
};
use serde_json::Value;
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};
use transport::federation::Identity;

use super::{
    FORGED,
    seat::Meeting,
    wire::{arguments, signed},
};
use crate::{history::pdu::MESSAGE_FIELD, scenario::Misdeed};

/// What follows the name of a message in an event that took its place.
const TWIN: &str = " twin";

/// What becomes of a request that carries events.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    let carried_by: &[&str] = match misdeed {
        Misdeed::SameIdOtherBody | Misdeed::Equivocate | Misdeed::UnknownPrevEvents => &["send"],
        // No relay looks at the events that it keeps.
        Misdeed::ForgeEventSignature => &["send", "send_relay"],
        _ => return None,
    };
    carried_by.iter().find_map(|endpoint| arguments(endpoint, request))?;
    let identity = meeting.identity?;
    let alter = |event: &mut CanonicalJsonObject| alter(misdeed, meeting.touched, identity, event);
    let changed = changed(identity, request, alter)?;
    let signed = signed(&changed, &identity.server_name, meeting.other, &identity.key_pair)?;
    if *misdeed == Misdeed::SameIdOtherBody {
        let aside = Aside { request: signed, after_answer: true, pause: None };
        return Some(Dealing { fate: Fate::Pass, asides: vec![aside] });
    }
    Some(Fate::Replace(signed).into())
}

/// Makes of a true event what the misdeed makes of it, the `touched`th time.
fn alter(
    misdeed: &Misdeed,
    touched: u64,
    identity: &Identity,
    event: &mut CanonicalJsonObject,
) -> Option<()> {
    match misdeed {
        Misdeed::SameIdOtherBody => rename(event, |name| format!("{FORGED}{name}")),
        Misdeed::Equivocate => rename(event, |name| format!("{name}{TWIN}")),
        Misdeed::UnknownPrevEvents => lose_previous(event),
        Misdeed::ForgeEventSignature => {
            if touched.is_multiple_of(2) {
                rename(event, |name| format!("{FORGED}{name}"));
                sign(identity, event)?;
            }
            return spoil_signature(identity, event);
        }
        _ => return None,
    }
    sign(identity, event)
}

/// The same transaction with its own server's messages altered; none if it carries no such message.
fn changed(
    identity: &Identity,
    request: &HttpMessage,
    alter: impl Fn(&mut CanonicalJsonObject) -> Option<()>,
) -> Option<HttpMessage> {
    let mut transaction: Value = serde_json::from_slice(&request.body).ok()?;
    let mut is_changed = false;
    for pdu in transaction.get_mut("pdus")?.as_array_mut()? {
        let mut event: CanonicalJsonObject = serde_json::from_value(pdu.clone()).ok()?;
        if is_own_message(identity, pdu) {
            alter(&mut event)?;
            *pdu = serde_json::to_value(event).ok()?;
            is_changed = true;
        }
    }
    is_changed.then(|| request.clone().with_body(transaction.to_string()))
}

fn is_own_message(identity: &Identity, pdu: &Value) -> bool {
    let sender = pdu.get("sender").and_then(Value::as_str).unwrap_or_default();
    let is_own = sender.split_once(':').is_some_and(|(_, it)| it == identity.server_name.as_str());
    is_own && pdu["content"].get(MESSAGE_FIELD).is_some()
}

/// Signs an event of a version 11 room, as all of ours are.
fn sign(identity: &Identity, event: &mut CanonicalJsonObject) -> Option<()> {
    for field in ["signatures", "hashes", "unsigned"] {
        event.remove(field);
    }
    let rules = RoomVersionId::V11.rules()?;
    let name = identity.server_name.as_str();
    hash_and_sign_event(name, &*identity.key_pair, event, &rules.redaction).ok()
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

fn rename(event: &mut CanonicalJsonObject, renamed: impl Fn(&str) -> String) {
    let Some(CanonicalJsonValue::Object(content)) = event.get_mut("content") else { return };
    if let Some(CanonicalJsonValue::String(name)) = content.get_mut(MESSAGE_FIELD) {
        *name = renamed(name);
    }
}

/// Names a previous event that nobody ever made: its id is the hash of what it stands in the place
/// of.
fn lose_previous(event: &mut CanonicalJsonObject) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let known = format!("{:?}", event.get("prev_events"));
    let id = URL_SAFE_NO_PAD.encode(blake3::hash(known.as_bytes()).as_bytes());
    let nobodys = CanonicalJsonValue::String(format!("${id}"));
    event.insert("prev_events".to_owned(), CanonicalJsonValue::Array(vec![nobodys]));
    rename(event, |name| format!("{FORGED}{name}"));
}
