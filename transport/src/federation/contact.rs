//! How a server can be reached with mail while it is away, as it publishes it with its keys.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ruma::{
    OwnedServerName, ServerName,
    serde::{Base64, base64::Standard},
};

use super::sealed::SEALING_KEY_BYTES;

/// Relays that are read of one server; any more are ignored. Every one of them costs a sender a request.
pub const MAX_PUBLISHED_RELAYS: usize = 8;

/// The key of the document of keys under which a server names its relays. Ours; no specification has it.
const RELAYS: &str = "org.fedsim.relays";

/// The key under which it has the key that mail for it is sealed to, in base64.
const SEALING_KEY: &str = "org.fedsim.sealing_key";

/// What a server publishes of how mail reaches it, signed with its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Its relays, in its order.
    pub relays: Vec<OwnedServerName>,
    /// The public key that mail for it is sealed to.
    pub sealing_key: Option<[u8; SEALING_KEY_BYTES]>,
}

impl Contact {
    /// Returns whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds it to a document of keys, before that is signed.
    pub(super) fn write(&self, document: &mut serde_json::Value) {
        if !self.relays.is_empty() {
            document[RELAYS] = serde_json::json!(self.relays);
        }
        if let Some(key) = &self.sealing_key {
            document[SEALING_KEY] = STANDARD_NO_PAD.encode(key).into();
        }
    }

    /// Reads it from a document of keys whose signature was checked. What is malformed is not there: keys
    /// are never lost over it.
    pub(super) fn read(document: &[u8]) -> Self {
        let document: serde_json::Value = serde_json::from_slice(document).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let relays = document[RELAYS]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| ServerName::parse(name.as_str()?).ok())
            .filter(|name| seen.insert(name.clone()))
            .take(MAX_PUBLISHED_RELAYS);
        let key =
            document[SEALING_KEY].as_str().and_then(|key| Base64::<Standard>::parse(key).ok());
        Self {
            relays: relays.collect(),
            sealing_key: key.and_then(|key| key.into_inner().try_into().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extension: &serde_json::Value) -> Contact {
        Contact::read(extension.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let relays = ["r2.example", "r1.example:1"].map(|name| ServerName::parse(name).unwrap());
        let contact = Contact { relays: relays.to_vec(), sealing_key: Some([7; 32]) };
        let mut document = serde_json::json!({});
        contact.write(&mut document);
        assert_eq!(read(&document), contact);
        assert!(read(&serde_json::json!({})).is_empty());
    }

    #[test]
    fn what_is_malformed_is_not_there_and_too_many_relays_are_ignored() {
        let malformed = serde_json::json!({ RELAYS: "r1", SEALING_KEY: "c2hvcnQ" });
        assert!(read(&malformed).is_empty());
        let mut names: Vec<_> = (0..100).map(|number| format!("r{number}.example")).collect();
        names.insert(0, "not a name".to_owned());
        names.insert(1, "r0.example".to_owned());
        let contact = read(&serde_json::json!({ RELAYS: names, SEALING_KEY: [1] }));
        assert_eq!(contact.relays.len(), MAX_PUBLISHED_RELAYS);
        assert_eq!(
            (contact.relays[0].as_str(), contact.relays[7].as_str()),
            ("r0.example", "r7.example")
        );
    }
}
