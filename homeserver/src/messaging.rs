//! Messaging, the top layer: rooms and membership, sending, and what goes up to users' devices.
//!
//! Reading order: [`rooms`]; `accounts` (users and devices); `send` (the one entry for messages) and
//! the policies `eventual`, `m1` and `m1_2021`; `answers` (retries are harmless); `notifications`
//! (each device's stream).

pub(crate) mod accounts;
pub(crate) mod answers;
pub(crate) mod bell;
mod eventual;
pub(crate) mod m1;
mod m1_2021;
mod moment;
pub(crate) mod notifications;
pub mod rooms;
pub(crate) mod send;
pub(crate) mod stream;
pub(crate) mod to_the_end;
mod turnstile;
mod upkeep;
pub(crate) mod waiters;

use ruma::{RoomId, ServerName};
use transport::DatabaseError;

use self::{
    accounts::Accounts, m1::M1, m1_2021::M1Of2021, notifications::Notifications, rooms::Rooms,
    send::Sending,
};
use crate::store::StoreError;

/// The messaging layer of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Messaging {
    pub(crate) rooms: Rooms,
    pub(crate) accounts: Accounts,
    pub(crate) notifications: Notifications,
    pub(crate) sending: Sending,
    pub(crate) m1: M1,
    pub(crate) m1_2021: M1Of2021,
}

impl Messaging {
    /// The layer over `rooms`, which tells `notifications` what happens. Nothing runs yet.
    pub(crate) fn new(rooms: Rooms, notifications: Notifications) -> Self {
        let (m1, m1_2021) = (M1::new(&rooms), M1Of2021::new(rooms.clone()));
        let core = rooms.core();
        Self {
            accounts: Accounts::new(core),
            sending: Sending::new(rooms.clone(), m1.clone(), m1_2021.clone()),
            notifications,
            m1,
            m1_2021,
            rooms,
        }
    }

    /// Takes up what was under way when the process ended. Call when the server can answer.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn resume(&self) -> Result<(), DatabaseError> {
        self.m1.resume().await?;
        self.rooms.core().host.spawn(upkeep::keep_up(self.clone()));
        Ok(())
    }

    /// A signed request came from `server`, so it is up.
    pub(crate) fn heard_from(&self, server: &ServerName) {
        self.m1.heard_from(server);
    }

    /// Whether any user of `server` is or was in the room.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn was_ever_in(
        &self,
        server: &ServerName,
        room: &RoomId,
    ) -> Result<bool, StoreError> {
        let (server, room) = (server.to_owned(), room.to_owned());
        self.rooms
            .database()
            .call(move |connection| {
                Ok(connection
                    .prepare_cached(
                        "SELECT 1 FROM room_memberships WHERE room_id = ?1 AND server = ?2",
                    )?
                    .exists((room.as_str(), server.as_str()))?)
            })
            .await
    }
}
