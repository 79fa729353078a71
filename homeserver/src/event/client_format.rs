//! An event as clients see it (client-server API, "Room event format").

use ruma::{EventId, RoomId, UserId};
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::Pdu;

#[derive(Serialize)]
struct ClientEvent<'a> {
    content: &'a Value,
    event_id: &'a EventId,
    origin_server_ts: u64,
    /// Which event it redacts; also where that stands in the content, for clients of the time before.
    #[serde(skip_serializing_if = "Option::is_none")]
    redacts: Option<&'a str>,
    room_id: &'a RoomId,
    sender: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_key: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    unsigned: Unsigned<'a>,
}

#[derive(Serialize)]
struct Unsigned<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted_because: Option<&'a Value>,
}

impl Pdu {
    /// Returns the event as clients see it. It is written once, however many of them do.
    pub fn client_format(&self) -> &RawValue {
        self.client.get_or_init(|| self.written_for_clients(None))
    }

    /// Returns the event as the device that sent it sees it: with its transaction id.
    pub(crate) fn client_format_for_sender(&self, transaction_id: &str) -> Box<RawValue> {
        self.written_for_clients(Some(transaction_id))
    }

    fn written_for_clients(&self, transaction_id: Option<&str>) -> Box<RawValue> {
        let event = ClientEvent {
            content: &self.content,
            event_id: &self.event_id,
            origin_server_ts: self.origin_server_ts,
            redacts: self.redacts(),
            room_id: &self.room_id,
            sender: &self.sender,
            state_key: self.state_key.as_deref(),
            kind: &self.kind,
            unsigned: Unsigned { transaction_id, redacted_because: self.redacted_because.as_ref() },
        };
        to_raw_value(&event).expect("it has only string keys")
    }

    fn redacts(&self) -> Option<&str> {
        if self.kind != "m.room.redaction" {
            return None;
        }
        let beside = self.json.get("redacts").and_then(|redacts| redacts.as_str());
        beside.or_else(|| self.content.get("redacts").and_then(Value::as_str))
    }
}
