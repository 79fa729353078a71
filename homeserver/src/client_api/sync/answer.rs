//! The answer of `GET /sync`.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedRoomId, OwnedUserId};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::News;
use crate::{
    client_api::token::{sync_token, token},
    messaging::{
        beside::RoomBeside,
        stream::{RoomChanges, Summary},
        unread::Unread,
    },
    store::generations::Generation,
};

/// What is answered. Of what this server does not have, lists are empty.
#[derive(Serialize)]
pub(crate) struct SyncAnswer {
    account_data: Events<Value>,
    device_lists: DeviceLists,
    device_one_time_keys_count: BTreeMap<String, i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_unused_fallback_key_types: Option<Vec<String>>,
    next_batch: String,
    presence: Events<Value>,
    rooms: Rooms,
    to_device: Events,
}

#[derive(Serialize)]
struct Rooms {
    invite: BTreeMap<OwnedRoomId, InvitedRoom>,
    join: BTreeMap<OwnedRoomId, Room>,
    knock: BTreeMap<OwnedRoomId, KnockedRoom>,
    leave: BTreeMap<OwnedRoomId, Room>,
}

#[derive(Serialize)]
struct InvitedRoom {
    invite_state: Events<Value>,
}

#[derive(Serialize)]
struct KnockedRoom {
    knock_state: Events<Value>,
}

#[derive(Serialize)]
struct Room {
    account_data: Events<Value>,
    ephemeral: Events<Value>,
    state: Events,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<RoomSummary>,
    timeline: Timeline,
    unread_notifications: UnreadNotifications,
}

#[derive(Serialize)]
struct RoomSummary {
    #[serde(rename = "m.heroes")]
    heroes: Vec<String>,
    #[serde(rename = "m.invited_member_count")]
    invited: i64,
    #[serde(rename = "m.joined_member_count")]
    joined: i64,
}

#[derive(Serialize)]
struct Timeline {
    events: Vec<Box<RawValue>>,
    limited: bool,
    prev_batch: String,
}

#[derive(Serialize)]
struct Events<T = Box<RawValue>> {
    events: Vec<T>,
}

impl<T> From<Vec<T>> for Events<T> {
    fn from(events: Vec<T>) -> Self {
        Self { events }
    }
}

#[derive(Serialize)]
struct DeviceLists {
    changed: BTreeSet<OwnedUserId>,
    left: BTreeSet<OwnedUserId>,
}

#[derive(Default, Serialize)]
struct UnreadNotifications {
    #[serde(rename = "highlight_count")]
    highlights: u64,
    #[serde(rename = "notification_count")]
    notifications: u64,
}

impl From<Unread> for UnreadNotifications {
    fn from(unread: Unread) -> Self {
        let Unread { highlights, notifications } = unread;
        Self { highlights, notifications }
    }
}

pub(super) fn answer(news: News) -> SyncAnswer {
    let News { changes, mut beside, unread } = news;
    let generation = changes.generation;
    let next_batch = sync_token(changes.next, beside.next, &generation);
    let invited = changes.invited.into_iter().map(|room| {
        let invite_state = room.stripped_state.into();
        (room.room_id, InvitedRoom { invite_state })
    });
    let knocked = changes.knocked.into_iter().map(|room| {
        let knock_state = room.stripped_state.into();
        (room.room_id, KnockedRoom { knock_state })
    });
    let mut of_rooms = std::mem::take(&mut beside.rooms);
    let mut rooms = |of: Vec<RoomChanges>| -> BTreeMap<_, _> {
        of.into_iter().map(|room| shown(room, &mut of_rooms, &generation)).collect()
    };
    let (mut join, leave) = (rooms(changes.joined), rooms(changes.left));
    // Rooms in which nothing happened but beside events.
    for (room_id, beside) in of_rooms {
        join.insert(room_id, only_beside(beside, &next_batch));
    }
    for (room_id, room) in &mut join {
        room.unread_notifications = unread.get(room_id).copied().unwrap_or_default().into();
    }
    let has_keys = beside.one_time_keys.is_some();
    SyncAnswer {
        account_data: beside.account_data.into(),
        device_lists: DeviceLists { changed: beside.devices_changed, left: beside.devices_left },
        device_one_time_keys_count: beside.one_time_keys.unwrap_or_default(),
        device_unused_fallback_key_types: has_keys.then_some(beside.unused_fallback),
        next_batch,
        presence: beside.presence.into(),
        rooms: Rooms { invite: invited.collect(), join, knock: knocked.collect(), leave },
        to_device: beside.to_device.into(),
    }
}

fn shown(
    room: RoomChanges,
    beside: &mut BTreeMap<OwnedRoomId, RoomBeside>,
    generation: &Generation,
) -> (OwnedRoomId, Room) {
    let RoomChanges { room_id, timeline, limited, before, state, summary, .. } = room;
    let beside = beside.remove(&room_id).unwrap_or_default();
    let summary =
        summary.map(|Summary { joined, invited, heroes }| RoomSummary { heroes, invited, joined });
    let shown = Room {
        account_data: beside.account_data.into(),
        ephemeral: beside.ephemeral.into(),
        state: state.into(),
        summary,
        timeline: Timeline { events: timeline, limited, prev_batch: token(before, generation) },
        unread_notifications: UnreadNotifications::default(),
    };
    (room_id, shown)
}

fn only_beside(beside: RoomBeside, next_batch: &str) -> Room {
    let timeline =
        Timeline { events: Vec::new(), limited: false, prev_batch: next_batch.to_owned() };
    Room {
        account_data: beside.account_data.into(),
        ephemeral: beside.ephemeral.into(),
        state: Vec::new().into(),
        summary: None,
        timeline,
        unread_notifications: UnreadNotifications::default(),
    }
}
