//! Events that this thread has parsed: one is read again for every device and for every event that
//! builds on it, and comes to every server of its room. Its text never changes.

use std::{cell::RefCell, hash::Hash, mem::size_of};

use hashlink::LruCache;
use ruma::{CanonicalJsonObject, CanonicalJsonValue, OwnedEventId};

use crate::event::{Pdu, rules::Rules};

/// Events of each kind that one thread keeps parsed.
const MAX_PARSED: usize = 4096;

/// Bytes that the events of each kind may take in the memory of one thread.
const MAX_BYTES: usize = 24 << 20;

thread_local! {
    /// By the hash of their text, with the rules under which they were parsed.
    static RECEIVED: RefCell<Parsed<blake3::Hash, (Rules, Pdu)>> = RefCell::new(Parsed::new());
    /// By their ids.
    static STORED: RefCell<Parsed<OwnedEventId, Pdu>> = RefCell::new(Parsed::new());
}

/// Events with how many bytes each takes; those that were asked for last.
struct Parsed<K, V> {
    events: LruCache<K, (V, usize)>,
    bytes: usize,
}

impl<K: Eq + Hash, V> Parsed<K, V> {
    fn new() -> Self {
        Self { events: LruCache::new(MAX_PARSED), bytes: 0 }
    }

    fn insert(&mut self, key: K, event: V, bytes: usize) {
        if self.events.len() == MAX_PARSED && !self.events.contains_key(&key) {
            self.forget_oldest();
        }
        self.bytes += bytes;
        if let Some((_, replaced)) = self.events.insert(key, (event, bytes)) {
            self.bytes -= replaced;
        }
        while self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let gone = self.events.remove_lru();
        self.bytes -= gone.map_or(self.bytes, |(_, (_, bytes))| bytes);
    }
}

/// Returns about how many bytes an event takes: as its text, its text for clients, and its JSON twice
/// over, of which the smallest value takes many times the bytes of its text.
fn bytes_of(pdu: &Pdu) -> usize {
    3 * pdu.raw.get().len() + 2 * bytes_of_object(&pdu.json)
}

/// Bytes that a map takes as soon as it holds anything: a leaf of a B-tree.
const LEAF: usize = 11 * (size_of::<String>() + size_of::<CanonicalJsonValue>()) + 16;

fn bytes_of_object(object: &CanonicalJsonObject) -> usize {
    let leaves = object.len().div_ceil(5) * LEAF;
    leaves + object.iter().map(|(key, value)| key.len() + bytes_of_value(value)).sum::<usize>()
}

fn bytes_of_value(value: &CanonicalJsonValue) -> usize {
    match value {
        CanonicalJsonValue::Object(object) => bytes_of_object(object),
        CanonicalJsonValue::Array(values) => {
            let each = |value| size_of::<CanonicalJsonValue>() + bytes_of_value(value);
            values.iter().map(each).sum()
        }
        CanonicalJsonValue::String(text) => text.len(),
        _ => 0,
    }
}

/// Returns the event that was parsed from the text with this hash under these very rules.
pub(super) fn received(text: &blake3::Hash, rules: Rules) -> Option<Pdu> {
    RECEIVED.with_borrow_mut(|received| match received.events.get(text) {
        Some(((under, pdu), _)) if std::ptr::eq(*under, rules) => Some(pdu.clone()),
        _ => None,
    })
}

/// Returns the event with that id, if that is its very text.
pub(super) fn stored(event_id: &str, room_id: &str, text: &str) -> Option<Pdu> {
    let is_it = |pdu: &&Pdu| pdu.raw.get() == text && pdu.room_id == room_id;
    STORED.with_borrow_mut(|stored| {
        stored.events.get(event_id).map(|(pdu, _)| pdu).filter(is_it).cloned()
    })
}

/// Keeps an event that was parsed under these rules.
pub(super) fn keep(pdu: &Pdu, rules: Rules) {
    let bytes = bytes_of(pdu);
    RECEIVED.with_borrow_mut(|received| received.insert(pdu.digest, (rules, pdu.clone()), bytes));
    STORED.with_borrow_mut(|stored| stored.insert(pdu.event_id.clone(), pdu.clone(), bytes));
}

/// Keeps an event that came from the store.
pub(super) fn keep_stored(pdu: &Pdu) {
    let bytes = bytes_of(pdu);
    STORED.with_borrow_mut(|stored| stored.insert(pdu.event_id.clone(), pdu.clone(), bytes));
}

#[cfg(test)]
mod tests {
    use ruma::{CanonicalJsonObject, RoomVersionId, signatures::reference_hash};
    use serde_json::value::to_raw_value;

    use super::{MAX_BYTES, STORED};
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
    fn what_is_kept_is_bounded_by_the_bytes_that_it_takes() {
        // Each takes 64 KiB as text, and more than a megabyte as JSON.
        let objects = vec![r#"{"a":0}"#; 8000].join(",");
        for number in 0..60 {
            let text = text("m.large", &format!(r#"{{"{number}":[{objects}]}}"#));
            Pdu::from_store(&format!("$large{number}"), "!room:a", &text).expect("it is an event");
        }
        let (kept, bytes) = STORED.with_borrow(|stored| (stored.events.len(), stored.bytes));
        assert!(kept > 0 && kept < 20 && bytes <= MAX_BYTES, "{kept} events of {bytes} bytes");
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
