//! Sealed mail: a transaction that a relay carries and cannot read. On the wire it is one EDU, which every
//! relay carries, Dendrite's too. In it is a letter: the transaction, and a statement about it that its
//! origin has signed, so that its recipient knows the EDUs in it from those that a relay makes up.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use blake3::Hash;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName,
    serde::{Base64, base64::Standard},
    signatures::{PublicKeyMap, sign_json, verify_json},
};
use serde::{Deserialize, Serialize};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use transport::{
    endpoints::relay::RelayedTransaction,
    federation::{Identity, KeyError, KeyRing, SEALING_KEY_BYTES, Sealed},
};

use super::Edu;
use crate::store::StoreError;

/// The type of the EDU that a sealed transaction is.
pub(super) const SEALED: &str = "org.fedsim.sealed";

/// EDUs that say what is so at the moment. A relay drops them from mail that it can read, once they are
/// stale.
const MOMENTARY_EDUS: [&str; 2] = ["m.typing", "m.presence"];

/// After how long these are stale, as for a relay.
const STALE_EDU_AGE: Duration = Duration::from_mins(5);

/// A letter, opened. Who wrote it is known once it is [`verified`](Letter::verify).
#[derive(Debug)]
pub(super) struct Letter {
    /// What was sealed, as it was.
    pub(super) text: String,
    statement: Statement,
    signed: CanonicalJsonObject,
    is_whole: bool,
    pub(super) pdus: Vec<Box<RawValue>>,
    pub(super) edus: Vec<Edu>,
}

/// What the origin signs.
#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    origin: String,
    destination: String,
    transaction_id: String,
    origin_server_ts: u64,
    /// The BLAKE3 hash of the transaction, in hexadecimal digits.
    hash: String,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Text {
    statement: Box<RawValue>,
    transaction: Box<RawValue>,
}

/// The transaction in a letter.
#[derive(Serialize, Deserialize)]
struct Parts {
    #[serde(default)]
    pdus: Vec<Box<RawValue>>,
    #[serde(default)]
    edus: Vec<Box<RawValue>>,
}

/// An EDU that may be a sealed transaction.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "edu_type")]
    kind: String,
    #[serde(default)]
    content: EnvelopeContent,
}

#[derive(Default, Deserialize)]
struct EnvelopeContent {
    #[serde(default)]
    encapsulated_key: String,
    #[serde(default)]
    ciphertext: String,
}

/// Whether a letter is from whom it says.
pub(super) enum Verdict {
    /// It is.
    Authentic,
    /// It is not, or not as it was written; why.
    Forged(String),
    /// The origin's keys cannot be had now; why.
    Unknown(String),
}

/// Whom something is sealed to.
#[derive(Clone, Copy)]
pub(super) struct Addressee<'a> {
    pub(super) name: &'a ServerName,
    /// The key that it publishes.
    pub(super) key: &'a [u8; SEALING_KEY_BYTES],
}

/// Seals a transaction. The same transaction is sealed the same way again.
///
/// # Errors
/// In words, why that cannot be done: the key is none, or something in the transaction cannot be signed.
pub(super) fn seal(
    by: &Identity,
    to: Addressee<'_>,
    transaction: RelayedTransaction,
    transaction_id: &str,
) -> Result<RelayedTransaction, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let RelayedTransaction { pdus, edus, .. } = transaction;
    let parts = Parts { pdus: pdus.unwrap_or_default(), edus: edus.unwrap_or_default() };
    let body = to_raw_value(&parts).map_err(|error| words(&error))?;
    let statement = Statement {
        origin: by.server_name.to_string(),
        destination: to.name.to_string(),
        transaction_id: transaction_id.to_owned(),
        origin_server_ts: transaction.origin_server_ts,
        hash: hash_of(&body).to_hex().to_string(),
    };
    let statement = serde_json::to_value(statement).map_err(|error| words(&error))?;
    let Ok(CanonicalJsonValue::Object(mut statement)) = CanonicalJsonValue::try_from(statement)
    else {
        return Err("the time of the transaction is out of range".to_owned());
    };
    sign_json(by.server_name.as_str(), &*by.key_pair, &mut statement)
        .map_err(|error| words(&error))?;
    by.has_signed_for(transaction.origin_server_ts);
    let statement = to_raw_value(&statement).map_err(|error| words(&error))?;
    let text = serde_json::to_vec(&Text { statement, transaction: body });
    let text = text.map_err(|error| words(&error))?;
    let about = about(&by.server_name, to.name);
    let sealed = by.sealing_key.seal(to.key, &about, &text).map_err(|error| words(&error))?;
    let envelope = to_raw_value(&json!({
        "edu_type": SEALED,
        "content": {
            "encapsulated_key": STANDARD_NO_PAD.encode(sealed.encapsulated_key),
            "ciphertext": STANDARD_NO_PAD.encode(sealed.ciphertext),
        },
    }));
    Ok(RelayedTransaction {
        origin: transaction.origin,
        origin_server_ts: transaction.origin_server_ts,
        pdus: Some(Vec::new()),
        edus: Some(vec![envelope.map_err(|error| words(&error))?]),
        transaction_id: transaction.transaction_id,
    })
}

