//! Misdeeds with signatures: forged, another server's, or by an expired key.

use ruma::{
    CanonicalJsonObject, ServerName,
    serde::{Base64, base64::Standard},
    signatures::{Ed25519KeyPair, sign_json},
};
use scenarios::scenario::Misdeed;
use serde_json::{Value, json};
use sim::tamper::{Dealing, Fate, HttpMessage};
use transport::federation::Identity;

use super::{
    tamperer::Meeting,
    wire::{claim, claiming, signed},
};

/// Where a server's keys are.
const KEYS: &str = "/_matrix/key/v2/server";

/// When the keys expired, in milliseconds since the epoch: 2019-12-31, the day before every world
/// begins.
const EXPIRED_MS: u64 = 1_577_750_400_000;

/// Returns whether it is a misdeed after which nobody may accept the request.
pub(super) fn is_theirs(misdeed: &Misdeed) -> bool {
    matches!(misdeed, Misdeed::ForgeSignature | Misdeed::WrongOrigin { .. } | Misdeed::ExpiredKey)
}

/// Decides what becomes of a signed request.
pub(super) fn request(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    let mut claimed = claim(request)?;
    let identity = meeting.identity?;
    let replaced = match misdeed {
        Misdeed::ForgeSignature => {
            let mut signature = claimed.sig.as_bytes().to_vec();
            *signature.first_mut()? ^= 1;
            claimed.sig = Base64::new(signature);
            claiming(request, &claimed)?
        }
        Misdeed::WrongOrigin { claims } => {
            let origin = ServerName::parse(claims.as_str()).ok()?;
            let request = with_origin(request, claims);
            signed(&request, &origin, meeting.other, &identity.key_pair)?
        }
        Misdeed::ExpiredKey => {
            let expired = expired(identity);
            signed(request, &identity.server_name, meeting.other, &expired.key_pair)?
        }
        _ => return None,
    };
    Some(Fate::Replace(replaced).into())
}

/// Returns the same request; if it is a transaction, it says that another server made it.
fn with_origin(request: &HttpMessage, claims: &str) -> HttpMessage {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&request.body) else {
        return request.clone();
    };
    if let Some(origin) = body.get_mut("origin") {
        *origin = claims.into();
    }
    request.clone().with_body(Value::Object(body).to_string())
}

/// Decides what becomes of the answer to a request for keys.
pub(super) fn answer(
    misdeed: &Misdeed,
    meeting: &Meeting<'_>,
    request: &HttpMessage,
) -> Option<Dealing> {
    if *misdeed != Misdeed::ExpiredKey || request.target() != KEYS {
        return None;
    }
    let identity = meeting.identity?;
    let document = expired_document(identity, &expired(identity))?;
    let answer = HttpMessage::answer("200 OK", document);
    Some(Fate::Replace(answer.with_header("content-type", "application/json")).into())
}

/// Returns a second key of the same server, which is the same at each call.
fn expired(identity: &Identity) -> Identity {
    let seed = blake3::hash(format!("expired key of {}", identity.server_name).as_bytes());
    Identity::from_seed(identity.server_name.clone(), seed.as_bytes(), "expired".to_owned())
}

/// Returns the keys of the server, none of which is valid anymore, signed by both.
fn expired_document(identity: &Identity, expired: &Identity) -> Option<String> {
    let key = |pair: &Ed25519KeyPair| json!({ "key": Base64::<Standard, _>::new(pair.public_key().to_vec()) });
    let document = json!({
        "server_name": identity.server_name,
        "valid_until_ts": EXPIRED_MS,
        "verify_keys": {
            identity.key_id(): key(&identity.key_pair),
            expired.key_id(): key(&expired.key_pair),
        },
        "old_verify_keys": {},
    });
    let mut document: CanonicalJsonObject = serde_json::from_value(document).ok()?;
    for signer in [identity, expired] {
        sign_json(signer.server_name.as_str(), &*signer.key_pair, &mut document).ok()?;
    }
    serde_json::to_string(&document).ok()
}
