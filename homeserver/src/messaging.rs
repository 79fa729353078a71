//! Messaging: users and devices, rooms and membership, and what each device is told.
//!
//! Reading order: [`rooms`]; `accounts` (users and devices); `notifications` (each device's stream); `push_rules` (what of it notifies), `pushers` (gateways of devices that are away) and `unread`;
//! `filter` (what of it a client wants) and `field_path`; `timeline` (a room as one reader sees it); `stream` (what is new in a user's rooms); `edus` and
//! `beside` (what comes beside events, and what of it is new); `keys` and `backups` (end-to-end
//! encryption); `directory` and `summaries` (how rooms are found), `profiles`, `media`. How a message reaches a room is told above, in `delivery`.

pub(crate) mod accounts;
pub(crate) mod backups;
pub(crate) mod beside;
pub(crate) mod directory;
pub(crate) mod edus;
pub(crate) mod field_path;
pub(crate) mod filter;
pub(crate) mod keys;
pub(crate) mod media;
pub(crate) mod notifications;
pub(crate) mod profiles;
pub(crate) mod push_rules;
pub(crate) mod pushers;
pub mod rooms;
pub(crate) mod stream;
pub(crate) mod summaries;
pub(crate) mod timeline;
pub(crate) mod unread;

use self::{
    accounts::Accounts, backups::Backups, directory::Directory, edus::Edus, keys::Keys,
    media::Media, notifications::Notifications, pushers::Pushers, rooms::Rooms,
};
use crate::store::pushers::PusherRow;

/// The messaging layer of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Messaging {
    pub(crate) rooms: Rooms,
    pub(crate) accounts: Accounts,
    pub(crate) notifications: Notifications,
    pub(crate) pushers: Pushers,
    pub(crate) edus: Edus,
    pub(crate) keys: Keys,
    pub(crate) backups: Backups,
    pub(crate) directory: Directory,
    pub(crate) media: Media,
}

/// What the layer is made of beside rooms.
pub(crate) struct Parts {
    pub(crate) notifications: Notifications,
    pub(crate) edus: Edus,
    /// The pushers that are stored.
    pub(crate) pushers: Vec<PusherRow>,
}

impl Messaging {
    /// Returns the layer over `rooms`, which tells the notifications what happens.
    pub(crate) fn new(rooms: Rooms, parts: Parts) -> Self {
        let Parts { notifications, edus, pushers } = parts;
        let accounts = Accounts::new(rooms.core(), notifications.news.clone(), edus.clone());
        let pushers = Pushers::start(rooms.core(), &notifications, pushers);
        let keys = Keys::new(rooms.core(), edus.clone());
        let backups = Backups::new(rooms.database());
        let (directory, media) = (Directory::new(rooms.core()), Media::new(rooms.core()));
        Self { rooms, accounts, notifications, pushers, edus, keys, backups, directory, media }
    }
}
