//! The policy `m1`: a message reaches every backend of a room, or none.
//!
//! Two-phase commit with presumed abort. The room's creating backend owns it and coordinates.
//! Reading order:
//! - this file: the sender's backend, which hands its user's event to the owner;
//! - `coordinator`: the owner asks for votes and decides; `votes` asks one backend for its vote, and
//!   `refusals` says why a message is not delivered;
//! - `commits`: the owner tells what it decided, until each backend has acknowledged;
//! - `participant`: a member backend checks, hides, votes, and shows or forgets;
//! - `doubts`: a member backend that has voted and hears nothing asks the owner;
//! - `protocol`: what each side does with what it is told, without the store and the network, which
//!   `exhaustive` tries in every order.
//!
//! Invariants:
//! - What was voted for is durable before the vote; a vote is undone by the owner's word alone.
//! - The decision is one row, written in the transaction that makes the owner's copy visible.
//! - An abort told to anybody is durable first, so that no later try of the same event commits.

mod commits;
mod coordinator;
mod doubts;
#[cfg(test)]
mod exhaustive;
mod participant;
mod protocol;
mod refusals;
mod votes;

use std::sync::Arc;

use defects::{Defect, planted};
use ruma::{OwnedEventId, OwnedServerName, RoomId, ServerName};
use rusqlite::Connection;
use serde_json::{Value, value::RawValue};
use transport::{
    BoxFuture, Transaction,
    endpoints::m1::{EventBody, SendMessage, Sent},
    federation::CallError,
};

use self::{commits::Commits, doubts::Doubts};
pub(crate) use self::{
    coordinator::Coordinator,
    participant::{Participant, ParticipantError},
};
use super::{Handed, Policy, SendError};
use crate::{
    core::guards::Guards,
    event::{Delivery, Pdu},
    messaging::rooms::{Draft, RoomError, Rooms},
    store::{
        StoreError,
        m1::{self, Voter},
        rooms,
        sends::{Earlier, Outcome, SendKey, earlier, keep_outcome, keep_pending},
    },
};

/// The policy over this server's rooms.
pub(crate) struct M1 {
    rooms: Rooms,
    /// What this server does for rooms that it owns.
    pub(crate) coordinator: Coordinator,
    /// What this server does for rooms that others own.
    pub(crate) participant: Participant,
    commits: Commits,
    doubts: Doubts,
    sends: Guards<String>,
}

/// An event that is durable here and not yet decided.
enum Pending {
    /// Nobody else has heard of it. Its room's voters were read with it, if this server owns the
    /// room.
    New { event: Pdu, voters: Vec<Voter> },
    /// An earlier try may have handed it on.
    Old { event_id: OwnedEventId, event: Box<RawValue> },
}

impl M1 {
    /// Returns the policy over `rooms`, with nothing running yet.
    pub(crate) fn new(rooms: &Rooms) -> Self {
        let commits = Commits::new(rooms.core());
        let doubts = Doubts::new(rooms.core(), Arc::clone(&rooms.graph.undecided));
        Self {
            rooms: rooms.clone(),
            coordinator: Coordinator::new(rooms.clone(), commits.clone()),
            participant: Participant::new(rooms.clone(), doubts.clone()),
            commits,
            doubts,
            sends: Guards::default(),
        }
    }

