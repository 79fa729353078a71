//! Events of every room version: one that is taken can be sent, read again, signed, redacted and shown.
//! The first byte of an input chooses the version.
#![no_main]

use fuzz::{KEY, ORIGIN};
use homeserver::event::{Pdu, Rules, rules_of};
use libfuzzer_sys::fuzz_target;
use ruma::{
    CanonicalJsonObject, RoomVersionId,
    canonical_json::redact,
    serde::Base64,
    signatures::{PublicKeyMap, PublicKeySet, Verified, hash_and_sign_event, verify_event},
};
use serde_json::{Value, json, value::RawValue};
use transport::{
    bounds::{MAX_ANSWER_DEPTH, MAX_REQUEST_DEPTH, is_within_depth},
    federation::canonical_json,
};

/// Bytes of an event (client-server API, "Size limits").
const MAX_BYTES: usize = 65_535;

fuzz_target!(|input: &[u8]| {
    let Some((version, text)) = input.split_first() else { return };
    let version = RoomVersionId::try_from((6 + version % 7).to_string()).expect("a version");
    let rules = rules_of(&version).expect("a stable version");
    let Ok(raw) = serde_json::from_slice::<&RawValue>(text) else { return };
    let Ok(pdu) = Pdu::parse(raw, rules) else { return };
    passes_every_later_stage(&pdu, rules);
    let mut object = pdu.json.clone();
    hash_and_sign_event(ORIGIN, &*KEY.key_pair, &mut object, &rules.redaction)
        .expect("what was taken can be signed");
    let signed = serde_json::value::to_raw_value(&object).expect("canonical JSON is JSON");
    // A signature has bytes too, which may be too many.
    let Ok(signed) = Pdu::parse(&signed, rules) else {
        assert!(signed.get().len() > MAX_BYTES, "it was signed, and is no event any more");
        return;
    };
    is_verified(&signed.json, rules);
    passes_every_later_stage(&signed, rules);
});

fn passes_every_later_stage(pdu: &Pdu, rules: Rules) {
    let sent = pdu.to_raw();
    assert!(sent.get().len() <= MAX_BYTES);
    let again = Pdu::parse(&sent, rules).expect("what is sent can be taken");
    assert_eq!(&again, pdu, "it is the same event");
    let transaction = json!({ "origin": ORIGIN, "pdus": [json_of(&sent)] }).to_string();
    let request = format!(r#"{{"content":{transaction},"uri":"/"}}"#);
    assert!(is_within_depth(request.as_bytes(), MAX_REQUEST_DEPTH), "a request can carry it");
    canonical_json(request.as_bytes()).expect("the request can be signed");
    let shown = pdu.client_format().get();
    let page =
        format!(r#"{{"rooms":{{"join":{{"room":{{"timeline":{{"events":[{shown}]}}}}}}}}}}"#);
    assert!(is_within_depth(page.as_bytes(), MAX_ANSWER_DEPTH), "an answer can show it");
    serde_json::from_str::<Value>(&page).expect("clients can read it");
    let redacted = redact(pdu.json.clone(), &rules.redaction, None).expect("it can be redacted");
    let redacted = Pdu::from_object(redacted, rules).expect("what is redacted is an event");
    assert_eq!(redacted.event_id, pdu.event_id, "redaction leaves the id as it was");
}

fn is_verified(object: &CanonicalJsonObject, rules: Rules) {
    let key = Base64::new(KEY.key_pair.public_key().to_vec());
    let keys = PublicKeySet::from([(KEY.key_id(), key)]);
    let known = PublicKeyMap::from([(ORIGIN.to_owned(), keys)]);
    let senders = [object.get("sender").and_then(|sender| sender.as_str())];
    if senders.iter().flatten().all(|sender| sender.ends_with(&format!(":{ORIGIN}"))) {
        // Others may have to sign it as well: whoever its id, or its content, names.
        if let Ok(verified) = verify_event(&known, object, rules) {
            assert_eq!(verified, Verified::All);
        }
    }
}

fn json_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("an event is JSON")
}
