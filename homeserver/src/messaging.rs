//! Messaging: users and devices, rooms and membership, and what each device is told.
//!
//! Reading order: [`rooms`]; `accounts` (users and devices); `notifications` (each device's stream); `pushers` (gateways of devices that are away);
//! `timeline` (a room as one reader sees it); `stream` (what is new in a user's rooms). How a message
//! reaches a room is told above, in `delivery`.

pub(crate) mod accounts;
pub(crate) mod notifications;
pub(crate) mod pushers;
pub mod rooms;
pub(crate) mod stream;
pub(crate) mod timeline;

use self::{accounts::Accounts, notifications::Notifications, pushers::Pushers, rooms::Rooms};
use crate::store::pushers::PusherRow;

/// The messaging layer of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Messaging {
    pub(crate) rooms: Rooms,
    pub(crate) accounts: Accounts,
    pub(crate) notifications: Notifications,
    pub(crate) pushers: Pushers,
}

impl Messaging {
    /// Returns the layer over `rooms`, which tells `notifications` what happens, with these pushers.
    pub(crate) fn new(rooms: Rooms, notifications: Notifications, known: Vec<PusherRow>) -> Self {
        let accounts = Accounts::new(rooms.core(), notifications.news.clone());
        let pushers = Pushers::start(rooms.core(), &notifications, known);
        Self { rooms, accounts, notifications, pushers }
    }
}
