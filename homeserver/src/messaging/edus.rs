//! What comes and goes beside events: receipts, typing, presence, messages to devices, and news of
//! devices. Receipts and messages are kept in the store; who types and who is there, in memory alone.

mod incoming;
mod passing;
mod to_device;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};
use transport::{Lock, Transaction};

pub(crate) use self::{
    passing::{Passing, Presence},
    to_device::{MAX_RECIPIENTS, Message, Recipients},
};
use super::notifications::{News, Topic};
use crate::{
    core::{Core, moment::now_ms},
    store::{
        StoreError, account_data, device_keys,
        edus::OutgoingEdu,
        memberships, neighbors,
        receipts::{self, Receipt},
    },
    transaction::Outgoing,
};

/// How long a receipt is worth sending to a server that is away.
const RECEIPT_LIFE: Duration = Duration::from_hours(24);

/// How long who types, or is there, is worth sending.
const PASSING_LIFE: Duration = Duration::from_secs(30);

/// The longest that a user counts as typing without saying so again.
pub(crate) const MAX_TYPING: Duration = Duration::from_secs(120);

/// What comes and goes beside events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Edus {
    core: Core,
    outgoing: Outgoing,
    news: News,
    passing: Arc<Lock<Passing>>,
}

/// A receipt of a local user.
#[derive(Clone, Debug)]
pub(crate) struct OwnReceipt {
    pub(crate) room: OwnedRoomId,
    pub(crate) user: OwnedUserId,
    pub(crate) event: OwnedEventId,
    /// `m.read`, `m.read.private`, or `m.fully_read`, which is kept with the account.
    pub(crate) kind: String,
    /// The thread that it is of, or empty.
    pub(crate) thread: String,
}

/// How far a client's user has read, for their own eyes.
const FULLY_READ: &str = "m.fully_read";

impl Edus {
    /// Returns those of this server; whoever waits hears of them from `news`.
    pub(crate) fn new(core: &Core, outgoing: Outgoing, news: News) -> Self {
        Self { core: core.clone(), outgoing, news, passing: Arc::default() }
    }

