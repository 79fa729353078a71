//! PDUs as the wire carried them: their event ids, and the messages that they are.

use memchr::memmem;
use serde_json::Value;

/// The field of a message's content that carries its name in the scenario, so that it can be
/// followed on the wire.
pub const MESSAGE_FIELD: &str = "org.fedsim.message";

/// A PDU, as far as it concerns checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PduFacts {
    /// Its event id.
    pub event: String,
    /// Its room.
    pub room: String,
    /// The name of the message, if the PDU is one.
    pub message: Option<String>,
    /// Whose it is: a Matrix user id.
    pub sender: String,
    /// The sender's backend.
    pub origin: String,
    /// The key of the piece of state that it sets, if it is one: of a membership, the user's Matrix id.
    pub state_key: Option<String>,
    /// The events that it follows (server-server API, "PDUs", `prev_events`).
    pub parents: Vec<String>,
    /// Its depth, which is greater than those of its parents.
    pub depth: u64,
    /// What it is, in words: `m1`, `the invite of dave`, `the m.room.topic event`.
    pub what: String,
}

impl PduFacts {
    /// Reads a PDU of a room of version 11; none if it is not one.
    pub fn of(pdu: &Value) -> Option<Self> {
        let hash = reference_hash(pdu)?;
        let message = pdu.get("content").and_then(|content| content.get(MESSAGE_FIELD));
        let message = message.and_then(Value::as_str).map(str::to_owned);
        let text = |field: &str| pdu.get(field).and_then(Value::as_str).unwrap_or_default();
        let sender = text("sender").to_owned();
        let origin = sender.split_once(':').map_or("", |(_, server)| server).to_owned();
        let state_key = pdu.get("state_key").and_then(Value::as_str).map(str::to_owned);
        let what = message.clone().unwrap_or_else(|| in_words(pdu));
        let room = text("room_id").to_owned();
        let parents = pdu.get("prev_events").and_then(Value::as_array).into_iter().flatten();
        let parents = parents.filter_map(Value::as_str).map(str::to_owned).collect();
        let depth = pdu.get("depth").and_then(Value::as_u64).unwrap_or_default();
        let event = format!("${hash}");
        Some(Self { event, room, message, sender, origin, state_key, parents, depth, what })
    }

    /// Reads the `pdus` of a transaction.
    pub fn all_of(transaction: &Value) -> Vec<Self> {
        let pdus = transaction.get("pdus").and_then(Value::as_array);
        pdus.into_iter().flatten().filter_map(Self::of).collect()
    }
}

/// Returns the name of a user within the user's backend, of a Matrix user id.
pub(crate) fn local_part(user_id: &str) -> &str {
    user_id.trim_start_matches('@').split(':').next().unwrap_or_default()
}

/// Returns the hash that an event of a room of version 11 is known by (server-server API, "Reference
/// hashes"); none if it is no event.
#[cfg(feature = "homeservers")]
fn reference_hash(pdu: &Value) -> Option<String> {
    let object = <ruma::CanonicalJsonObject as serde::Deserialize>::deserialize(pdu).ok()?;
    let rules = ruma::RoomVersionId::V11.rules()?;
    ruma::signatures::reference_hash(&object, &rules).ok()
}

/// Returns none: only homeservers speak of events.
#[cfg(not(feature = "homeservers"))]
fn reference_hash(_: &Value) -> Option<String> {
    None
}

/// Puts an event that is not a message of the scenario into words.
fn in_words(pdu: &Value) -> String {
    let text = |pointer: &str| pdu.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let user = local_part(text("/state_key"));
    match (text("/type"), text("/content/membership")) {
        ("m.room.member", membership @ ("invite" | "join" | "leave" | "ban" | "knock")) => {
            format!("the {membership} of {user}")
        }
        (kind, _) => format!("the {kind} event"),
    }
}

/// Returns the names of the messages whose events are anywhere in a JSON body without spaces: each
/// once, in their order.
pub fn messages_in(body: &[u8]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in message_names(body) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The same as they stand there, however often.
pub fn message_names(body: &[u8]) -> impl Iterator<Item = &str> {
    const OPENING: &[u8] = b"\"org.fedsim.message\":\"";
    let openings = memmem::find_iter(body, OPENING);
    openings.filter_map(|at| {
        let rest = &body[at + OPENING.len()..];
        let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        std::str::from_utf8(&rest[..end]).ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PduFacts, messages_in};

    #[test]
    fn messages_are_found_in_a_body_once_each() {
        let body = br#"{"pdus":[{"content":{"org.fedsim.message":"m1"}},{"org.fedsim.message":"m2"},{"org.fedsim.message":"m1"}]}"#;
        assert_eq!(messages_in(body), ["m1", "m2"]);
        assert!(messages_in(b"{}").is_empty());
    }

    #[test]
    fn an_event_id_is_the_reference_hash_whatever_the_signatures() {
        let pdu = |signature: &str| {
            json!({"type": "m.room.message", "content": {"org.fedsim.message": "m1"}, "depth": 1,
                   "signatures": {"a": {"ed25519:1": signature}}, "room_id": "!r", "sender": "@a:a"})
        };
        let one = PduFacts::of(&pdu("x")).expect("a PDU");
        assert_eq!(Some(&one), PduFacts::of(&pdu("y")).as_ref());
        assert_eq!(one.message.as_deref(), Some("m1"));
        assert_eq!((one.event.len(), &*one.origin, &*one.what), (44, "a", "m1"));
    }

    #[test]
    fn what_is_no_message_is_told_in_words() {
        let what = |kind: &str, content: serde_json::Value| {
            let pdu = json!({"type": kind, "state_key": "@dave:b", "content": content,
                             "depth": 1, "room_id": "!r", "sender": "@a:a"});
            PduFacts::of(&pdu).expect("a PDU").what
        };
        assert_eq!(what("m.room.member", json!({"membership": "invite"})), "the invite of dave");
        assert_eq!(what("m.room.topic", json!({})), "the m.room.topic event");
    }
}
