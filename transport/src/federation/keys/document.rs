//! The body of `GET /_matrix/key/v2/server`: making our own, reading another server's.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName,
    api::federation::discovery::ServerSigningKeys,
    serde::Base64,
    signatures::{PublicKeyMap, PublicKeySet, sign_json, verify_json},
};

use crate::federation::{Contact, Identity, MAX_KEYS, Proof};

/// How far ahead a key is trusted at most, and how far ahead our own document claims validity
/// (server-server API, "Publishing keys": the lesser of `valid_until_ts` and seven days).
pub const MAX_VALIDITY_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// Bytes of another server's document, which holds a few keys and signatures; a larger one is refused.
/// (Dendrite's is of 400 bytes.)
pub(super) const MAX_DOCUMENT: usize = 64 << 10;

/// Bytes of the id of another server's key, as of other ids of Matrix.
const MAX_KEY_ID: usize = 255;

/// A public key, and the last moment at which what it signed counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownKey {
    pub(super) public_key: Base64,
    /// Milliseconds since the epoch, inclusive.
    pub(super) valid_until_ms: u64,
}

/// Keys of one server by key id.
pub(super) type KnownKeys = BTreeMap<String, KnownKey>;

/// What a server publishes.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) keys: KnownKeys,
    pub(super) contact: Contact,
}

/// Returns this server's own document, signed.
pub(super) fn own(identity: &Identity, contact: &Contact, now_ms: u64) -> serde_json::Value {
    let public_key = STANDARD_NO_PAD.encode(identity.key_pair.public_key());
    let old: BTreeMap<&String, serde_json::Value> = identity
        .old_keys
        .iter()
        .map(|(id, (key, expired_ms))| {
            (id, serde_json::json!({ "key": key, "expired_ts": expired_ms }))
        })
        .collect();
    // Our clock may have been ahead of where it is now: whoever asks only now must believe what was signed then.
    let valid_until_ms = now_ms.saturating_add(MAX_VALIDITY_MS).max(identity.signed_until());
    let mut document = serde_json::json!({
        "server_name": identity.server_name,
        "valid_until_ts": valid_until_ms,
        "verify_keys": { identity.key_id(): { "key": public_key } },
        "old_verify_keys": old,
    });
    contact.write(&mut document);
    let CanonicalJsonValue::Object(mut document) =
        CanonicalJsonValue::try_from(document).expect("strings and a small number are canonical")
    else {
        unreachable!("an object stays an object");
    };
    sign_json(identity.server_name.as_str(), &*identity.key_pair, &mut document)
        .expect("the document has no signatures of another shape");
    proof(&identity.server_name, &document).learn();
    serde_json::to_value(document).expect("canonical JSON is JSON")
}

/// Returns whether no key is believed to be valid at `at_ms`, which is that far ahead of our clock.
pub(super) fn is_beyond_belief(at_ms: u64, now_ms: u64) -> bool {
    at_ms > now_ms.saturating_add(MAX_VALIDITY_MS)
}

/// Reads the document that `server` answered at `now_ms` on our clock, and checks that it is about
/// that server and signed by one of its keys.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn read(server: &ServerName, body: &[u8], now_ms: u64) -> Result<Published, String> {
    if body.len() > MAX_DOCUMENT {
        return Err(format!("the document is larger than {MAX_DOCUMENT} bytes"));
    }
    let document: ServerSigningKeys =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if document.server_name != server {
        return Err(format!("the document is about {}", document.server_name));
    }
    if document.verify_keys.len() + document.old_verify_keys.len() > MAX_KEYS {
        return Err(format!("the document has more than {MAX_KEYS} keys"));
    }
    let current = document.verify_keys.keys().map(|id| id.as_str().len());
    let old = document.old_verify_keys.keys().map(|id| id.as_str().len());
    if current.chain(old).any(|bytes| bytes > MAX_KEY_ID) {
        return Err(format!("the id of a key is longer than {MAX_KEY_ID} bytes"));
    }
    check_signature(server, body, &document)?;

    let believed_until = now_ms.saturating_add(MAX_VALIDITY_MS);
    let trusted_until = u64::from(document.valid_until_ts.get()).min(believed_until);
    let old = document.old_verify_keys.into_iter().map(|(key_id, old)| {
        // One that ended in the far future would be kept in the place of others for ever.
        let valid_until_ms = u64::from(old.expired_ts.get()).min(believed_until);
        (key_id.to_string(), KnownKey { public_key: old.key, valid_until_ms })
    });
    let current = document.verify_keys.into_iter().map(|(key_id, current)| {
        let known = KnownKey { public_key: current.key, valid_until_ms: trusted_until };
        (key_id.to_string(), known)
    });
    Ok(Published { keys: old.chain(current).collect(), contact: Contact::read(body) })
}

