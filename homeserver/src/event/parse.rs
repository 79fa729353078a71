//! From JSON to a [`Pdu`]: the format of a room version, the size limits, and the event id.

mod bounds;
mod parsed;

use std::sync::OnceLock;

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, OwnedRoomId, RoomId,
    room_version_rules::RoomIdFormatVersion, signatures::reference_hash,
    state_res::check_pdu_format,
};
use serde_json::value::RawValue;

use self::bounds::{MAX_RAW_BYTES, PDU_BYTES};
use super::{Pdu, PduFields, rules::Rules};

/// Why something is not an event: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not what an event is.
    #[error("{0}")]
    Wrong(String),
    /// It is larger than an event may be.
    #[error("{0}")]
    TooLarge(String),
}

/// How ruma begins to say that an event is too large.
const TOO_LARGE: &str = "PDU is larger than maximum";

impl Malformed {
    /// Returns it with the reason that something else gives.
    pub(crate) fn because(reason: impl std::fmt::Display) -> Self {
        Self::Wrong(reason.to_string())
    }
}

impl Pdu {
    /// Parses an event of a room whose version has `rules`, checks its format and sizes, and
    /// computes its id. What `unsigned` says is dropped: nobody answers for it.
    ///
    /// # Errors
    /// It is not an event of that version.
    pub fn parse(raw: &RawValue, rules: Rules) -> Result<Self, Malformed> {
        if raw.get().len() > MAX_RAW_BYTES {
            return Err(Malformed::TooLarge(format!("larger than {PDU_BYTES} bytes")));
        }
        if let Some(pdu) = parsed::received(&blake3::hash(raw.get().as_bytes()), rules) {
            return Ok(pdu);
        }
        let object = serde_json::from_str(raw.get()).map_err(Malformed::because)?;
        Self::from_object(object, rules)
    }

    /// As [`Pdu::parse`], of JSON that is canonical already.
    ///
    /// # Errors
    /// It is not an event of that version.
    pub fn from_object(mut object: CanonicalJsonObject, rules: Rules) -> Result<Self, Malformed> {
        object.remove("unsigned");
        bounds::check(&object)?;
        check_signed(&object)?;
        check_pdu_format(&object, &rules.event_format).map_err(of_format)?;
        let hash = reference_hash(&object, rules).map_err(Malformed::because)?;
        let event_id = OwnedEventId::try_from(format!("${hash}")).map_err(Malformed::because)?;
        let room_id = room_id(&object, &hash, rules)?;
        let pdu = Self::of_object(event_id, room_id, object)?;
        parsed::keep(&pdu, rules);
        Ok(pdu)
    }

    /// Returns the event that this JSON of the store is; it was checked before it was stored.
    pub(crate) fn from_store(event_id: &str, room_id: &str, json: &str) -> Result<Self, Malformed> {
        if let Some(pdu) = parsed::stored(event_id, room_id, json) {
            return Ok(pdu);
        }
        let object = serde_json::from_str(json).map_err(Malformed::because)?;
        let event_id = OwnedEventId::try_from(event_id).map_err(Malformed::because)?;
        let room_id = OwnedRoomId::try_from(room_id).map_err(Malformed::because)?;
        let pdu = Self::of_object(event_id, room_id, object)?;
        parsed::keep_stored(&pdu);
        Ok(pdu)
    }

    fn of_object(
        event_id: OwnedEventId,
        room_id: OwnedRoomId,
        mut object: CanonicalJsonObject,
    ) -> Result<Self, Malformed> {
        // What comes from elsewhere has no such part any more; the store notes there who redacted it.
        let redacted_because = match object.remove("unsigned") {
            Some(CanonicalJsonValue::Object(mut it)) => it.remove("redacted_because"),
            _ => None,
        };
        let content = match object.get("content") {
            Some(content @ CanonicalJsonValue::Object(_)) => content.clone().into(),
            _ => return Err(Malformed::Wrong("`content` is not an object".to_owned())),
        };
        let raw = serde_json::value::to_raw_value(&object).map_err(Malformed::because)?;
        Ok(Self::from(PduFields {
            sender: string(&object, "sender")?.try_into().map_err(Malformed::because)?,
            kind: string(&object, "type")?.to_owned(),
            state_key: object.get("state_key").and_then(|key| key.as_str()).map(str::to_owned),
            origin_server_ts: unsigned(&object, "origin_server_ts")?,
            depth: unsigned(&object, "depth")?,
            prev_events: event_ids(&object, "prev_events")?,
            auth_events: event_ids(&object, "auth_events")?,
            content,
            digest: blake3::hash(raw.get().as_bytes()),
            raw,
            json: object,
            redacted_because: redacted_because.map(Into::into),
            client: OnceLock::new(),
            content_raw: OnceLock::new(),
            event_id,
            room_id,
        }))
    }
}