/// Opens the letter in what a relay handed out; `None` if it is not sealed. What else is with a sealed
/// transaction is not its origin's.
///
/// # Errors
/// In words, why it cannot be opened.
pub(super) fn open(
    by: &Identity,
    origin: &ServerName,
    transaction: &RelayedTransaction,
) -> Option<Result<Letter, String>> {
    let edus = transaction.edus.iter().flatten();
    let mut envelopes = edus.filter_map(|edu| serde_json::from_str::<Envelope>(edu.get()).ok());
    let envelope = envelopes.find(|envelope| envelope.kind == SEALED)?;
    Some(opened(by, origin, &envelope.content))
}

fn opened(by: &Identity, origin: &ServerName, content: &EnvelopeContent) -> Result<Letter, String> {
    let decoded = |text: &str| Base64::<Standard>::parse(text).map(Base64::into_inner);
    let key = decoded(&content.encapsulated_key).ok().and_then(|key| key.try_into().ok());
    let (Some(encapsulated_key), Ok(ciphertext)) = (key, decoded(&content.ciphertext)) else {
        return Err("what is sealed is not in base64".to_owned());
    };
    let sealed = Sealed { encapsulated_key, ciphertext };
    let about = about(origin, &by.server_name);
    let text = by.sealing_key.open(&about, &sealed).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    let letter = Letter::read(text).map_err(|error| format!("the letter is malformed: {error}"))?;
    let Statement { origin: from, destination: to, .. } = &letter.statement;
    if (from.as_str(), to.as_str()) != (origin.as_str(), by.server_name.as_str()) {
        return Err(format!("the letter is from {from} to {to}"));
    }
    Ok(letter)
}

impl Letter {
    /// Reads what was sealed.
    pub(super) fn read(text: String) -> Result<Self, serde_json::Error> {
        let Text { statement, transaction } = serde_json::from_str(&text)?;
        let signed = serde_json::from_str(statement.get())?;
        let statement: Statement = serde_json::from_str(statement.get())?;
        let is_whole =
            Hash::from_hex(&statement.hash).is_ok_and(|hash| hash == hash_of(&transaction));
        let Parts { pdus, edus } = serde_json::from_str(transaction.get())?;
        let edus = edus.iter().filter_map(|edu| serde_json::from_str(edu.get()).ok()).collect();
        Ok(Self { text, statement, signed, is_whole, pdus, edus })
    }

    /// Returns the id that the origin gave the transaction.
    pub(super) fn transaction_id(&self) -> &str {
        &self.statement.transaction_id
    }

    /// Returns the EDUs in it that still mean something at `now_ms`.
    pub(super) fn fresh_edus(&self, now_ms: u64) -> Vec<Edu> {
        let age_ms = now_ms.saturating_sub(self.statement.origin_server_ts);
        let is_stale = u128::from(age_ms) >= STALE_EDU_AGE.as_millis();
        let is_momentary = |edu: &&Edu| MOMENTARY_EDUS.contains(&edu.kind.as_str());
        self.edus.iter().filter(|edu| !is_stale || !is_momentary(edu)).cloned().collect()
    }

    /// Finds out whether the letter, which `relay` has brought, is from its origin.
    ///
    /// # Errors
    /// The store refuses.
    pub(super) async fn verify(
        &self,
        keys: &KeyRing,
        origin: &ServerName,
        relay: &ServerName,
    ) -> Result<Verdict, StoreError> {
        let Some(key_id) = self.signing_key(origin) else {
            return Ok(Verdict::Forged(format!("{origin} did not sign it")));
        };
        let at_ms = self.statement.origin_server_ts;
        let known = match keys.keys_brought(origin, Some(&key_id), at_ms, relay).await {
            Ok(known) => known,
            Err(KeyError::Database(error)) => return Err(error.into()),
            Err(error @ KeyError::Unavailable { .. }) => {
                return Ok(Verdict::Unknown(error.to_string()));
            }
        };
        let is_known = known.get(origin.as_str()).is_some_and(|keys| keys.contains_key(&key_id));
        if !is_known && let Some(later) = keys.not_believed_yet(origin, &key_id, at_ms) {
            return Ok(match self.judge(&later) {
                Verdict::Authentic => {
                    Verdict::Unknown(format!("no key of {origin} is believed for that time yet"))
                }
                other => other,
            });
        }
        Ok(self.judge(&known))
    }

