//! Leaving a room, and rejecting an invite to one that this server is not in.

use std::sync::Arc;

use ruma::{
    OwnedServerName, RoomId, RoomVersionId, UserId,
    api::federation::membership::{create_leave_event::v2 as send_leave, prepare_leave_event},
};

use super::{Draft, RoomError, Rooms, join::Template};
use crate::{
    event::{Membership, Pdu},
    store::{memberships, rooms},
    transaction::PduHandler,
};

impl Rooms {
    /// Leaves the room, or rejects an invite to it.
    ///
    /// # Errors
    /// The user is neither in the room nor invited; the inviting server cannot be reached; or the
    /// store refuses.
    pub async fn leave(&self, user: &UserId, room: &RoomId) -> Result<(), RoomError> {
        match self.put(room, Draft::membership(user, user, Membership::Leave)).await {
            Err(RoomError::UnknownRoom(_)) => self.leave_from_outside(user, room).await,
            done => done.map(drop),
        }
    }

    /// Rejects the invite to a room that this server is not in. A join may be under way: a leave
    /// beside it would not be part of the room that the join brings, and this server alone would
    /// take the user for a member. So it waits, and leaves what came of the join.
    async fn leave_from_outside(&self, user: &UserId, room: &RoomId) -> Result<(), RoomError> {
        let _alone = self.joins.alone(room.to_owned()).await;
        match self.put(room, Draft::membership(user, user, Membership::Leave)).await {
            Err(RoomError::UnknownRoom(_)) => self.reject_invite(user, room).await,
            done => done.map(drop),
        }
    }

    async fn reject_invite(&self, user: &UserId, room: &RoomId) -> Result<(), RoomError> {
        let (id, name) = (room.to_owned(), user.to_owned());
        let invite = self.database().call(move |db| rooms::invite(db, &id, &name)).await?;
        let invite = invite.ok_or_else(|| RoomError::UnknownRoom(room.to_owned()))?;
        let server = invite.sender.server_name().to_owned();
        let pdu = match self.send_leave_to(&server, room, user, &invite.room_version).await {
            Ok(pdu) => pdu,
            Err(error @ RoomError::Store(_)) => return Err(error),
            // Whoever invited is away, knows of no invite, or lies: for the user it ends all the same.
            Err(error) => {
                tracing::info!(%server, %room, %error, "ended an invite here alone");
                self.leave_beside(room, user, &invite)?
            }
        };
        self.record_leave(pdu).await
    }

    /// Has `server` take the leave of a local user, unless the user is in the room here by then; whoever
    /// it says is no member of it has left already. If other users here are in the room, the leave becomes
    /// part of it here, too: nobody else would tell this server of an event of its own.
    pub(super) async fn leave_at(
        &self,
        server: &OwnedServerName,
        room: &RoomId,
        user: &UserId,
    ) -> Result<(), RoomError> {
        let leave = match self.proposed_leave(server, room, user, &RoomVersionId::V11).await {
            Ok(leave) => leave,
            Err(RoomError::Forbidden(_) | RoomError::UnsupportedVersion(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        // The user may have come in by another way while the server was asked.
        if self.membership(user, room).await? == Some(Membership::Join) {
            return Ok(());
        }
        match self.deliver_leave(server, &leave).await {
            Err(RoomError::Forbidden(_)) => return Ok(()),
            delivered => delivered?,
        }
        let (id, own) = (room.to_owned(), self.core().owned_server_name());
        let is_in = self.database().call(move |db| memberships::is_member_server(db, &id, &own));
        if is_in.await? {
            // Not part of any transaction: there is nothing to record.
            self.graph.receive(server, &[leave.to_raw()], Arc::new(|_, _| Ok(()))).await?;
        }
        Ok(())
    }

    async fn send_leave_to(
        &self,
        server: &OwnedServerName,
        room: &RoomId,
        user: &UserId,
        version: &RoomVersionId,
    ) -> Result<Pdu, RoomError> {
        let pdu = self.proposed_leave(server, room, user, version).await?;
        match self.deliver_leave(server, &pdu).await {
            Err(RoomError::Outdated(_)) => {}
            delivered => return delivered.map(|()| pdu),
        }
        // The user was invited once more in between.
        let pdu = self.proposed_leave(server, room, user, version).await?;
        self.deliver_leave(server, &pdu).await?;
        Ok(pdu)
    }

    /// Returns a leave on the spot that another server proposes; that does not know of it yet.
    async fn proposed_leave(
        &self,
        server: &OwnedServerName,
        room: &RoomId,
        user: &UserId,
        version: &RoomVersionId,
    ) -> Result<Pdu, RoomError> {
        let request = prepare_leave_event::v1::Request::new(room.to_owned(), user.to_owned());
        let core = self.core();
        let deadline = core.config.request_timeout;
        let prepared = match core.federation.call(server, request, deadline).await {
            Err(error) if error.is_not_found() => {
                return Err(RoomError::UnknownRoom(room.to_owned()));
            }
            prepared => prepared?,
        };
        let version = prepared.room_version.unwrap_or_else(|| version.clone());
        let template = Template::parse(&prepared.event)?;
        let leave = Draft::membership(user, user, Membership::Leave);
        self.on_template(&version, room, template, leave)
    }

    /// Returns a leave that builds on the invite alone, which is all that this server knows of the room.
    fn leave_beside(
        &self,
        room: &RoomId,
        user: &UserId,
        invite: &rooms::Invite,
    ) -> Result<Pdu, RoomError> {
        let template = Template::beside(&invite.event_id);
        let draft = Draft::membership(user, user, Membership::Leave);
        self.on_template(&invite.room_version, room, template, draft)
    }

    async fn deliver_leave(&self, server: &OwnedServerName, pdu: &Pdu) -> Result<(), RoomError> {
        let request =
            send_leave::Request::new(pdu.room_id.clone(), pdu.event_id.clone(), pdu.to_raw());
        let deadline = self.core().config.request_timeout;
        match self.core().federation.call(server, request, deadline).await {
            Err(error) if error.is_conflict() => Err(RoomError::Outdated(error.to_string())),
            taken => Ok(taken.map(drop)?),
        }
    }

    /// Writes down that a local user left a room which this server is not in.
    async fn record_leave(&self, pdu: Pdu) -> Result<(), RoomError> {
        let graph = self.graph.clone();
        self.database().transaction(move |tx| graph.show_outside(tx, pdu)).await?;
        Ok(())
    }
}