    /// Keeps receipts of a local user who is in the room, and tells the other servers of the public ones.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(&self, read: Vec<OwnReceipt>) -> Result<(), StoreError> {
        let edus = self.clone();
        self.core
            .database
            .transaction(move |tx| read.iter().try_for_each(|receipt| edus.read_one(tx, receipt)))
            .await
    }

    fn read_one(&self, tx: &Transaction<'_>, receipt: &OwnReceipt) -> Result<(), StoreError> {
        let OwnReceipt { room, user, event, kind, thread } = receipt;
        if kind == FULLY_READ {
            let content = json!({ "event_id": event });
            account_data::put(tx, user, Some(room), FULLY_READ, &content)?;
            self.news.ring([Topic::User(user.clone())]);
            return Ok(());
        }
        let ts = now_ms(&self.core.host);
        receipts::put(tx, &Receipt { room, kind, user, thread, event, ts })?;
        self.news.ring([Topic::Room(room.clone())]);
        if kind == receipts::PRIVATE {
            return Ok(());
        }
        let mut data = json!({ "ts": ts });
        if !thread.is_empty() {
            data["thread_id"] = thread.as_str().into();
        }
        let said = json!({ user.as_str(): { "data": data, "event_ids": [event] } });
        let edu = OutgoingEdu {
            kind: "m.receipt",
            content: json!({ room.as_str(): { "m.read": said } }),
            key: Some(format!("receipt {room} {user} {thread}")),
            expires_ms: Some(self.expiry(RECEIPT_LIFE)),
        };
        self.outgoing.enqueue_edu(tx, &self.others_in(tx, room)?, &edu)
    }

    /// Takes note that a local user who is in the room types, for so long, or no more.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn typing(
        &self,
        room: OwnedRoomId,
        user: OwnedUserId,
        lasts: Option<Duration>,
    ) -> Result<(), StoreError> {
        let edus = self.clone();
        self.core
            .database
            .transaction(move |tx| {
                if !edus.passing.lock().types(&room, &user, lasts) {
                    return Ok(());
                }
                edus.news.ring([Topic::Room(room.clone())]);
                let typing = lasts.is_some();
                let edu = OutgoingEdu {
                    kind: "m.typing",
                    content: json!({ "room_id": room, "user_id": user, "typing": typing }),
                    key: Some(format!("typing {room} {user}")),
                    expires_ms: Some(edus.expiry(PASSING_LIFE)),
                };
                edus.outgoing.enqueue_edu(tx, &edus.others_in(tx, &room)?, &edu)
            })
            .await
    }

    /// Takes note of whether a local user is there, and tells the servers that share a room.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn present(
        &self,
        user: OwnedUserId,
        presence: Presence,
    ) -> Result<(), StoreError> {
        let edus = self.clone();
        self.core
            .database
            .transaction(move |tx| {
                if !edus.passing.lock().presence(&user, presence.clone()) {
                    return Ok(());
                }
                edus.tell_neighbors(tx, &user)?;
                let mut push = presence.content();
                push["user_id"] = user.as_str().into();
                let edu = OutgoingEdu {
                    kind: "m.presence",
                    content: json!({ "push": [push] }),
                    key: Some(format!("presence {user}")),
                    expires_ms: Some(edus.expiry(PASSING_LIFE)),
                };
                let servers = neighbors::servers_of(tx, edus.core.server_name(), &user)?;
                edus.outgoing.enqueue_edu(tx, &servers, &edu)
            })
            .await
    }

    /// Returns whether a user is there, as far as this server knows.
    pub(crate) fn presence_of(&self, user: &UserId) -> Option<Presence> {
        self.passing.lock().presence_of(user)
    }

    /// Returns what passes, to be looked at.
    pub(crate) fn passing(&self) -> Arc<Lock<Passing>> {
        Arc::clone(&self.passing)
    }

    /// Takes note that the devices of a local user changed, and tells everybody who shares a room: of
    /// one device, with its keys, or of the cross-signing keys.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn devices_changed(
        &self,
        tx: &Transaction<'_>,
        user: &UserId,
        said: DeviceNews,
    ) -> Result<(), StoreError> {
        let sequence = device_keys::changed(tx, user)?;
        self.tell_neighbors(tx, user)?;
        let (kind, key, mut content) = match said {
            DeviceNews::Device { device_id, content } => {
                ("m.device_list_update", format!("device {user} {device_id}"), content)
            }
            DeviceNews::SigningKeys(content) => {
                ("m.signing_key_update", format!("signing {user}"), content)
            }
        };
        content["user_id"] = user.as_str().into();
        if kind == "m.device_list_update" {
            content["stream_id"] = sequence.into();
            // Names nothing before it: whoever gets it asks for the whole list.
            content["prev_id"] = json!([]);
        }
        let edu = OutgoingEdu { kind, content, key: Some(key), expires_ms: None };
        let servers = neighbors::servers_of(tx, self.core.server_name(), user)?;
        self.outgoing.enqueue_edu(tx, &servers, &edu)
    }

    /// Wakes those of this server's users who share a room with `user`.
    fn tell_neighbors(&self, tx: &Transaction<'_>, user: &UserId) -> Result<(), StoreError> {
        let near = neighbors::users_near(tx, self.core.server_name(), user)?;
        self.news.ring(near.into_iter().map(Topic::User));
        Ok(())
    }

    fn others_in(
        &self,
        tx: &Transaction<'_>,
        room: &RoomId,
    ) -> Result<BTreeSet<OwnedServerName>, StoreError> {
        let mut servers = memberships::member_servers(tx, room)?;
        servers.remove(self.core.server_name());
        Ok(servers)
    }

    /// Returns when what lasts so long from now on is over, on the clock of ages.
    fn expiry(&self, life: Duration) -> i64 {
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        self.core.ages.now_ms().saturating_add(life)
    }
}

/// What is said of a user's devices.
pub(crate) enum DeviceNews {
    /// One of them is new, changed, or gone.
    Device { device_id: String, content: Value },
    /// The user has other cross-signing keys.
    SigningKeys(Value),
}