    fn judge(&self, known: &PublicKeyMap) -> Verdict {
        match verify_json(known, &self.signed) {
            _ if !self.is_whole => {
                Verdict::Forged("it is not the transaction that was signed".to_owned())
            }
            Ok(()) => Verdict::Authentic,
            Err(error) => Verdict::Forged(error.to_string()),
        }
    }

    /// Returns the id of the key that the origin signed with.
    fn signing_key(&self, origin: &ServerName) -> Option<String> {
        let CanonicalJsonValue::Object(by_server) = self.signed.get("signatures")? else {
            return None;
        };
        let CanonicalJsonValue::Object(by_key) = by_server.get(origin.as_str())? else {
            return None;
        };
        by_key.keys().find(|id| id.starts_with("ed25519:")).cloned()
    }
}

/// Returns what a sealed letter is about, which its relay knows.
fn about(origin: &ServerName, destination: &ServerName) -> Vec<u8> {
    format!("{origin} {destination}").into_bytes()
}

fn hash_of(transaction: &RawValue) -> Hash {
    blake3::hash(transaction.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use ruma::{OwnedServerName, signatures::PublicKeySet};

    use super::*;

    fn server(name: &str, seed: u8) -> Identity {
        let name = OwnedServerName::try_from(name).unwrap();
        Identity::from_seed(name, &[seed; 32], "1".to_owned())
    }

    fn keys_of(server: &Identity) -> PublicKeyMap {
        let keys = PublicKeySet::from([(server.key_id(), server.public_key())]);
        PublicKeyMap::from([(server.server_name.to_string(), keys)])
    }

    fn transaction(pdu: &str) -> RelayedTransaction {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        RelayedTransaction {
            origin: "a.example".to_owned(),
            origin_server_ts: 5,
            pdus: Some(vec![raw(pdu)]),
            edus: Some(vec![raw(r#"{ "edu_type": "m.typing", "content": {} }"#)]),
            transaction_id: None,
        }
    }

    fn sealed(by: &Identity, to: &Identity, transaction: RelayedTransaction) -> RelayedTransaction {
        let key = to.sealing_key.public();
        let addressee = Addressee { name: &to.server_name, key: &key };
        seal(by, addressee, transaction, "t1").unwrap()
    }

    #[test]
    fn a_letter_is_opened_as_it_was_written_and_its_origin_is_known() {
        let (a, b) = (server("a.example", 1), server("b.example", 2));
        // What cannot be signed by itself is still carried.
        let written = r#"{ "a float": 1.50 }"#;
        let mail = sealed(&a, &b, transaction(written));
        assert!(!serde_json::to_string(&mail).unwrap().contains("float"));
        let letter = open(&b, &a.server_name, &mail).unwrap().unwrap();
        assert_eq!((letter.pdus[0].get(), letter.transaction_id()), (written, "t1"));
        assert_eq!(letter.edus[0].kind, "m.typing");
        assert!(matches!(letter.judge(&keys_of(&a)), Verdict::Authentic));
        assert!(open(&b, &a.server_name, &transaction(written)).is_none());
    }

    #[test]
    fn a_letter_to_another_server_or_of_another_one_is_not_opened() {
        let (a, b) = (server("a.example", 1), server("b.example", 2));
        let mail = sealed(&a, &b, transaction("{}"));
        assert!(open(&a, &a.server_name, &mail).unwrap().is_err());
        assert!(open(&b, &b.server_name, &mail).unwrap().is_err());
        let cut = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let envelope =
            cut(r#"{ "edu_type": "org.fedsim.sealed", "content": { "ciphertext": "?" } }"#);
        let mail = RelayedTransaction { edus: Some(vec![envelope]), ..mail };
        assert!(open(&b, &a.server_name, &mail).unwrap().unwrap_err().contains("base64"));
    }

    #[test]
    fn a_letter_that_its_origin_has_not_signed_is_forged() {
        let (a, b) = (server("a.example", 1), server("b.example", 2));
        let eve = server("a.example", 3);
        let letter = |by: &Identity, pdu: &str| {
            open(&b, &a.server_name, &sealed(by, &b, transaction(pdu))).unwrap().unwrap()
        };
        let forged = |letter: &Letter| matches!(letter.judge(&keys_of(&a)), Verdict::Forged(_));
        assert!(forged(&letter(&eve, "{}")));
        // The statement of one letter on another's transaction.
        let [one, other] =
            ["1", "2"].map(|pdu| serde_json::from_str::<Text>(&letter(&a, pdu).text).unwrap());
        let mixed = Text { statement: one.statement, transaction: other.transaction };
        assert!(forged(&Letter::read(serde_json::to_string(&mixed).unwrap()).unwrap()));
    }
}
