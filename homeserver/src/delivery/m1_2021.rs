//! The policy `m1-2021`: Wire's backends of October 2021.
//!
//! The owner asks every remote backend for its users' devices, and refuses when one does not
//! answer. Then it stores the message backend by backend, in ascending order of their names, itself
//! in its place; it tries once each, and names those that failed. Between the asking and the
//! storing anything may happen, nothing is recorded about how far it got, and a retry is a second
//! message. It is kept to show where that breaks; what would mend it is `m1`.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use ruma::{OwnedServerName, OwnedUserId, RoomId, ServerName};
use serde_json::{Value, value::RawValue};
use transport::{
    BoxFuture,
    endpoints::m1::{
        Devices, EventBody, GetUserClients, OnMessageSent, PrepareRequest, SendMessage, Sent, Users,
    },
};

use super::{Handed, Policy, SendError, m1::outcome};
use crate::{
    event::Delivery,
    messaging::rooms::{Draft, RoomError, Rooms},
    pdu::{Checked, Standing},
    store::{
        StoreError, accounts, memberships,
        sends::{Outcome, SendKey},
    },
};

/// The policy over this server's rooms. Cheap to clone.
#[derive(Clone)]
pub(crate) struct M1Of2021 {
    rooms: Rooms,
}

impl Policy for M1Of2021 {
    /// Every send is a message of its own, even under the same transaction id.
    fn send(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> BoxFuture<'_, Result<Outcome, SendError>> {
        Box::pin(async move { Ok(self.send_own(owner, key, content).await?) })
    }

    fn send_for(
        &self,
        owner: OwnedServerName,
        message: Handed,
    ) -> BoxFuture<'_, Result<Sent, RoomError>> {
        Box::pin(self.distribute_for(owner, message))
    }
}

