//! Signatures and content hash of an event (server-server API, "Checks performed on receipt of a
//! PDU", steps 2 and 3).

use defects::{Defect, planted};
use ruma::{
    ServerName,
    canonical_json::redact,
    serde::Base64,
    signatures::{
        PublicKeyMap, PublicKeySet, Verified, content_hash,
        required_server_signatures_to_verify_event, verify_event,
    },
};
use serde_json::value::RawValue;
use transport::federation::{Identity, KeyError, KeyRing, Proof};

use super::{Refusal, Unavailable};
use crate::event::{Malformed, Pdu, rules::Rules};

/// Parses an event and verifies it.
pub(crate) async fn parse_and_verify(
    keys: &KeyRing,
    raw: &RawValue,
    rules: Rules,
) -> Result<Result<Pdu, Refusal>, Unavailable> {
    match Pdu::parse(raw, rules) {
        Ok(pdu) => verify(keys, pdu, rules, None).await,
        Err(malformed) => Ok(Err(malformed.into())),
    }
}

/// Verifies the signatures and the hash of an event, which `bringer` has brought by itself; one whose hash
/// is wrong comes out redacted, which leaves its id as it was.
pub(crate) async fn verify(
    keys: &KeyRing,
    pdu: Pdu,
    rules: Rules,
    bringer: Option<&ServerName>,
) -> Result<Result<Pdu, Refusal>, Unavailable> {
    let servers = match required_server_signatures_to_verify_event(&pdu.json, &rules.signatures) {
        Ok(servers) => servers,
        Err(error) => return Ok(Err(Malformed::because(error).into())),
    };
    let mut known = PublicKeyMap::new();
    let mut too_far_ahead = None;
    for server in &servers {
        let Some(key_id) = signing_key(&pdu, server) else {
            return Ok(Err(Refusal::BadSignature(format!("{server} did not sign the event"))));
        };
        let at_ms = pdu.origin_server_ts;
        let found = match bringer {
            Some(bringer) => keys.keys_brought(server, Some(&key_id), at_ms, bringer).await,
            None => keys.keys_of(server, Some(&key_id), at_ms).await,
        };
        match found {
            Ok(found) => {
                let known_keys = found.get(server.as_str());
                if !known_keys.is_some_and(|keys| keys.contains_key(&key_id)) {
                    let Some(later) = keys.not_believed_yet(server, &key_id, at_ms) else {
                        let reason = format!("{server} does not publish {key_id} for that time");
                        return Ok(Err(Refusal::UnknownKey(reason)));
                    };
                    too_far_ahead =
                        Some(format!("no key of {server} is believed for that time yet"));
                    known.extend(later);
                    continue;
                }
                known.extend(found);
            }
            Err(KeyError::Database(error)) => return Err(Unavailable::Store(error.into())),
            Err(error @ KeyError::Unavailable { .. }) => {
                return Err(Unavailable::Elsewhere(error.to_string()));
            }
        }
    }
    if let Some(reason) = too_far_ahead {
        return Ok(Err(match verify_event(&known, &pdu.json, rules) {
            Ok(_) => Refusal::TooFarAhead(reason),
            Err(error) => Refusal::BadSignature(error.to_string()),
        }));
    }
    let proof = proof(&pdu, &known);
    if proof.is_known() {
        return Ok(Ok(pdu));
    }
    Ok(match verify_event(&known, &pdu.json, rules) {
        Ok(Verified::All) => {
            proof.learn();
            Ok(pdu)
        }
        Ok(Verified::Signatures) if planted(Defect::AlteredContentIsShown) => Ok(pdu),
        Ok(Verified::Signatures) => redacted(&pdu, rules),
        Err(error) => Err(Refusal::BadSignature(error.to_string())),
    })
}

/// Returns an event whose signatures nobody can verify now; redacted, if its hash is wrong.
pub(crate) fn with_its_hash(pdu: Pdu, rules: Rules) -> Result<Pdu, Refusal> {
    let hash = content_hash(&pdu.json).map_err(Malformed::because)?;
    let hashes = pdu.json.get("hashes").and_then(|hashes| hashes.as_object());
    let claimed = hashes.and_then(|hashes| hashes.get("sha256")).and_then(|hash| hash.as_str());
    if claimed == Some(hash.encode().as_str()) { Ok(pdu) } else { redacted(&pdu, rules) }
}

/// Returns the statement that all signatures and the hash of `pdu` are valid, where its signers
/// have the keys `known`.
fn proof(pdu: &Pdu, known: &PublicKeyMap) -> Proof {
    // The id hashes what is signed, as the version of the room has it; the rest is in the text.
    let keys = known.iter().flat_map(|(server, keys)| {
        keys.iter().flat_map(move |(id, key)| [server.as_bytes(), id.as_bytes(), key.as_bytes()])
    });
    let event = [pdu.event_id.as_bytes(), pdu.digest.as_bytes().as_slice()];
    Proof::of("event", keys.chain(event))
}

/// Remembers that an event that was signed here is valid, where nobody else has to sign it.
pub(super) fn signed_here(identity: &Identity, pdu: &Pdu, rules: Rules) {
    let us = &identity.server_name;
    let servers = required_server_signatures_to_verify_event(&pdu.json, &rules.signatures);
    if servers.is_ok_and(|servers| servers.iter().all(|server| server == us)) {
        let key = Base64::new(identity.key_pair.public_key().to_vec());
        let keys = PublicKeySet::from([(identity.key_id(), key)]);
        proof(pdu, &PublicKeyMap::from([(us.to_string(), keys)])).learn();
    }
}

/// Returns the first key with which `server` claims to have signed.
fn signing_key(pdu: &Pdu, server: &ServerName) -> Option<String> {
    let signatures = pdu.json.get("signatures")?.as_object()?.get(server.as_str())?.as_object()?;
    signatures.keys().find(|key| key.starts_with("ed25519:")).cloned()
}

/// Returns the event as it is once it is redacted: with the same id.
pub(crate) fn redacted(pdu: &Pdu, rules: Rules) -> Result<Pdu, Refusal> {
    let object = redact(pdu.json.clone(), &rules.redaction, None).map_err(Malformed::because)?;
    Ok(Pdu::from_object(object, rules)?)
}
