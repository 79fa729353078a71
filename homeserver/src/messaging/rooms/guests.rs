//! Membership events that other servers bring: invites of this server's users, and leaves of
//! theirs.

use ruma::{RoomVersionId, UserId, signatures::sign_event};
use serde_json::Value;
use transport::Transaction;

use super::{RoomError, Rooms};
use crate::{
    event::{Malformed, Pdu, Rules},
    pdu::Checked,
    store::{
        StoreError,
        events::{self, StoredEvent},
        memberships, rooms,
    },
};

/// Invites to rooms that this server is not in that one user has at a time.
const MAX_INVITES: i64 = 200;

impl Rooms {
    /// Signs the invite of a local user and, if this server is not in the room, stores it with the
    /// state that came along. In a room that this server is in, the invite comes by the graph.
    pub(crate) async fn take_invite(
        &self,
        pdu: Pdu,
        version: RoomVersionId,
        rules: Rules,
        shown: Value,
    ) -> Result<Pdu, RoomError> {
        let signed = self.signed_too(&pdu, rules)?;
        let (rooms, stored) = (self.clone(), signed.clone());
        self.database()
            .transaction(move |tx| {
                must_have_room_left(tx, &stored)?;
                rooms.store_invite(tx, stored, &version, &shown).map_err(RoomError::from)
            })
            .await?;
        Ok(signed)
    }

    fn store_invite(
        &self,
        tx: &Transaction<'_>,
        pdu: Pdu,
        version: &RoomVersionId,
        shown: &Value,
    ) -> Result<(), StoreError> {
        if memberships::is_member_server(tx, &pdu.room_id, self.core().server_name())? {
            self.early_invites.remember(&pdu);
            return Ok(());
        }
        let record = StoredEvent { pdu, states: None, rejected: None, soft_failed: false };
        let pdu = &record.pdu;
        events::put(tx, &record)?;
        let position = events::append(tx, pdu)?;
        rooms::put_invite(tx, pdu, version, shown, position)?;
        memberships::put(tx, pdu, position)?;
        self.graph.tell(tx, pdu, position)
    }

    fn signed_too(&self, pdu: &Pdu, rules: Rules) -> Result<Pdu, Malformed> {
        let identity = &self.core().identity;
        let mut object = pdu.json.clone();
        sign_event(
            identity.server_name.as_str(),
            &*identity.key_pair,
            &mut object,
            &rules.redaction,
        )
        .map_err(Malformed::because)?;
        Pdu::from_object(object, rules)
    }

    /// Takes the leave of another server's user, and tells the other servers of it.
    pub(crate) async fn take_leave(&self, checked: Checked) -> Result<(), RoomError> {
        let rooms = self.clone();
        self.database()
            .transaction(move |tx| {
                must_build_on_the_present(tx, &checked.pdu)?;
                if rooms.insert(tx, &checked)? {
                    rooms.enqueue(tx, &checked.pdu)?;
                }
                Ok::<_, RoomError>(())
            })
            .await?;
        Ok(())
    }
}

/// Refuses a leave or a knock that does not build on the membership that its user has now: since its template
/// was made, the user was invited or removed, or has come in by another way. Whoever asked for it may have
/// given it up long ago, and a network may deliver it again.
fn must_build_on_the_present(tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), RoomError> {
    let user = pdu.state_key.as_deref().unwrap_or_default();
    let present = rooms::current_entry(tx, &pdu.room_id, "m.room.member", user)?;
    if present.is_none_or(|id| pdu.auth_events.contains(&id))
        || events::place(tx, &pdu.event_id)?.is_some()
    {
        return Ok(());
    }
    let message =
        format!("the membership of {user} has changed meanwhile: ask for another template");
    Err(RoomError::Outdated(message))
}

/// Refuses an invite of a user who has too many.
fn must_have_room_left(tx: &Transaction<'_>, invite: &Pdu) -> Result<(), RoomError> {
    let user = invite.state_key.as_deref().and_then(|user| UserId::parse(user).ok());
    let Some(user) = user else { return Ok(()) };
    let is_new = rooms::invite(tx, &invite.room_id, &user)?.is_none();
    if is_new && rooms::count_invites(tx, &user)? >= MAX_INVITES {
        return Err(RoomError::Forbidden(format!("{user} has too many invites")));
    }
    Ok(())
}
