//! Events that this thread has parsed: one is read again for every device and for every event that
//! builds on it, and comes to every server of its room. Its text never changes.

use std::cell::RefCell;

use hashlink::LruCache;
use ruma::OwnedEventId;

use crate::event::{Pdu, rules::Rules};

/// Events of each kind that one thread keeps parsed.
const MAX_PARSED: usize = 4096;

thread_local! {
    /// By the hash of their text, with the rules under which they were parsed.
    static RECEIVED: RefCell<LruCache<blake3::Hash, (Rules, Pdu)>> =
        RefCell::new(LruCache::new(MAX_PARSED));
    /// By their ids.
    static STORED: RefCell<LruCache<OwnedEventId, Pdu>> = RefCell::new(LruCache::new(MAX_PARSED));
}

/// Returns the event that was parsed from the text with this hash under these very rules.
pub(super) fn received(text: &blake3::Hash, rules: Rules) -> Option<Pdu> {
    RECEIVED.with_borrow_mut(|received| match received.get(text) {
        Some((under, pdu)) if std::ptr::eq(*under, rules) => Some(pdu.clone()),
        _ => None,
    })
}

/// Returns the event with that id, if that is its very text.
pub(super) fn stored(event_id: &str, room_id: &str, text: &str) -> Option<Pdu> {
    let is_it = |pdu: &&Pdu| pdu.raw.get() == text && pdu.room_id == room_id;
    STORED.with_borrow_mut(|stored| stored.get(event_id).filter(is_it).cloned())
}

/// Keeps an event that was parsed under these rules.
pub(super) fn keep(pdu: &Pdu, rules: Rules) {
    RECEIVED.with_borrow_mut(|received| received.insert(pdu.digest, (rules, pdu.clone())));
    keep_stored(pdu);
}

/// Keeps an event that came from the store.
pub(super) fn keep_stored(pdu: &Pdu) {
    STORED.with_borrow_mut(|stored| stored.insert(pdu.event_id.clone(), pdu.clone()));
}

#[cfg(test)]
mod tests {
    use ruma::{CanonicalJsonObject, RoomVersionId, signatures::reference_hash};
    use serde_json::value::to_raw_value;

    use crate::event::{Pdu, rules};

    fn text(kind: &str, content: &str) -> String {
        let fields = r#""sender":"@user:a","origin_server_ts":1,"room_id":"!room:a""#;
        let graph = r#""depth":1,"prev_events":[],"auth_events":[],"hashes":{"sha256":""}"#;
        format!(r#"{{"type":"{kind}","content":{content},"state_key":"",{fields},{graph}}}"#)
    }

    #[test]
    fn a_stored_event_whose_text_has_changed_is_parsed_again() {
        for kind in ["m.one", "m.one", "m.other"] {
            let pdu = Pdu::from_store("$event", "!room:a", &text(kind, "{}"));
            assert_eq!(pdu.map(|pdu| pdu.kind.clone()), Ok(kind.to_owned()));
        }
        assert!(Pdu::from_store("$event", "!room:a", "{}").is_err());
    }

    #[test]
    fn the_same_text_is_another_event_under_the_rules_of_another_room_version() {
        let text = text("m.room.create", r#"{"kept_since_version_11":true}"#);
        let object: CanonicalJsonObject = serde_json::from_str(&text).expect("it is JSON");
        // As it comes from a server, and as it is recalled by.
        let raw = to_raw_value(&object).expect("canonical JSON is JSON");
        for version in [RoomVersionId::V10, RoomVersionId::V11, RoomVersionId::V10] {
            let rules = rules::of(&version).expect("a stable version");
            let hash = reference_hash(&object, rules).expect("it can be hashed");
            let pdu = Pdu::parse(&raw, rules).expect("it is an event");
            assert_eq!(pdu.event_id.as_str(), format!("${hash}"), "{version}");
        }
    }
}
