//! What happens to local users in rooms that this server is not in: an invite that was taken
//! back, a leave.

use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, ServerName, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use transport::Transaction;

use super::{Graph, Unavailable, verify::parse_and_verify};
use crate::{
    event::{Pdu, rules},
    store::{
        StoreError,
        events::{self, StoredEvent},
        memberships,
        rooms::{self, Invite},
    },
};

#[derive(Deserialize)]
struct OfUser {
    room_id: OwnedRoomId,
    state_key: OwnedUserId,
}

impl Graph {
    /// Takes a PDU of a room that this server is not in, if it takes back an invite of a local user;
    /// returns its id then. Only the server that invited is believed: nobody else can show that it has
    /// a say in the room.
    pub(super) async fn take_back_invite(
        &self,
        origin: &ServerName,
        raw: &RawValue,
    ) -> Result<Option<OwnedEventId>, Unavailable> {
        let Ok(OfUser { room_id, state_key }) = serde_json::from_str(raw.get()) else {
            return Ok(None);
        };
        if !self.core.is_local(&state_key) {
            return Ok(None);
        }
        let (room, user) = (room_id.clone(), state_key.clone());
        let invite = self.core.database.call(move |db| rooms::invite(db, &room, &user)).await;
        let Some(invite) = invite.map_err(Unavailable::Store)? else { return Ok(None) };
        let Some(rules) = rules::of(&invite.room_version) else { return Ok(None) };
        let verified = parse_and_verify(&self.core.keys, raw, rules).await?;
        let Some(pdu) = verified.ok().filter(|pdu| ends(pdu, &invite, &state_key, origin)) else {
            return Ok(None);
        };
        let (graph, event_id) = (self.clone(), pdu.event_id.clone());
        self.core
            .database
            .transaction(move |tx| graph.show_outside(tx, pdu))
            .await
            .map_err(|error: StoreError| Unavailable::Store(error))?;
        Ok(Some(event_id))
    }

    /// Shows users a membership event of a room that this server is not in.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) fn show_outside(&self, tx: &Transaction<'_>, pdu: Pdu) -> Result<(), StoreError> {
        let record = StoredEvent { pdu, states: None, rejected: None, soft_failed: false };
        events::put(tx, &record)?;
        let position = events::append(tx, &record.pdu)?;
        memberships::put(tx, &record.pdu, position)?;
        self.tell(tx, &record.pdu, position)
    }
}

/// Returns whether an event of `origin` ends the invite of `user`.
fn ends(pdu: &Pdu, invite: &Invite, user: &UserId, origin: &ServerName) -> bool {
    let inviting = invite.sender.server_name();
    matches!(pdu.membership(), Some("leave" | "ban"))
        && pdu.state_key.as_deref() == Some(user.as_str())
        && pdu.sender.server_name() == inviting
        && origin == inviting
}
