//! Signatures and content hash of an event (server-server API, "Checks performed on receipt of a
//! PDU", steps 2 and 3).

use ruma::{
    ServerName,
    canonical_json::redact,
    room_version_rules::RoomVersionRules,
    signatures::{
        PublicKeyMap, Verified, required_server_signatures_to_verify_event, verify_event,
    },
};
use serde_json::value::RawValue;
use transport::federation::{KeyError, KeyRing};

use super::{Pdu, Refusal, Unavailable};

/// Parses an event and verifies its signatures and hash; one whose hash is wrong comes out
/// redacted, which leaves its id as it was.
pub(crate) async fn parse_and_verify(
    keys: &KeyRing,
    raw: &RawValue,
    rules: &RoomVersionRules,
) -> Result<Result<Pdu, Refusal>, Unavailable> {
    match Pdu::parse(raw, rules) {
        Ok(pdu) => verify(keys, pdu, rules).await,
        Err(malformed) => Ok(Err(malformed.into())),
    }
}

async fn verify(
    keys: &KeyRing,
    pdu: Pdu,
    rules: &RoomVersionRules,
) -> Result<Result<Pdu, Refusal>, Unavailable> {
    let servers = match required_server_signatures_to_verify_event(&pdu.json, &rules.signatures) {
        Ok(servers) => servers,
        Err(error) => return Ok(Err(Refusal::Malformed(error.to_string()))),
    };
    let mut known = PublicKeyMap::new();
    for server in &servers {
        let Some(key_id) = signing_key(&pdu, server) else {
            return Ok(Err(Refusal::BadSignature(format!("{server} did not sign"))));
        };
        match keys.keys_of(server, Some(&key_id), pdu.origin_server_ts).await {
            Ok(found) => known.extend(found),
            Err(KeyError::Database(error)) => return Err(Unavailable::Store(error.into())),
            Err(error @ KeyError::Unavailable { .. }) => {
                return Err(Unavailable::Elsewhere(error.to_string()));
            }
        }
    }
    Ok(match verify_event(&known, &pdu.json, rules) {
        Ok(Verified::All) => Ok(pdu),
        Ok(Verified::Signatures) => redacted(&pdu, rules),
        Err(error) => Err(Refusal::BadSignature(error.to_string())),
    })
}

/// The first key with which `server` claims to have signed.
fn signing_key(pdu: &Pdu, server: &ServerName) -> Option<String> {
    let signatures = pdu.json.get("signatures")?.as_object()?.get(server.as_str())?.as_object()?;
    signatures.keys().find(|key| key.starts_with("ed25519:")).cloned()
}

fn redacted(pdu: &Pdu, rules: &RoomVersionRules) -> Result<Pdu, Refusal> {
    let object = redact((*pdu.json).clone(), &rules.redaction, None)
        .map_err(|error| Refusal::Malformed(error.to_string()))?;
    Ok(Pdu::from_object(object, rules)?)
}