/// Returns the room of an event. Since room version 12 its id is that of its creation event.
fn room_id(
    object: &CanonicalJsonObject,
    hash: &str,
    rules: Rules,
) -> Result<OwnedRoomId, Malformed> {
    let is_creation = string(object, "type")? == "m.room.create";
    if is_creation && rules.room_id_format == RoomIdFormatVersion::V2 {
        return RoomId::new_v2(hash).map_err(Malformed::because);
    }
    string(object, "room_id")?.try_into().map_err(Malformed::because)
}

/// Refuses an event to which no further signature could be added, because something else stands where
/// hashes and signatures do.
fn check_signed(object: &CanonicalJsonObject) -> Result<(), Malformed> {
    let field = |name| object.get(name);
    if field("hashes").is_some_and(|hashes| hashes.as_object().is_none()) {
        return Err(Malformed::Wrong("`hashes` is not an object".to_owned()));
    }
    let are_objects = |of: &CanonicalJsonObject| of.values().all(|it| it.as_object().is_some());
    let is_signed = |it: &CanonicalJsonValue| it.as_object().is_some_and(are_objects);
    if field("signatures").is_some_and(|signatures| !is_signed(signatures)) {
        let reason = "`signatures` is not an object of each server's signatures";
        return Err(Malformed::Wrong(reason.to_owned()));
    }
    Ok(())
}

/// Returns what ruma says of an event that is not in its format.
fn of_format(reason: String) -> Malformed {
    if reason.starts_with(TOO_LARGE) {
        return Malformed::TooLarge(reason.replace("{MAX_PDU_BYTES}", PDU_BYTES));
    }
    Malformed::Wrong(reason)
}

fn string<'a>(object: &'a CanonicalJsonObject, field: &str) -> Result<&'a str, Malformed> {
    object
        .get(field)
        .and_then(CanonicalJsonValue::as_str)
        .ok_or_else(|| Malformed::Wrong(format!("`{field}` is not a string")))
}

fn unsigned(object: &CanonicalJsonObject, field: &str) -> Result<u64, Malformed> {
    object
        .get(field)
        .and_then(CanonicalJsonValue::as_integer)
        .and_then(|number| u64::try_from(i64::from(number)).ok())
        .ok_or_else(|| Malformed::Wrong(format!("`{field}` is not a whole number of 0 or more")))
}

fn event_ids(object: &CanonicalJsonObject, field: &str) -> Result<Vec<OwnedEventId>, Malformed> {
    object
        .get(field)
        .and_then(CanonicalJsonValue::as_array)
        .ok_or_else(|| Malformed::Wrong(format!("`{field}` is not an array")))?
        .iter()
        .map(|id| {
            let id = id.as_str().ok_or_else(|| {
                Malformed::Wrong(format!("`{field}` contains something that is not an event id"))
            })?;
            id.try_into().map_err(Malformed::because)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ruma::RoomVersionId;
    use serde_json::{json, value::to_raw_value};

    use super::Pdu;
    use crate::event::rules_of;

    #[test]
    fn an_event_to_which_no_signature_can_be_added_is_refused() {
        let signed = json!({ "a": { "ed25519:1": "x" } });
        let parsed = |hashes, signatures| {
            let event = json!({
                "room_id": "!room:a", "sender": "@alice:a", "type": "m.room.message", "depth": 1,
                "origin_server_ts": 1, "prev_events": [], "auth_events": [], "content": {},
                "hashes": hashes, "signatures": signatures,
            });
            let rules = rules_of(&RoomVersionId::V11).expect("a stable version");
            Pdu::parse(&to_raw_value(&event).expect("it is JSON"), rules)
        };
        assert!(parsed(json!({ "sha256": "x" }), signed.clone()).is_ok());
        assert!(parsed(json!("x"), signed).is_err());
        for signatures in [json!("x"), json!({ "a": [] })] {
            let refused = parsed(json!({}), signatures).unwrap_err().to_string();
            assert!(refused.contains("signatures"), "{refused}");
        }
    }
}
