//! Building, checking, inserting and enqueueing events: the steps that every delivery policy puts
//! together in its own way.

use defects::{Defect, planted};
use ruma::{OwnedEventId, RoomId, ServerName, UserId};
use rusqlite::Connection;
use serde_json::value::RawValue;
use transport::Transaction;

use super::{Draft, RoomError, Rooms};
use crate::{
    event::Pdu,
    messaging::profiles::{self, is_own_join, with_profile},
    pdu::{Checked, Refusal, Standing},
    store::{StoreError, memberships},
};

impl Rooms {
    /// Builds, hashes and signs an event of a local user on top of what this server knows, and
    /// checks it against the current state. Stores nothing.
    ///
    /// # Errors
    /// The room is not known, or does not allow it; or the store refuses.
    pub(super) async fn build(&self, room: &RoomId, draft: Draft) -> Result<Pdu, RoomError> {
        let (rooms, room) = (self.clone(), room.to_owned());
        self.database().call(move |db| rooms.build_in(db, &room, &draft)).await
    }

    /// As `Rooms::build`, inside a transaction: what is built and inserted in one transaction
    /// never forks the room.
    ///
    /// # Errors
    /// The room is not known, or does not allow it; or the store refuses.
    pub fn build_in(
        &self,
        connection: &Connection,
        room: &RoomId,
        draft: &Draft,
    ) -> Result<Pdu, RoomError> {
        if !memberships::is_member_server(connection, room, self.core().server_name())? {
            let is_own = draft.state_key.as_deref() == Some(draft.sender.as_str());
            // Who was removed is told so; whoever joins or leaves does it through another server.
            if !(is_own && draft.kind == "m.room.member")
                && memberships::find(connection, room, &draft.sender)?.is_some()
            {
                let message = format!("{} is not in {room}", draft.sender);
                return Err(RoomError::Forbidden(message));
            }
            return Err(RoomError::UnknownRoom(room.to_owned()));
        }
        if is_own_join(draft) {
            let profile = profiles::of_local(connection, &draft.sender)?;
            let draft = with_profile(profile.as_ref(), draft.clone());
            return Ok(self.graph.build(connection, room, &draft)??);
        }
        Ok(self.graph.build(connection, room, draft)??)
    }

    /// Does all receipt checks, in the specification's order, and returns what came of them. What
    /// the event builds on and is missing is fetched, checked and stored; the event itself is not.
    ///
    /// # Errors
    /// It cannot be judged now: keys or missing events are not to be had, or the store refuses.
    pub async fn check(
        &self,
        pdu: &RawValue,
        origin: &ServerName,
    ) -> Result<Result<Checked, Refusal>, RoomError> {
        Ok(self.graph.check(pdu, origin).await?)
    }

    /// Returns an event as checked that needs no more checks: this server built it itself a moment
    /// ago, or checked it before it stored it hidden.
    pub fn trusted(&self, pdu: Pdu) -> Checked {
        Checked { pdu, standing: Standing::Accepted }
    }

    /// Makes the event part of its room: graph, state, extremities, timeline. False if it was that
    /// already.
    ///
    /// # Errors
    /// The store refuses, or does not know the room.
    pub fn insert(&self, tx: &Transaction<'_>, checked: &Checked) -> Result<bool, StoreError> {
        self.graph.insert(tx, checked)
    }

    /// Queues the event for every other server in the room. Call after [`Rooms::insert`], in the
    /// same transaction.
    ///
    /// # Errors
    /// The store refuses.
    pub fn enqueue(&self, tx: &Transaction<'_>, pdu: &Pdu) -> Result<(), StoreError> {
        let mut destinations = memberships::member_servers(tx, &pdu.room_id)?;
        if pdu.is_member_event()
            && let Some(user) = pdu.state_key.as_deref().and_then(|key| UserId::parse(key).ok())
            && pdu.membership() != Some("invite")
            && !planted(Defect::RemovedServerIsNotTold)
        {
            // Who was removed is to know of it.
            destinations.insert(user.server_name().to_owned());
        }
        destinations.remove(self.core().server_name());
        destinations.remove(pdu.sender.server_name());
        self.outgoing.enqueue(tx, &destinations, &pdu.event_id)
    }

    /// Builds an event, makes it part of the room and queues it for every other server, all in one
    /// transaction, as `eventual` does. State travels so in every room.
    ///
    /// # Errors
    /// The room is not known, or does not allow it; or the store refuses.
    pub async fn put(&self, room: &RoomId, draft: Draft) -> Result<OwnedEventId, RoomError> {
        let (rooms, room) = (self.clone(), room.to_owned());
        self.database()
            .transaction(move |tx| {
                let checked = rooms.trusted(rooms.build_in(tx, &room, &draft)?);
                rooms.insert(tx, &checked)?;
                rooms.enqueue(tx, &checked.pdu)?;
                Ok::<_, RoomError>(checked.pdu.event_id.clone())
            })
            .await
    }
}
