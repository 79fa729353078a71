//! What a relay keeps of a transaction: its PDUs and EDUs, each with the bytes it came with.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use transport::{
    federation::canonical_json,
    object::{is_object, read_object},
};

use crate::refusal::Refusal;

/// PDUs of one transaction (server-server API, "Transactions").
pub(crate) const MAX_PDUS: usize = 50;

/// EDUs of one transaction (server-server API, "Transactions").
pub(crate) const MAX_EDUS: usize = 100;

/// The age after which an EDU that only describes its moment is not handed out any more. A typing
/// notice is meant for half a minute, a presence for some minutes.
pub(crate) const STALE_EDU_AGE: Duration = Duration::from_mins(5);

/// The EDUs that only describe their moment. All others (to-device messages, device lists,
/// receipts) are kept as long as their entry.
const MOMENTARY_EDUS: [&str; 2] = ["m.typing", "m.presence"];

/// The PDUs and EDUs of a transaction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// At most [`MAX_PDUS`], opaque.
    #[serde(default, deserialize_with = "at_most::<_, MAX_PDUS>")]
    pub(crate) pdus: Vec<Box<RawValue>>,
    /// At most [`MAX_EDUS`] objects.
    #[serde(default, deserialize_with = "at_most::<_, MAX_EDUS>")]
    pub(crate) edus: Vec<Box<RawValue>>,
}

/// What makes two transactions with the same id different ones.
pub(crate) type BodyHash = [u8; 32];

#[derive(Deserialize)]
struct EduType {
    #[serde(default)]
    edu_type: String,
}

impl Transaction {
    /// Reads the body of a `send_relay` request. Other fields than the PDUs and EDUs are left out:
    /// who the origin is, the signature says.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let transaction: Self = read_object(body).map_err(|error| Refusal::of_body(&error))?;
        for edu in &transaction.edus {
            if !is_object(edu.get().as_bytes()) {
                return Err(Refusal::BadJson("an EDU must be an object".to_owned()));
            }
            serde_json::from_str::<EduType>(edu.get())
                .map_err(|error| Refusal::BadJson(format!("an EDU: {error}")))?;
        }
        Ok(transaction)
    }

    /// Returns the form in which it is stored, and read again by serde.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("raw JSON values are JSON")
    }

    /// Returns the hash of the PDUs and EDUs in canonical JSON: the same for the same values,
    /// however they are written. Dendrite sends one transaction id again with more events in it, so
    /// the id alone does not tell whether a transaction is known.
    pub(crate) fn hash(&self) -> BodyHash {
        let mut hasher = blake3::Hasher::new();
        for (kind, values) in [(b"pdus", &self.pdus), (b"edus", &self.edus)] {
            hasher.update(kind);
            for value in values {
                // As a tree of values it could take fifty times the room.
                let canonical = canonical_json(value.get().as_bytes())
                    .unwrap_or_else(|_| value.get().as_bytes().to_vec());
                hasher.update(&(canonical.len() as u64).to_le_bytes());
                hasher.update(&canonical);
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// Drops the EDUs that have gone stale `age` after they were stored.
    pub(crate) fn drop_stale_edus(&mut self, age: Duration) {
        if age < STALE_EDU_AGE {
            return;
        }
        self.edus.retain(|edu| {
            let edu_type = serde_json::from_str::<EduType>(edu.get());
            !edu_type.is_ok_and(|edu| MOMENTARY_EDUS.contains(&edu.edu_type.as_str()))
        });
    }
}

/// Reads a list, and refuses it, rather than reading it to its end, when it has more than `MAX`
/// values; `null` is an empty one.
fn at_most<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<Box<RawValue>>, D::Error> {
    deserializer.deserialize_option(AtMost::<MAX>)
}

struct AtMost<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for AtMost<MAX> {
    type Value = Vec<Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} values")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            if values.len() == MAX {
                return Err(A::Error::custom(format!("more than {MAX} values in one list")));
            }
            values.push(value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_pdus(count: usize) -> Vec<u8> {
        format!(r#"{{"pdus":[{}]}}"#, vec!["{}"; count].join(",")).into_bytes()
    }

    #[test]
    fn fifty_pdus_are_taken_and_one_more_is_not() {
        assert_eq!(Transaction::read(&with_pdus(50)).unwrap().pdus.len(), 50);
        assert!(matches!(Transaction::read(&with_pdus(51)), Err(Refusal::BadJson(_))));
    }

    #[test]
    fn an_empty_object_and_nulls_are_an_empty_transaction() {
        for body in ["{}", r#"{"pdus":null,"edus":null}"#, r#"{"pdus":[],"origin":7}"#] {
            let transaction = Transaction::read(body.as_bytes()).unwrap();
            assert!(transaction.pdus.is_empty() && transaction.edus.is_empty(), "{body}");
        }
    }

    #[test]
    fn what_is_not_a_transaction_is_refused() {
        assert!(matches!(Transaction::read(b""), Err(Refusal::NotJson(_))));
        assert!(matches!(Transaction::read(b"{"), Err(Refusal::NotJson(_))));
        assert!(matches!(Transaction::read(b"[]"), Err(Refusal::BadJson(_))));
        assert!(matches!(Transaction::read(br#"{"pdus":false}"#), Err(Refusal::BadJson(_))));
        assert!(matches!(Transaction::read(br#"{"edus":[[""]]}"#), Err(Refusal::BadJson(_))));
    }

    #[test]
    fn the_bytes_of_a_pdu_are_kept() {
        let pdu = r#"{ "z":1,"a":"<b>\u00e9",  "big":9007199254740993 }"#;
        let body = format!(r#"{{"pdus":[{pdu}]}}"#);
        let kept = serde_json::to_vec(&Transaction::read(body.as_bytes()).unwrap()).unwrap();
        let read_again: Transaction = serde_json::from_slice(&kept).unwrap();
        assert_eq!(read_again.pdus[0].get(), pdu);
    }

    #[test]
    fn the_hash_tells_values_and_not_spelling() {
        let hash = |body: &str| Transaction::read(body.as_bytes()).unwrap().hash();
        let one = hash(r#"{"pdus":[{"a":1,"b":2}]}"#);
        assert_eq!(one, hash(r#"{ "pdus": [{"b":2, "a":1}], "origin_server_ts": 5 }"#));
        assert_ne!(one, hash(r#"{"pdus":[{"a":1,"b":3}]}"#));
        assert_ne!(hash(r#"{"pdus":[{}]}"#), hash(r#"{"edus":[{}]}"#));
    }

    #[test]
    fn typing_goes_stale_and_to_device_does_not() {
        let body = br#"{"edus":[{"edu_type":"m.typing"},{"edu_type":"m.direct_to_device"}]}"#;
        let mut transaction = Transaction::read(body).unwrap();
        transaction.drop_stale_edus(STALE_EDU_AGE.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(transaction.edus.len(), 2);
        transaction.drop_stale_edus(STALE_EDU_AGE);
        assert_eq!(transaction.edus.len(), 1);
        assert!(transaction.edus[0].get().contains("m.direct_to_device"));
    }
}
