//! Canonical JSON of whatever comes: a fixed point, what it was made of, and what ruma signs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ruma::{
    CanonicalJsonValue, OwnedServerName,
    signatures::{KeyPair, verify_canonical_json_bytes},
};
use serde_json::Value;
use transport::federation::{Identity, canonical_json};

fuzz_target!(|json: &[u8]| {
    let Ok(text) = canonical_json(json) else { return };
    assert_eq!(canonical_json(&text).expect("it is canonical"), text, "it is a fixed point");
    let value = serde_json::from_slice::<Value>(json);
    if let Ok(value) = &value {
        let again: Value = serde_json::from_slice(&text).expect("it is JSON");
        assert_eq!(without_minus(again), without_minus(value.clone()), "it says what it said");
    }
    // Where ruma understands it, it is what ruma makes of it, however it was spelt.
    let Ok(understood) = serde_json::from_slice::<CanonicalJsonValue>(json) else { return };
    let signed = understood.to_string();
    let spelt = serde_json::to_vec_pretty(&value.expect("ruma takes JSON")).expect("it is JSON");
    let ours = canonical_json(&spelt).expect("it was canonical before");
    assert_eq!(String::from_utf8(ours.clone()).expect("it is text"), signed);
    let name = OwnedServerName::try_from("origin.test").expect("a server name");
    let key = Identity::from_seed(name, &[7; 32], "1".to_owned()).key_pair;
    let signature = key.sign(signed.as_bytes());
    let (algorithm, signature) = (signature.algorithm(), signature.as_bytes().to_vec());
    verify_canonical_json_bytes(&algorithm, &key.public_key(), &signature, &ours)
        .expect("the signature is of the same text");
});

/// Returns the value with 0 in the place of -0, which is spelt anew as Dendrite does.
fn without_minus(mut value: Value) -> Value {
    match &mut value {
        Value::Number(number) if number.as_f64() == Some(0.0) => return 0.into(),
        Value::Array(values) => {
            values.iter_mut().for_each(|value| *value = without_minus(value.take()));
        }
        Value::Object(object) => {
            object.values_mut().for_each(|value| *value = without_minus(value.take()));
        }
        _ => {}
    }
    value
}