fn check_signature(
    server: &ServerName,
    body: &[u8],
    document: &ServerSigningKeys,
) -> Result<(), String> {
    let mut object: CanonicalJsonObject =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    // Others may have signed the document too (a notary); their signatures are not asked for.
    if let Some(CanonicalJsonValue::Object(signatures)) = object.get_mut("signatures") {
        signatures.retain(|signer, _| signer == server.as_str());
        if signatures.is_empty() {
            return Err("the document is not signed by its server".to_owned());
        }
    }
    let keys: PublicKeySet = document
        .verify_keys
        .iter()
        .map(|(key_id, current)| (key_id.to_string(), current.key.clone()))
        .collect();
    let keys = PublicKeyMap::from([(server.to_string(), keys)]);
    let proof = proof(server, &object);
    if proof.is_known() {
        return Ok(());
    }
    verify_json(&keys, &object).map_err(|error| error.to_string())?;
    proof.learn();
    Ok(())
}

/// Returns what stands for the statement that `document`, which lists the keys of `server`, is
/// signed by one of them.
fn proof(server: &ServerName, document: &CanonicalJsonObject) -> Proof {
    let text = serde_json::to_vec(document).expect("canonical JSON is JSON");
    Proof::of("keys", [server.as_bytes(), text.as_slice()])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ruma::server_name;

    use super::{MAX_VALIDITY_MS, own, read};
    use crate::federation::{Contact, Identity};

    #[test]
    fn a_document_with_an_endless_key_id_is_refused_and_no_key_is_believed_for_ever() {
        let server = server_name!("a.example");
        let made = |version: String| {
            let mut identity = Identity::from_seed(server.to_owned(), &[1; 32], version);
            let old = (identity.public_key(), 1 << 50);
            identity.old_keys = Arc::new([("ed25519:old".to_owned(), old)].into());
            read(server, own(&identity, &Contact::default(), 0).to_string().as_bytes(), 0)
        };
        assert!(made("x".repeat(300)).unwrap_err().contains("longer"));
        assert_eq!(
            made("1".to_owned()).unwrap().keys["ed25519:old"].valid_until_ms,
            MAX_VALIDITY_MS
        );
    }

    #[test]
    fn a_key_is_valid_for_all_that_it_has_signed_wherever_the_clock_is_set() {
        let server = server_name!("a.example");
        let identity = Identity::from_seed(server.to_owned(), &[1; 32], "1".to_owned());
        let now_ms = 5 * MAX_VALIDITY_MS;
        identity.has_signed_for(now_ms);
        let published_later = own(&identity, &Contact::default(), 0).to_string();
        let believed = read(server, published_later.as_bytes(), now_ms).unwrap();
        assert_eq!(believed.keys["ed25519:1"].valid_until_ms, now_ms);
    }

    #[test]
    fn a_document_that_was_signed_here_and_changed_is_refused() {
        let server = server_name!("a.example");
        let identity = Identity::from_seed(server.to_owned(), &[1; 32], "1".to_owned());
        let mut document = own(&identity, &Contact::default(), 0);
        assert!(read(server, document.to_string().as_bytes(), 0).is_ok());
        document["valid_until_ts"] = 1.into();
        assert!(read(server, document.to_string().as_bytes(), 0).is_err());
    }
}
