//! What is new for a device beside events: messages to it, account data, receipts, who types, who is
//! there, and whose devices changed.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use rusqlite::Connection;
use serde_json::{Value, json, value::RawValue};
use transport::Lock;

use super::{
    edus::Passing,
    filter::{EventFilter, Filter, RoomFilter},
    keys::changed_near,
    push_rules,
    stream::Changes,
};
use crate::{
    event::Membership,
    store::{
        StoreError, account_data, accounts::Device, device_keys, memberships, neighbors, receipts,
        side, to_device,
    },
};

/// Messages to a device in one answer; the rest come with the next one.
const MAX_MESSAGES: usize = 100;

/// Points in the two sequences of what changes beside events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Points {
    /// Of what is stored.
    pub(crate) side: i64,
    /// Of what is known in memory alone.
    pub(crate) passing: i64,
}

/// What is new beside events.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// The points up to which this reaches.
    pub(crate) next: Points,
    pub(crate) to_device: Vec<Box<RawValue>>,
    pub(crate) account_data: Vec<Value>,
    pub(crate) presence: Vec<Value>,
    pub(crate) devices_changed: BTreeSet<OwnedUserId>,
    pub(crate) devices_left: BTreeSet<OwnedUserId>,
    /// How many one-time keys the device has left, by algorithm; `None` if it has no keys at all.
    pub(crate) one_time_keys: Option<BTreeMap<String, i64>>,
    pub(crate) unused_fallback: Vec<String>,
    pub(crate) rooms: BTreeMap<OwnedRoomId, RoomBeside>,
}

/// What is new in a room beside events.
#[derive(Debug, Default)]
pub(crate) struct RoomBeside {
    pub(crate) account_data: Vec<Value>,
    pub(crate) ephemeral: Vec<Value>,
}

impl Beside {
    /// Returns whether there is nothing new.
    pub(crate) fn is_empty(&self) -> bool {
        self.to_device.is_empty()
            && self.account_data.is_empty()
            && self.presence.is_empty()
            && self.devices_changed.is_empty()
            && self.devices_left.is_empty()
            && self.rooms.is_empty()
    }
}

/// What is looked at.
pub(crate) struct Look<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) device: &'a Device,
    /// The points after which the device asks; `None`: everything.
    pub(crate) since: Option<Points>,
    pub(crate) passing: &'a Lock<Passing>,
    /// What is new in the rooms.
    pub(crate) changes: &'a Changes,
    /// What of it the device wants.
    pub(crate) filter: &'a Filter,
}

/// Returns what is new for a device.
pub(crate) fn beside(look: &Look<'_>) -> Result<Beside, StoreError> {
    let Look { connection, device, .. } = *look;
    let (last, passing) = (side::last(connection)?, look.passing.lock().last());
    // A point beyond the last one was given out before the database was set back, or the server began
    // anew: then everything is told.
    let since = look.since.unwrap_or_default();
    let since = Points {
        side: if since.side > last { 0 } else { since.side },
        passing: if since.passing > passing { 0 } else { since.passing },
    };
    let mut found = Beside { next: Points { side: last, passing }, ..Beside::default() };
    let has_news = since.side < last || look.since.is_none();
    if has_news {
        let (messages, more) = to_device::waiting(connection, device, since.side, MAX_MESSAGES)?;
        found.to_device = messages;
        let (own, of_rooms) = account_data::since(connection, &device.user_id, since.side)?;
        found.account_data = own;
        if look.since.is_none() {
            look.add_push_rules(&mut found)?;
        }
        for (room, events) in of_rooms {
            if look.is_in(&room)? {
                found.rooms.entry(room).or_default().account_data = events;
            }
        }
        look.add_receipts(since, &mut found)?;
        if let Some(more) = more {
            found.next.side = more;
        }
    }
    look.add_whole_rooms(&mut found)?;
    look.add_device_lists(since, &mut found)?;
    look.add_passing(since, &mut found)?;
    keep_wanted(&mut found, look.filter);
    if device_keys::exist(connection, device)? {
        let mut counts = device_keys::counts(connection, device)?;
        counts.entry("signed_curve25519".to_owned()).or_insert(0);
        found.one_time_keys = Some(counts);
        found.unused_fallback = device_keys::unused_fallback_algorithms(connection, device)?;
    }
    Ok(found)
}

