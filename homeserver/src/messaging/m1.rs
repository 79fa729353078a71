//! The policy `m1`: a message reaches every backend of a room, or none.
//!
//! Two-phase commit with presumed abort. The room's creating backend owns it and coordinates.
//! Reading order:
//! - this file: the sender's backend, which hands its user's event to the owner;
//! - `coordinator`: the owner asks for votes and decides; `votes` asks one backend for its vote;
//! - `commits`: the owner tells what it decided, until each backend has acknowledged;
//! - `participant`: a member backend checks, hides, votes, and shows or forgets;
//! - `doubts`: a member backend that has voted and hears nothing asks the owner;
//! - `records`: the tables.
//!
//! Invariants:
//! - What was voted for is durable before the vote; a vote is undone by the owner's word alone.
//! - The decision is one row, written in the transaction that makes the owner's copy visible.
//! - An abort told to anybody is durable first, so that no later try of the same event commits.

mod commits;
mod coordinator;
mod doubts;
mod participant;
mod records;
mod votes;

use ruma::{OwnedEventId, OwnedServerName, ServerName};
use serde_json::{Value, value::RawValue};
use transport::{
    endpoints::m1::{EventBody, SendMessage, Sent},
    federation::CallError,
};

use self::{commits::Commits, doubts::Doubts};
pub(crate) use self::{
    coordinator::Coordinator,
    participant::Participant,
    records::{prune, unfinished},
};
use super::{
    answers::{Earlier, Outcome, SendKey, earlier, keep_outcome, keep_pending},
    moment::now_ms,
    rooms::{Draft, RoomError, Rooms},
    send::SendError,
    turnstile::Turnstile,
};

/// The parts of the policy. Cheap to clone.
#[derive(Clone)]
pub(crate) struct M1 {
    rooms: Rooms,
    /// What this server does for rooms that it owns.
    pub(crate) coordinator: Coordinator,
    /// What this server does for rooms that others own.
    pub(crate) participant: Participant,
    commits: Commits,
    doubts: Doubts,
    sends: Turnstile,
}

/// An event on its way to the room's owner.
struct Handed {
    event_id: OwnedEventId,
    event: Box<RawValue>,
    /// Whether this is the first time, so that the owner cannot have seen it before.
    first: bool,
}

impl M1 {
    /// The policy over `rooms`, with nothing running yet.
    pub(crate) fn new(rooms: &Rooms) -> Self {
        let commits = Commits::new(rooms.core());
        let doubts = Doubts::new(rooms.core());
        Self {
            rooms: rooms.clone(),
            coordinator: Coordinator::new(rooms.clone(), commits.clone()),
            participant: Participant::new(rooms.clone(), doubts.clone()),
            commits,
            doubts,
            sends: Turnstile::default(),
        }
    }

    /// Takes up what was under way when the process ended: decided commits are told, and the
    /// owners of what is in doubt are asked.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn resume(&self) -> Result<(), transport::DatabaseError> {
        self.commits.resume().await?;
        self.doubts.resume(self.participant.clone()).await
    }

    /// A signed request came from `server`: it is up, so what waits for it need wait no longer.
    pub(crate) fn heard_from(&self, server: &ServerName) {
        self.commits.hurry(server);
        self.doubts.hurry(server);
    }

    /// Sends a message of a local user: keeps the event, hands it to the room's `owner`, keeps the
    /// outcome.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) async fn send(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> Result<Outcome, SendError> {
        let message_id = key.message_id();
        let _alone = self.sends.enter(message_id.clone()).await;
        let handed = match self.prepare(&key, content).await? {
            Ok(handed) => handed,
            Err(outcome) => return Ok(outcome),
        };
        let sent = if owner == self.rooms.core().server_name() {
            self.coordinator.send(&owner, (&key.room_id, message_id), handed.event).await?
        } else {
            self.hand_to(&owner, &key, &message_id, &handed).await?
        };
        let outcome = outcome(handed.event_id.clone(), sent);
        self.keep(key, handed.event_id, outcome.clone()).await?;
        Ok(outcome)
    }

    /// The event to hand on, durable before the owner hears of it; or the outcome of an earlier try.
    async fn prepare(
        &self,
        key: &SendKey,
        content: Value,
    ) -> Result<Result<Handed, Outcome>, RoomError> {
        let (rooms, key, now) = (self.rooms.clone(), key.clone(), now_ms(&self.rooms.core().host));
        self.rooms
            .database()
            .transaction(move |tx| match earlier(tx, &key)? {
                Some(Earlier::Ended(outcome)) => Ok(Err(outcome)),
                Some(Earlier::Pending { event_id, event }) => {
                    let event = records::raw(event)?;
                    Ok(Ok(Handed { event_id, event, first: false }))
                }
                None => {
                    let draft = Draft { kind: &key.kind, state_key: None, content };
                    let pdu = rooms.build_in(tx, &key.device.user_id, &key.room_id, draft)?;
                    let event = pdu.to_raw();
                    keep_pending(tx, &key, (&pdu.event_id, event.get()), now)?;
                    Ok(Ok(Handed { event_id: pdu.event_id.clone(), event, first: true }))
                }
            })
            .await
    }

    async fn hand_to(
        &self,
        owner: &OwnedServerName,
        key: &SendKey,
        message_id: &str,
        handed: &Handed,
    ) -> Result<Sent, SendError> {
        let core = self.rooms.core();
        // The owner may need the whole time for votes before it answers.
        let deadline = core.config.vote_timeout + core.config.request_timeout;
        let arguments = [key.room_id.as_str(), message_id];
        let body = EventBody { event: handed.event.clone() };
        let called =
            core.federation.call_endpoint::<SendMessage>(owner, &arguments, &body, deadline).await;
        match called {
            Ok(sent) => Ok(sent),
            // Only what was never handed on before can be known not to have been done.
            Err(error) if handed.first && error.surely_not_done() => Ok(not_sent(owner, &error)),
            Err(error) => Err(SendError::Unknown(error.to_string())),
        }
    }

    async fn keep(
        &self,
        key: SendKey,
        event_id: OwnedEventId,
        outcome: Outcome,
    ) -> Result<(), RoomError> {
        let now = now_ms(&self.rooms.core().host);
        self.rooms
            .database()
            .transaction(move |tx| {
                keep_outcome(tx, &key, (&event_id, &outcome), now).map_err(RoomError::from)
            })
            .await
    }
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

/// A refusal that is not for want of reach.
fn refused(reason: String) -> Sent {
    Sent {
        delivered: false,
        unreachable_backends: Vec::new(),
        failed_to_send: Vec::new(),
        reason: Some(reason),
    }
}

/// What the owner answered, as this server keeps it.
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
