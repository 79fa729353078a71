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
            room_id: &self.room_id,
            sender: &self.sender,
            state_key: self.state_key.as_deref(),
            kind: &self.kind,
            unsigned: Unsigned { transaction_id },
        };
        to_raw_value(&event).expect("it has only string keys")
    }
}