/// Leaves out what the device does not want.
fn keep_wanted(found: &mut Beside, filter: &Filter) {
    let kind = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    let is_sent = |event: &Value| {
        let sender = event["sender"].as_str().and_then(|sender| UserId::parse(sender).ok());
        sender.is_some_and(|sender| filter.presence.wants_sender(&sender))
    };
    found.account_data.retain(|event| filter.account_data.wants_kind(&kind(event)));
    found.presence.retain(|event| filter.presence.wants_kind(&kind(event)) && is_sent(event));
    for (room, here) in &mut found.rooms {
        let RoomFilter { ephemeral, account_data, .. } = &filter.room;
        let wants =
            |of: &EventFilter, event: &Value| of.wants_any_of(room) && of.wants_kind(&kind(event));
        here.ephemeral.retain(|event| wants(ephemeral, event));
        here.account_data.retain(|event| wants(account_data, event));
    }
    found.rooms.retain(|room, here| {
        filter.room.wants(room) && !(here.ephemeral.is_empty() && here.account_data.is_empty())
    });
}

impl Look<'_> {
    fn is_in(&self, room: &RoomId) -> Result<bool, StoreError> {
        let standing = memberships::find(self.connection, room, &self.device.user_id)?;
        Ok(standing == Some(Membership::Join))
    }

    /// Adds the push rules that everybody has, which are not kept until they are changed.
    fn add_push_rules(&self, found: &mut Beside) -> Result<(), StoreError> {
        if !found.account_data.iter().any(|event| event["type"] == push_rules::KIND) {
            let rules = push_rules::of_user(self.connection, &self.device.user_id)?;
            let content = push_rules::content(&rules);
            found.account_data.push(json!({ "type": push_rules::KIND, "content": content }));
        }
        Ok(())
    }

    fn add_receipts(&self, since: Points, found: &mut Beside) -> Result<(), StoreError> {
        let Self { connection, device, .. } = *self;
        for room in receipts::rooms_since(connection, since.side)? {
            if !self.is_in(&room)? {
                continue;
            }
            let user = &device.user_id;
            if let Some(content) = receipts::content_since(connection, &room, since.side, user)? {
                let event = json!({ "type": "m.receipt", "content": content });
                found.rooms.entry(room).or_default().ephemeral.push(event);
            }
        }
        Ok(())
    }

    /// Of a room that the device has not seen yet, everything is new.
    fn add_whole_rooms(&self, found: &mut Beside) -> Result<(), StoreError> {
        if self.since.is_none() {
            return Ok(());
        }
        let Self { connection, device, .. } = *self;
        let user = &device.user_id;
        let whole: Vec<_> = self.changes.joined.iter().filter(|room| room.is_whole).collect();
        if whole.is_empty() {
            return Ok(());
        }
        let (_, mut of_rooms) = account_data::since(connection, user, 0)?;
        for room in whole {
            let mut here = RoomBeside::default();
            if let Some(content) = receipts::content_since(connection, &room.room_id, 0, user)? {
                here.ephemeral.push(json!({ "type": "m.receipt", "content": content }));
            }
            here.account_data = of_rooms.remove(&room.room_id).unwrap_or_default();
            if !here.ephemeral.is_empty() || !here.account_data.is_empty() {
                found.rooms.insert(room.room_id.clone(), here);
            }
        }
        Ok(())
    }

    /// Whose devices changed; and in encrypted rooms, who came, and who went and shares none any more.
    fn add_device_lists(&self, since: Points, found: &mut Beside) -> Result<(), StoreError> {
        if self.since.is_none() {
            return Ok(());
        }
        let (connection, own) = (self.connection, &self.device.user_id);
        let near = changed_near(connection, own, since.side, found.next.side)?;
        found.devices_changed.extend(near);
        for (user, membership) in &self.changes.moved {
            match membership {
                Membership::Join => drop(found.devices_changed.insert(user.clone())),
                Membership::Leave | Membership::Ban => {
                    if !neighbors::are_near(connection, own, user)? {
                        found.devices_left.insert(user.clone());
                    }
                }
                Membership::Invite | Membership::Knock => {}
            }
        }
        Ok(())
    }

    fn add_passing(&self, since: Points, found: &mut Beside) -> Result<(), StoreError> {
        let (typing, present) = {
            let mut passing = self.passing.lock();
            let rooms = passing.typing_since(since.passing);
            found.next.passing = passing.last();
            let typing: Vec<_> =
                rooms.into_iter().map(|room| (passing.who_types(&room), room)).collect();
            (typing, passing.present_since(since.passing))
        };
        for (users, room) in typing {
            if self.is_in(&room)? {
                let event = json!({ "type": "m.typing", "content": { "user_ids": users } });
                found.rooms.entry(room).or_default().ephemeral.push(event);
            }
        }
        for (user, presence) in present {
            if neighbors::are_near(self.connection, &self.device.user_id, &user)? {
                let content = presence.content();
                found.presence.push(json!({
                    "type": "m.presence", "sender": user, "content": content,
                }));
            }
        }
        Ok(())
    }
}
