//! EDUs of other servers: each server speaks for its own users alone, and of rooms that it is in.

use std::time::Duration;

use ruma::{EventId, OwnedRoomId, OwnedUserId, RoomId, ServerName, UserId};
use serde::Deserialize;
use serde_json::Value;
use transport::Transaction;

use super::{Edus, Message, Presence, to_device::Recipients};
use crate::{
    event::Membership,
    messaging::notifications::Topic,
    pdu::acl,
    store::{
        StoreError, device_keys, memberships, neighbors,
        receipts::{self, Receipt},
    },
    transaction::{Edu, EduHandler},
};

/// How long a user of another server counts as typing.
const TYPING_LASTS: Duration = Duration::from_secs(30);

/// Receipts, and users whose presence is told, of one EDU.
const MAX_IN_EDU: usize = 1000;

/// Bytes of the name of a thread, a message or a state.
const MAX_NAME: usize = 255;

#[derive(Deserialize)]
struct Typing {
    room_id: OwnedRoomId,
    user_id: OwnedUserId,
    #[serde(rename = "typing")]
    goes_on: bool,
}

#[derive(Deserialize)]
struct Direct {
    sender: OwnedUserId,
    r#type: String,
    message_id: String,
    messages: Recipients,
}

#[derive(Deserialize)]
struct Devices {
    user_id: OwnedUserId,
}

impl EduHandler for Edus {
    fn take(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        edus: &[Edu],
    ) -> Result<(), StoreError> {
        for Edu { kind, content } in edus {
            match kind.as_str() {
                "m.typing" => self.take_typing(tx, origin, content)?,
                "m.receipt" => self.take_receipts(tx, origin, content)?,
                "m.presence" => self.take_presence(tx, origin, content)?,
                "m.direct_to_device" => self.take_message(tx, origin, content)?,
                "m.device_list_update" | "m.signing_key_update" => {
                    self.take_device_news(tx, origin, content)?;
                }
                other => tracing::debug!(%origin, other, "an EDU of an unknown type"),
            }
        }
        Ok(())
    }
}

impl Edus {
    fn take_typing(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<(), StoreError> {
        let Ok(said) = Typing::deserialize(content) else { return Ok(()) };
        if !speaks_for(tx, origin, &said.user_id, &said.room_id)? {
            return Ok(());
        }
        let lasts = said.goes_on.then_some(TYPING_LASTS);
        if self.passing.lock().types(&said.room_id, &said.user_id, lasts) {
            self.news.ring([Topic::Room(said.room_id)]);
        }
        Ok(())
    }

    fn take_receipts(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<(), StoreError> {
        let mut taken = 0;
        for (room, kinds) in content.as_object().into_iter().flatten() {
            let Ok(room) = RoomId::parse(room) else { continue };
            for (user, said) in kinds["m.read"].as_object().into_iter().flatten() {
                let Ok(user) = UserId::parse(user) else { continue };
                taken += 1;
                if taken > MAX_IN_EDU {
                    return Ok(());
                }
                if speaks_for(tx, origin, &user, &room)? {
                    take_receipt(tx, &room, &user, said)?;
                    self.news.ring([Topic::Room(room.clone())]);
                }
            }
        }
        Ok(())
    }

    fn take_presence(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<(), StoreError> {
        for said in content["push"].as_array().into_iter().flatten().take(MAX_IN_EDU) {
            let user = said["user_id"].as_str().and_then(|user| UserId::parse(user).ok());
            let state = said["presence"].as_str().filter(|state| state.len() <= MAX_NAME);
            let (Some(user), Some(state)) = (user, state) else { continue };
            if user.server_name() != origin {
                continue;
            }
            let message = said["status_msg"].as_str().filter(|text| text.len() <= MAX_NAME);
            let presence =
                Presence { state: state.to_owned(), message: message.map(str::to_owned) };
            if self.passing.lock().presence(&user, presence) {
                self.tell_neighbors(tx, &user)?;
            }
        }
        Ok(())
    }

    fn take_message(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<(), StoreError> {
        let Ok(said) = Direct::deserialize(content) else { return Ok(()) };
        let too_long = said.message_id.len() > MAX_NAME || said.r#type.len() > MAX_NAME;
        if said.sender.server_name() != origin || too_long {
            return Ok(());
        }
        if !self.is_new(tx, [said.sender.as_str(), &said.message_id])? {
            return Ok(());
        }
        let Direct { sender, r#type: kind, messages: recipients, .. } = said;
        self.hand_out(tx, &Message { sender, kind, recipients })
    }

    /// What changed is asked for when somebody needs it.
    fn take_device_news(
        &self,
        tx: &Transaction<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<(), StoreError> {
        let Ok(Devices { user_id }) = Devices::deserialize(content) else { return Ok(()) };
        let near = neighbors::users_near(tx, self.core.server_name(), &user_id)?;
        if user_id.server_name() != origin || near.is_empty() {
            return Ok(());
        }
        device_keys::changed(tx, &user_id)?;
        self.news.ring(near.into_iter().map(Topic::User));
        Ok(())
    }
}

fn take_receipt(
    tx: &Transaction<'_>,
    room: &RoomId,
    user: &UserId,
    said: &Value,
) -> Result<(), StoreError> {
    let event = said["event_ids"].as_array().and_then(|ids| ids.first()).and_then(Value::as_str);
    let Some(event) = event.and_then(|event| EventId::parse(event).ok()) else { return Ok(()) };
    let thread = said["data"]["thread_id"].as_str().unwrap_or_default();
    if thread.len() > MAX_NAME {
        return Ok(());
    }
    let ts = said["data"]["ts"].as_i64().unwrap_or(0);
    receipts::put(tx, &Receipt { room, kind: "m.read", user, thread, event: &event, ts })
}

/// Returns whether a server may speak for a user in a room: the user is its own and is in the room,
/// which lets the server take part.
fn speaks_for(
    tx: &Transaction<'_>,
    origin: &ServerName,
    user: &UserId,
    room: &RoomId,
) -> Result<bool, StoreError> {
    Ok(user.server_name() == origin
        && memberships::find(tx, room, user)? == Some(Membership::Join)
        && acl::allows(tx, room, origin)?)
}
