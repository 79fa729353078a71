//! A member backend's side: checks, hides and votes; then shows or forgets, as the owner says.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use ruma::{EventId, OwnedUserId, RoomId, ServerName};
use rusqlite::Connection;
use transport::{
    Transaction,
    endpoints::m1::{Decision, PrepareRequest, Vote},
};

use super::{
    doubts::Doubts,
    ensure_owner,
    protocol::{Deed, Seat, on_decision, on_prepare},
};
use crate::{
    event::Membership,
    messaging::rooms::{RoomError, Rooms},
    pdu::{Checked, Standing},
    store::{StoreError, accounts, events, m1, memberships},
};

/// Events of one room that are voted for and undecided; a further one is refused.
const MAX_HIDDEN_PER_ROOM: i64 = 1000;

/// Why a call of the owner was not answered as it asks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParticipantError {
    /// A commit of an event that this server never voted for.
    #[error("the event was never prepared here")]
    NeverPrepared,
    /// Not a call that this caller may make, or the store refused.
    #[error(transparent)]
    Room(#[from] RoomError),
}

impl From<StoreError> for ParticipantError {
    fn from(error: StoreError) -> Self {
        Self::Room(error.into())
    }
}

impl From<transport::DatabaseError> for ParticipantError {
    fn from(error: transport::DatabaseError) -> Self {
        Self::Room(error.into())
    }
}

/// What this server does for rooms that others own. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Participant {
    rooms: Rooms,
    doubts: Doubts,
}

impl Participant {
    pub(super) fn new(rooms: Rooms, doubts: Doubts) -> Self {
        Self { rooms, doubts }
    }

    /// Votes on an event. After a yes it is hidden and durable here.
    ///
    /// # Errors
    /// `caller` does not own the room, or the store refuses.
    pub(crate) async fn vote(
        &self,
        caller: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        request: PrepareRequest,
    ) -> Result<Vote, RoomError> {
        if self.is_shown(caller, room_id, event_id).await? {
            return Ok(Vote::Yes);
        }
        let checked = match self.rooms.check(&request.event, caller).await? {
            Ok(checked) => checked,
            Err(refusal) => return Ok(Vote::No { reason: refusal.to_string() }),
        };
        if let Some(reason) = objection(&checked, room_id, event_id) {
            return Ok(Vote::No { reason });
        }
        self.doubts.settle(self, caller, room_id).await?;
        if planted(Defect::M1VoteBeforeItIsDurable) {
            let (participant, caller) = (self.clone(), caller.to_owned());
            let later = async move { drop(participant.hide(&caller, checked, request).await) };
            self.rooms.core().host.spawn(later);
            return Ok(Vote::Yes);
        }
        self.hide(caller, checked, request).await
    }

    /// Hides an event that is acceptable, and votes for it.
    async fn hide(
        &self,
        caller: &ServerName,
        checked: Checked,
        request: PrepareRequest,
    ) -> Result<Vote, RoomError> {
        let (rooms, owner) = (self.rooms.clone(), caller.to_owned());
        let prepared = m1::Prepared {
            event_id: checked.pdu.event_id.clone(),
            room_id: checked.pdu.room_id.clone(),
            owner: caller.to_owned(),
        };
        let vote = self
            .rooms
            .database()
            .transaction(move |tx| {
                let members = memberships::joined_members(tx, &checked.pdu.room_id)?;
                if let Some(stale) = stale_devices(tx, &rooms, &members, &request)? {
                    return Ok::<_, StoreError>(stale);
                }
                if m1::count_voted(tx, &checked.pdu.room_id)? >= MAX_HIDDEN_PER_ROOM {
                    let reason = "too many messages of the room are undecided".to_owned();
                    return Ok(Vote::No { reason });
                }
                let (room, event) = (&checked.pdu.room_id, &checked.pdu.event_id);
                if on_prepare(seat(tx, room, event)?) == Seat::Hidden {
                    m1::hide(tx, &checked.pdu, &owner, rooms.core().ages.now_ms())?;
                    if planted(Defect::M1ShownAtTheVote) {
                        rooms.insert(tx, &checked)?;
                    }
                }
                Ok(Vote::Yes)
            })
            .await?;
        if vote == Vote::Yes {
            self.doubts.expect(prepared);
        }
        Ok(vote)
    }

