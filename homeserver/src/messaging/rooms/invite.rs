//! Inviting: an invite of another server's user is signed by that server too before it counts.

use ruma::{
    OwnedEventId, RoomId, RoomVersionId, UserId,
    api::federation::membership::{RawStrippedState, create_invite::v2 as create_invite},
};
use serde_json::value::RawValue;

use super::{Draft, RoomError, Rooms};
use crate::{
    event::{Membership, Pdu, Rules},
    pdu::verify::parse_and_verify,
    store::{StoreError, events, rooms},
};

/// The state that an invited user is shown (client-server API, "Stripped state").
const SHOWN_STATE: [&str; 7] = [
    "m.room.create",
    "m.room.join_rules",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.encryption",
];

impl Rooms {
    /// Invites `target`, of this or another server, in the name of the local user `sender`.
    ///
    /// # Errors
    /// The room is not known or does not allow it, the target's server refuses or cannot be
    /// reached, or the store refuses.
    pub async fn invite(
        &self,
        sender: &UserId,
        room: &RoomId,
        target: &UserId,
    ) -> Result<(), RoomError> {
        self.invite_by(room, Draft::membership(sender, target, Membership::Invite)).await
    }

    /// As [`Rooms::invite`], by an event that says more.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn invite_by(&self, room: &RoomId, draft: Draft) -> Result<(), RoomError> {
        let target = draft.state_key.as_deref().unwrap_or_default();
        let target =
            UserId::parse(target).map_err(|error| RoomError::Invalid(error.to_string()))?;
        if self.core().is_local(&target) {
            self.put(room, draft).await?;
            return Ok(());
        }
        let pdu = self.build(room, draft).await?;
        let signed = self.have_signed(&target, pdu).await?;
        let rooms = self.clone();
        self.database()
            .transaction(move |tx| {
                let inserted = rooms.graph.insert_if_allowed(tx, &signed)?;
                if inserted.is_ok() {
                    rooms.enqueue(tx, &signed)?;
                }
                Ok::<_, StoreError>(inserted)
            })
            .await??;
        Ok(())
    }

    /// Returns the invite, with the signature of the target's server.
    async fn have_signed(&self, target: &UserId, pdu: Pdu) -> Result<Pdu, RoomError> {
        let (version, rules) = self.version_of(&pdu.room_id).await?;
        let shown = self.shown_state(&pdu.room_id, &pdu.sender).await?;
        let request = create_invite::Request::new(
            pdu.room_id.clone(),
            pdu.event_id.clone(),
            version,
            pdu.to_raw(),
            shown.into_iter().map(RawStrippedState::Pdu).collect(),
        );
        let core = self.core();
        let deadline = core.config.request_timeout;
        let answer = core
            .federation
            .call(target.server_name(), request, deadline)
            .await
            .map_err(RoomError::from)?;
        let signed = parse_and_verify(&core.keys, &answer.event, rules).await??;
        if signed.event_id != pdu.event_id {
            return Err(RoomError::Unavailable(format!(
                "{} signed a different event",
                target.server_name()
            )));
        }
        Ok(signed)
    }

    pub(super) async fn version_of(
        &self,
        room: &RoomId,
    ) -> Result<(RoomVersionId, Rules), RoomError> {
        let known = self.graph.rules_of(room).await?;
        known.ok_or_else(|| RoomError::UnknownRoom(room.to_owned()))
    }

    pub(super) async fn shown_state(
        &self,
        room: &RoomId,
        inviter: &UserId,
    ) -> Result<Vec<Box<RawValue>>, RoomError> {
        let (room, inviter) = (room.to_owned(), inviter.to_owned());
        self.database()
            .call(move |db| {
                let state = rooms::current_state(db, &room)?;
                let is_shown = |(kind, key): &(String, String)| {
                    (key.is_empty() && SHOWN_STATE.contains(&kind.as_str()))
                        || (kind == "m.room.member" && key == inviter.as_str())
                };
                let shown: Vec<OwnedEventId> =
                    state.into_iter().filter(|(key, _)| is_shown(key)).map(|(_, id)| id).collect();
                let events = events::find_all(db, &shown)?;
                Ok::<_, StoreError>(events.iter().map(Pdu::to_raw).collect())
            })
            .await
            .map_err(RoomError::Store)
    }
}
