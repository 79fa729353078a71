//! Delivery: how a message reaches the backends of its room, by the room's policy.
//!
//! Reading order: this file (what a policy does, and which there are), then the policies, a file
//! each: `eventual`, `m1`, `m1_2021`; `upkeep` (what is too old is forgotten).

mod eventual;
pub(crate) mod m1;
pub(crate) mod m1_2021;
mod upkeep;

use std::sync::Arc;

use defects::{Defect, planted};
use ruma::{OwnedRoomId, OwnedServerName, ServerName};
use rusqlite::Connection;
use serde_json::{Map, Value, value::RawValue};
use transport::{BoxFuture, Transaction, endpoints::m1::Sent};

use self::{eventual::Eventual, m1::M1, m1_2021::M1Of2021};
use crate::{
    event::Delivery,
    messaging::{
        notifications::Notifications,
        rooms::{RoomError, Rooms},
    },
    store::{
        StoreError,
        sends::{self, Outcome, SendKey},
    },
};

/// Why a send has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It may or may not have been delivered. A retry with the same transaction id tells.
    #[error("whether the message was sent is not known yet: {0}")]
    Unknown(String),
    /// It was not sent.
    #[error(transparent)]
    Room(#[from] RoomError),
}

/// A message that another backend hands to the owner of its room.
pub(crate) struct Handed {
    /// Whose message.
    pub(crate) origin: OwnedServerName,
    /// Its room.
    pub(crate) room_id: OwnedRoomId,
    /// The origin's name for it: the same again is the same message.
    pub(crate) message_id: String,
    /// The PDU.
    pub(crate) event: Box<RawValue>,
}

/// What a delivery policy does. What the layers below must know of it stands in [`Delivery`].
pub(crate) trait Policy: Send + Sync + 'static {
    /// Sends a message of a local user's device into a room that `owner` created. The same `key`
    /// twice is one message and has the same outcome, unless the policy says otherwise.
    ///
    /// # Errors
    /// See [`SendError`].
    fn send(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> BoxFuture<'_, Result<Outcome, SendError>>;

    /// Delivers a message of another backend into a room that `owner` created. By default nobody
    /// delivers for others.
    ///
    /// # Errors
    /// The owner is another server, or nothing was decided.
    fn send_for(
        &self,
        _owner: OwnedServerName,
        message: Handed,
    ) -> BoxFuture<'_, Result<Sent, RoomError>> {
        let message = format!("messages in {} go to each backend directly", message.room_id);
        Box::pin(async { Err(RoomError::Forbidden(message)) })
    }

    /// Takes up what was under way when the process ended.
    ///
    /// # Errors
    /// The store's.
    fn resume(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Takes note that a signed request came from `server`: it is up, so what waits for it can go
    /// ahead.
    fn heard_from(&self, _server: &ServerName) {}

    /// Forgets what was finished before `oldest_ms`.
    ///
    /// # Errors
    /// The store's.
    fn prune(&self, _tx: &Transaction<'_>, _oldest_ms: i64) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns what is not finished, for the operator; `None` from a policy that leaves nothing so.
    ///
    /// # Errors
    /// The store's.
    fn unfinished(&self, _connection: &Connection) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }
}

/// Every delivery policy, over the rooms of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Policies(Arc<All>);

struct All {
    rooms: Rooms,
    eventual: Eventual,
    m1: M1,
    m1_2021: M1Of2021,
}

impl Policies {
    /// Returns the policies over `rooms`; nothing runs yet.
    pub(crate) fn new(rooms: Rooms) -> Self {
        Self(Arc::new(All {
            eventual: Eventual::new(rooms.clone()),
            m1: M1::new(&rooms),
            m1_2021: M1Of2021::new(rooms.clone()),
            rooms,
        }))
    }

    /// Returns the policy called `delivery`.
    fn of(&self, delivery: Delivery) -> &dyn Policy {
        match delivery {
            Delivery::Eventual => &self.0.eventual,
            Delivery::M1 => &self.0.m1,
            Delivery::M1Of2021 => &self.0.m1_2021,
        }
    }

    fn all(&self) -> impl Iterator<Item = (Delivery, &dyn Policy)> {
        Delivery::ALL.into_iter().map(|delivery| (delivery, self.of(delivery)))
    }

    /// Returns the policy `m1`, for the endpoints that it has of its own.
    pub(crate) fn m1(&self) -> &M1 {
        &self.0.m1
    }

    /// Returns the policy `m1-2021`, for the endpoints that it has of its own.
    pub(crate) fn m1_2021(&self) -> &M1Of2021 {
        &self.0.m1_2021
    }

    /// Sends a message of a local user's device, as [`Policy::send`] does.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) async fn send(&self, key: SendKey, content: Value) -> Result<Outcome, SendError> {
        let (delivery, owner) = self.0.rooms.delivery_and_owner(&key.room_id).await?;
        self.of(delivery).send(owner, key, content).await
    }

    /// Delivers a message that another backend hands over, as [`Policy::send_for`] does. One whose
    /// users have all left or were removed is refused for good, and so it stays when they are back.
    ///
    /// # Errors
    /// The origin never was in the room, the room's owner is another server, or nothing was decided.
    pub(crate) async fn send_for(&self, message: Handed) -> Result<Sent, RoomError> {
        match self.0.rooms.if_member(&message.room_id, &message.origin).await {
            Ok(room) => self.of(room.delivery).send_for(room.owner, message).await,
            Err(RoomError::Forbidden(reason)) => {
                self.0.m1.coordinator.turn_away(message, reason).await
            }
            Err(error) => Err(error),
        }
    }

    /// Takes up what was under way when the process ended, and begins to forget what is too old.
    /// Call when the server can answer.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn resume(&self, notifications: Notifications) -> Result<(), StoreError> {
        if planted(Defect::RestartForgetsWhatClientsSent) {
            // As if it had been in memory.
            self.0.rooms.database().transaction(sends::forget_all).await?;
        }
        for (_, policy) in self.all() {
            policy.resume().await?;
        }
        let host = &self.0.rooms.core().host;
        host.spawn(upkeep::keep_up(self.clone(), notifications));
        Ok(())
    }

    /// Takes note that a signed request came from `server`, so that it is up.
    pub(crate) fn heard_from(&self, server: &ServerName) {
        self.all().for_each(|(_, policy)| policy.heard_from(server));
    }

    /// Forgets what was finished before `oldest_ms`.
    fn prune(&self, tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
        self.all().try_for_each(|(_, policy)| policy.prune(tx, oldest_ms))
    }

    /// Returns what each policy has not finished, by its name; without those that have nothing to
    /// say.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn unfinished(
        &self,
        connection: &Connection,
    ) -> Result<Map<String, Value>, StoreError> {
        let mut unfinished = Map::new();
        for (delivery, policy) in self.all() {
            let of_policy = policy.unfinished(connection)?;
            unfinished.extend(of_policy.map(|of| (delivery.as_str().to_owned(), of)));
        }
        Ok(unfinished)
    }
}