    /// Does what the owner decided. Doing it twice is doing it once.
    ///
    /// # Errors
    /// `caller` does not own the room, the event was never prepared here, or the store refuses.
    pub(crate) async fn decided(
        &self,
        caller: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        decision: Decision,
    ) -> Result<(), ParticipantError> {
        let (rooms, caller) = (self.rooms.clone(), caller.to_owned());
        let (room, event) = (room_id.to_owned(), event_id.to_owned());
        let is_resolved = self
            .rooms
            .database()
            .transaction(move |tx| {
                ensure_owner(tx, &room, &caller)?;
                match on_decision(seat(tx, &room, &event)?, decision) {
                    Deed::Show => show(tx, &rooms, &room, &event).map(|()| true),
                    Deed::Forget => Ok(m1::unhide(tx, &room, &event)?),
                    Deed::Nothing => Ok(decision == Decision::Commit),
                    Deed::NeverPrepared => {
                        tracing::error!(%event, "told to commit what was never prepared here");
                        Err(ParticipantError::NeverPrepared)
                    }
                }
            })
            .await?;
        // The owner of another room has no say in this one's vote: the doubt stays.
        if is_resolved {
            self.doubts.resolved(room_id, event_id);
        }
        Ok(())
    }

    /// Refuses for good an event that was voted for.
    pub(super) async fn give_up(&self, prepared: &m1::Prepared) {
        let (rooms, of) = (self.rooms.clone(), prepared.clone());
        let refused = self
            .rooms
            .database()
            .transaction(move |tx| {
                if let Some(pdu) = m1::hidden(tx, &of.room_id, &of.event_id)? {
                    let standing = Standing::Rejected("its owner does not answer".to_owned());
                    rooms.insert(tx, &Checked { pdu, standing })?;
                }
                m1::unhide(tx, &of.room_id, &of.event_id)
            })
            .await;
        if refused.is_ok_and(|was_hidden| was_hidden) {
            self.doubts.resolved(&prepared.room_id, &prepared.event_id);
        }
    }

    /// Returns whether users see the event already, if `caller` may ask for a vote on it.
    async fn is_shown(
        &self,
        caller: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<bool, RoomError> {
        let (caller, room, event) = (caller.to_owned(), room_id.to_owned(), event_id.to_owned());
        self.rooms
            .database()
            .call(move |db| {
                ensure_owner(db, &room, &caller)?;
                Ok(seat(db, &room, &event)? == Seat::Shown)
            })
            .await
    }
}

/// Returns what this server holds of an event in a room.
fn seat(connection: &Connection, room: &RoomId, event: &EventId) -> Result<Seat, StoreError> {
    if m1::hidden(connection, room, event)?.is_some() {
        return Ok(Seat::Hidden);
    }
    let place = events::place(connection, event)?;
    let is_of_room = place.is_some_and(|place| place.room_id == room.as_str());
    let is_shown = is_of_room && events::is_visible(connection, event)?;
    Ok(if is_shown { Seat::Shown } else { Seat::Empty })
}

/// Makes a hidden event visible: event, notifications and the end of its hiding in one transaction.
/// It was checked before it was voted for, and the vote binds; so it is not checked against what
/// the room has become since.
fn show(
    tx: &Transaction<'_>,
    rooms: &Rooms,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<(), ParticipantError> {
    let hidden = m1::hidden(tx, room_id, event_id)?;
    let event = hidden.ok_or(ParticipantError::NeverPrepared)?;
    if planted(Defect::M1CommitIsCheckedAgain)
        && memberships::find(tx, room_id, &event.sender)? != Some(Membership::Join)
    {
        m1::unhide(tx, room_id, event_id)?;
        return Ok(());
    }
    if !rooms.insert(tx, &rooms.trusted(event.clone()))? {
        // It came in another way meanwhile, and may have been refused then.
        rooms.graph.reinstate(tx, &event)?;
    }
    m1::unhide(tx, room_id, event_id)?;
    Ok(())
}

/// Returns why the event is not acceptable here.
fn objection(checked: &Checked, room_id: &RoomId, event_id: &EventId) -> Option<String> {
    let event = &checked.pdu;
    if event.event_id != event_id || event.room_id != room_id {
        return Some("the event is not the one named in the request".to_owned());
    }
    if event.state_key.is_some() {
        return Some("a state event cannot be sent as a message".to_owned());
    }
    match &checked.standing {
        Standing::Accepted => None,
        Standing::SoftFailed(reason) | Standing::Rejected(reason) => Some(reason.clone()),
    }
}

/// Returns the vote for a device list that is not this server's own; `None` if it is.
fn stale_devices(
    tx: &Transaction<'_>,
    rooms: &Rooms,
    members: &BTreeSet<OwnedUserId>,
    request: &PrepareRequest,
) -> Result<Option<Vote>, StoreError> {
    let own = rooms.core().server_name();
    let devices = accounts::devices_of(tx, own, members.iter().map(|user| &**user))?;
    Ok((devices != request.devices).then_some(Vote::StaleDevices { devices }))
}