    /// Sends a message of a local user: keeps the event, hands it to the room's `owner`, keeps the
    /// outcome.
    async fn send_own(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> Result<Outcome, SendError> {
        let message_id = key.message_id();
        let _alone = self.sends.alone(message_id.clone()).await;
        let is_owner = owner == self.rooms.core().server_name();
        let pending = match self.prepare(&key, content, is_owner).await? {
            Ok(pending) => pending,
            Err(outcome) => return Ok(outcome),
        };
        let is_new = matches!(pending, Pending::New { .. });
        let (event_id, event) = match pending {
            Pending::New { event, voters } if is_owner => {
                let event_id = event.event_id.clone();
                let sent = self.coordinator.send_new(key, event, voters).await?;
                return Ok(outcome(event_id, sent));
            }
            Pending::New { event, .. } => (event.event_id.clone(), event.to_raw()),
            Pending::Old { event_id, event } => (event_id, event),
        };
        let handed = Handed {
            origin: self.rooms.core().owned_server_name(),
            room_id: key.room_id.clone(),
            message_id,
            event,
        };
        let sent = if is_owner {
            self.coordinator.send(handed).await?
        } else {
            self.hand_to(&owner, &handed, is_new).await?
        };
        let outcome = outcome(event_id.clone(), sent);
        self.keep(key, event_id, outcome.clone()).await?;
        Ok(outcome)
    }

    /// Returns the event to hand on, durable before the owner hears of it; or the outcome of an
    /// earlier try.
    async fn prepare(
        &self,
        key: &SendKey,
        content: Value,
        is_owner: bool,
    ) -> Result<Result<Pending, Outcome>, RoomError> {
        let (rooms, key, now) = (self.rooms.clone(), key.clone(), self.rooms.core().ages.now_ms());
        self.rooms
            .database()
            .transaction(move |tx| match earlier(tx, &key)? {
                Some(Earlier::Ended(outcome)) => Ok(Err(outcome)),
                Some(Earlier::Pending { event_id, event }) => {
                    Ok(Ok(Pending::Old { event_id, event: m1::raw(event)? }))
                }
                None => {
                    let draft = Draft::message(&key.device.user_id, &key.kind, content);
                    let event = rooms.build_in(tx, &key.room_id, &draft)?;
                    keep_pending(tx, &key, &event.event_id, event.raw.get(), now)?;
                    let voters = if is_owner {
                        m1::voters(tx, &key.room_id, rooms.core().server_name())?
                    } else {
                        Vec::new()
                    };
                    Ok(Ok(Pending::New { event, voters }))
                }
            })
            .await
    }

    async fn hand_to(
        &self,
        owner: &OwnedServerName,
        handed: &Handed,
        is_new: bool,
    ) -> Result<Sent, SendError> {
        let core = self.rooms.core();
        // The owner may need the whole time for votes before it answers.
        let deadline = core.config.vote_timeout + core.config.request_timeout;
        let arguments = [handed.room_id.as_str(), &handed.message_id];
        let body = EventBody { event: handed.event.clone() };
        let called =
            core.federation.call_endpoint::<SendMessage>(owner, &arguments, &body, deadline).await;
        match called {
            Ok(sent) => Ok(sent),
            // Only what was never handed on before can be known not to have been done.
            Err(error)
                if is_new
                    && (error.surely_not_done()
                        || planted(Defect::M1LostAnswerCountsAsFailure)) =>
            {
                Ok(not_sent(owner, &error))
            }
            Err(error) => Err(SendError::Unknown(error.to_string())),
        }
    }

    async fn keep(
        &self,
        key: SendKey,
        event_id: OwnedEventId,
        outcome: Outcome,
    ) -> Result<(), RoomError> {
        let now = self.rooms.core().ages.now_ms();
        self.rooms
            .database()
            .transaction(move |tx| {
                keep_outcome(tx, &key, &event_id, &outcome, now).map_err(RoomError::from)
            })
            .await
    }
}

impl Policy for M1 {
    fn send(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> BoxFuture<'_, Result<Outcome, SendError>> {
        Box::pin(self.send_own(owner, key, content))
    }

    fn send_for(
        &self,
        owner: OwnedServerName,
        message: Handed,
    ) -> BoxFuture<'_, Result<Sent, RoomError>> {
        Box::pin(async move {
            if owner != self.rooms.core().server_name() {
                return Err(not_owned(&message.room_id, self.rooms.core().server_name()));
            }
            self.coordinator.send(message).await
        })
    }

    /// Decided commits are told, and the owners of what is in doubt are asked.
    fn resume(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            self.commits.resume().await?;
            self.doubts.resume(self.participant.clone()).await
        })
    }

    fn heard_from(&self, server: &ServerName) {
        self.commits.heard_from(server);
        self.doubts.heard_from(server);
    }

    fn prune(&self, tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
        m1::prune(tx, oldest_ms)
    }

    fn unfinished(&self, connection: &Connection) -> Result<Option<Value>, StoreError> {
        let unfinished = m1::unfinished(connection)?;
        Ok(Some(serde_json::to_value(unfinished).expect("counts are JSON")))
    }
}

/// Refuses a room that does not deliver by `m1`, or of which `server` is not the owner.
fn ensure_owner(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<(), RoomError> {
    let row = rooms::find(connection, room)?;
    let row = row.ok_or_else(|| RoomError::UnknownRoom(room.to_owned()))?;
    if row.delivery != Delivery::M1 {
        return Err(RoomError::Forbidden(format!("{room} does not deliver messages by m1")));
    }
    if row.owner != server {
        return Err(not_owned(room, server));
    }
    Ok(())
}

fn not_owned(room: &RoomId, server: &ServerName) -> RoomError {
    RoomError::Forbidden(format!("{room} is not owned by {server}"))
}

fn not_sent(owner: &ServerName, error: &CallError) -> Sent {
    match error {
        CallError::Refused(refusal) => refused(refusal.message.clone()),
        _ => Sent {
            delivered: false,
            unreachable_backends: vec![owner.to_string()],
            failed_to_send: Vec::new(),
            reason: None,
        },
    }
}

/// Returns a refusal for a reason other than reach.
fn refused(reason: String) -> Sent {
    Sent {
        delivered: false,
        unreachable_backends: Vec::new(),
        failed_to_send: Vec::new(),
        reason: Some(reason),
    }
}

/// Returns what the owner answered, as this server keeps it.
pub(super) fn outcome(event_id: OwnedEventId, sent: Sent) -> Outcome {
    if sent.delivered {
        Outcome::Delivered { event_id, failed_to_send: sent.failed_to_send }
    } else if sent.unreachable_backends.is_empty() {
        let reason = sent.reason.unwrap_or_else(|| "the room's owner refused".to_owned());
        Outcome::Refused { reason }
    } else {
        Outcome::Unreachable { backends: sent.unreachable_backends }
    }
}