impl M1Of2021 {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms }
    }

    /// Sends a message of a local user, through the room's owner.
    async fn send_own(
        &self,
        owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> Result<Outcome, RoomError> {
        let (rooms, room) = (self.rooms.clone(), key.room_id.clone());
        let draft = Draft::message(&key.device.user_id, &key.kind, content);
        let event =
            self.rooms.database().transaction(move |tx| rooms.build_in(tx, &room, &draft)).await?;
        let sent = if owner == self.rooms.core().server_name() {
            self.distribute(self.rooms.trusted(event.clone())).await?
        } else {
            let arguments = [key.room_id.as_str(), &key.transaction_id];
            let body = EventBody { event: event.to_raw() };
            let called = self.rooms.core().federation.call_endpoint::<SendMessage>(
                &owner,
                &arguments,
                &body,
                self.timeout() + self.rooms.core().config.vote_timeout,
            );
            // A lost answer counts as a refusal, although the message may be on its way.
            called.await.unwrap_or_else(|_| unreachable(vec![owner.to_string()]))
        };
        Ok(outcome(event.event_id.clone(), sent))
    }

    /// Distributes a message of another server's user, as the owner of its room.
    async fn distribute_for(
        &self,
        owner: OwnedServerName,
        message: Handed,
    ) -> Result<Sent, RoomError> {
        if owner != self.rooms.core().server_name() {
            let message = format!("{} is owned by {owner}", message.room_id);
            return Err(RoomError::Forbidden(message));
        }
        let origin = message.origin;
        let checked = self.rooms.check(&message.event, &origin).await??;
        if checked.pdu.room_id != message.room_id || checked.pdu.state_key.is_some() {
            return Err(RoomError::Invalid("the event is no message of that room".to_owned()));
        }
        if checked.pdu.sender.server_name() != origin {
            let message = format!("{} is not a user of {origin}", checked.pdu.sender);
            return Err(RoomError::Forbidden(message));
        }
        if let Standing::SoftFailed(reason) | Standing::Rejected(reason) = &checked.standing {
            return Err(RoomError::Forbidden(reason.clone()));
        }
        self.distribute(checked).await
    }

    /// Returns the devices of those of `users` who are local.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn user_clients(
        &self,
        users: Vec<OwnedUserId>,
    ) -> Result<Devices, StoreError> {
        let own = self.rooms.core().owned_server_name();
        self.rooms
            .database()
            .call(move |db| accounts::devices_of(db, &own, users.iter().map(|user| &**user)))
            .await
    }

    /// As [`M1Of2021::user_clients`], for `caller`: of those who are in a room with one of its
    /// users.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn user_clients_for(
        &self,
        caller: OwnedServerName,
        users: Vec<OwnedUserId>,
    ) -> Result<Devices, StoreError> {
        let known = self
            .rooms
            .database()
            .call(move |connection| {
                let mut known = Vec::new();
                for user in users {
                    if memberships::shares_a_room(connection, &user, &caller)? {
                        known.push(user);
                    }
                }
                Ok::<_, StoreError>(known)
            })
            .await?;
        self.user_clients(known).await
    }

    /// Stores and shows a message that the owner `caller` sends on.
    ///
    /// # Errors
    /// `caller` does not own the room, or the store refuses.
    pub(crate) async fn on_message_sent(
        &self,
        caller: &ServerName,
        room_id: &RoomId,
        event: &RawValue,
    ) -> Result<(), RoomError> {
        let (delivery, owner) = self.rooms.delivery_and_owner(room_id).await?;
        if delivery != Delivery::M1Of2021 || owner != caller {
            let message = format!("{caller} may not pass messages on in {room_id}");
            return Err(RoomError::Forbidden(message));
        }
        match self.rooms.check(event, caller).await? {
            // Of another room: the caller does not own that.
            Ok(checked) if checked.pdu.room_id != room_id || checked.pdu.state_key.is_some() => {
                Err(RoomError::Invalid("the event is no message of that room".to_owned()))
            }
            Ok(checked) if checked.standing == Standing::Accepted => self.store(checked).await,
            // What this backend does not believe is dropped, and the owner is not told.
            Ok(checked) => {
                tracing::warn!(event_id = %checked.pdu.event_id, "dropped a message");
                Ok(())
            }
            Err(refusal) => {
                tracing::warn!(%refusal, "dropped a message");
                Ok(())
            }
        }
    }

    async fn distribute(&self, checked: Checked) -> Result<Sent, RoomError> {
        let devices = match self.all_devices(&checked.pdu.room_id).await? {
            Ok(devices) => devices,
            Err(unreached) => return Ok(unreachable(unreached)),
        };
        let own = self.rooms.core().owned_server_name();
        let mut failed_to_send = Vec::new();
        for (member, devices) in devices {
            if member == own {
                self.store(checked.clone()).await?;
            } else if !self.store_at(&member, &checked, devices).await {
                failed_to_send.push(member.to_string());
            }
        }
        Ok(Sent { delivered: true, failed_to_send, ..unreachable(Vec::new()) })
    }

    /// Returns the devices of every member backend, asked at the same time; or those who did not
    /// answer.
    async fn all_devices(
        &self,
        room_id: &RoomId,
    ) -> Result<Result<BTreeMap<OwnedServerName, Devices>, Vec<String>>, RoomError> {
        let mut users = BTreeMap::<OwnedServerName, Vec<OwnedUserId>>::new();
        for user in self.rooms.joined_members(room_id).await? {
            users.entry(user.server_name().to_owned()).or_default().push(user);
        }
        let asked = users.into_iter().map(|(member, users)| async move {
            let devices = self.devices_at(&member, users).await;
            (member, devices)
        });
        let mut devices = BTreeMap::new();
        let mut unreached = Vec::new();
        for (member, answer) in join_all(asked).await {
            match answer {
                Some(of_member) => drop(devices.insert(member, of_member)),
                None => unreached.push(member.to_string()),
            }
        }
        Ok(if unreached.is_empty() { Ok(devices) } else { Err(unreached) })
    }

    async fn devices_at(&self, member: &ServerName, users: Vec<OwnedUserId>) -> Option<Devices> {
        let core = self.rooms.core();
        if member == core.server_name() {
            return self.user_clients(users).await.ok();
        }
        let users = Users { users: users.iter().map(ToString::to_string).collect() };
        let timeout = core.config.vote_timeout;
        core.federation.call_endpoint::<GetUserClients>(member, &[], &users, timeout).await.ok()
    }

    async fn store_at(&self, member: &ServerName, checked: &Checked, devices: Devices) -> bool {
        let event = &checked.pdu;
        let arguments = [event.room_id.as_str(), event.event_id.as_str()];
        let body = PrepareRequest { event: event.to_raw(), devices };
        let stored = self
            .rooms
            .core()
            .federation
            .call_endpoint::<OnMessageSent>(member, &arguments, &body, self.timeout())
            .await;
        if let Err(error) = &stored {
            tracing::warn!(%error, %member, "failed to store a message at a backend");
        }
        stored.is_ok()
    }

    async fn store(&self, checked: Checked) -> Result<(), RoomError> {
        let rooms = self.rooms.clone();
        self.rooms.database().transaction(move |tx| rooms.insert(tx, &checked)).await?;
        Ok(())
    }

    fn timeout(&self) -> Duration {
        self.rooms.core().config.request_timeout
    }
}

fn unreachable(backends: Vec<String>) -> Sent {
    Sent {
        delivered: false,
        unreachable_backends: backends,
        failed_to_send: Vec::new(),
        reason: None,
    }
}
