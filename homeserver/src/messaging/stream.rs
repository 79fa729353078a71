//! What has happened in a user's rooms since a point in the stream of events.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use ruma::{EventId, OwnedRoomId, RoomId};
use rusqlite::Connection;
use serde_json::{Value, value::RawValue};

use crate::{
    event::{Membership, Pdu},
    store::{
        StoreError,
        accounts::Device,
        events,
        memberships::{self, MembershipRow},
        rooms, sends,
    },
};

/// The kinds of state that an invited user sees of a room (client-server API, "Stripped state"),
/// beside the own invite.
const STRIPPED: [&str; 6] = [
    "m.room.create",
    "m.room.name",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.avatar",
    "m.room.encryption",
];

/// What is new for a device.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The point up to which this reaches.
    pub(crate) next: i64,
    pub(crate) joined: Vec<RoomChanges>,
    pub(crate) invited: Vec<Invited>,
    pub(crate) left: Vec<RoomChanges>,
}

impl Changes {
    /// Returns whether there is nothing new.
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.invited.is_empty() && self.left.is_empty()
    }
}

/// What is new in a room; events are in the client format.
#[derive(Debug)]
pub(crate) struct RoomChanges {
    pub(crate) room_id: OwnedRoomId,
    /// The newest events, oldest first.
    pub(crate) timeline: Vec<Box<RawValue>>,
    /// Whether there are events between the last point and these.
    pub(crate) limited: bool,
    /// The point before the timeline.
    pub(crate) before: i64,
    /// State that changed before the timeline.
    pub(crate) state: Vec<Box<RawValue>>,
}

/// A room that the user is invited to.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) room_id: OwnedRoomId,
    /// What the user may see of it.
    pub(crate) stripped_state: Vec<Value>,
}

/// A reader of the stream in the name of a device.
struct Reader<'a> {
    connection: &'a Connection,
    device: &'a Device,
    limit: usize,
}

/// Returns what is new for `device` after the point `since` (`None`: everything there is), with at
/// most `limit` events of each room.
pub(crate) fn changes(
    connection: &Connection,
    device: &Device,
    since: Option<i64>,
    limit: usize,
) -> Result<Changes, StoreError> {
    let reader = Reader { connection, device, limit };
    let mut changes = Changes {
        next: events::newest_position(connection)?,
        joined: Vec::new(),
        invited: Vec::new(),
        left: Vec::new(),
    };
    for standing in memberships::of_user(connection, &device.user_id)? {
        let MembershipRow { room_id, membership, event_id, position } = standing;
        let is_new = since.is_none_or(|since| position > since);
        match (membership, since) {
            (Membership::Join, Some(since)) if !is_new => {
                changes.joined.extend(reader.news(room_id, since, i64::MAX)?);
            }
            (Membership::Join, _) => changes.joined.push(reader.whole(room_id)?),
            (Membership::Invite, _) if is_new => {
                changes.invited.push(reader.invited(room_id, &event_id)?);
            }
            (Membership::Leave | Membership::Ban, Some(since)) if is_new => {
                changes.left.extend(reader.news(room_id, since, position)?);
            }
            _ => {}
        }
    }
    Ok(changes)
}

impl Reader<'_> {
    /// Returns a room that the device has not seen yet: its newest events and its state.
    fn whole(&self, room_id: OwnedRoomId) -> Result<RoomChanges, StoreError> {
        let newest = self.newest(&room_id, i64::MIN, i64::MAX)?;
        let shown: BTreeSet<&EventId> =
            newest.events.iter().map(|(_, event)| &*event.event_id).collect();
        let mut state = Vec::new();
        for event_id in rooms::current_state(self.connection, &room_id)?.into_values() {
            if !shown.contains(&*event_id)
                && let Some(event) = events::find(self.connection, &event_id)?
            {
                state.push(event.pdu.client_format().to_owned());
            }
        }
        self.room_changes(room_id, newest, state)
    }

    /// Returns what is new in a room after `since` and up to `until`; `None` if nothing is.
    fn news(
        &self,
        room_id: OwnedRoomId,
        since: i64,
        until: i64,
    ) -> Result<Option<RoomChanges>, StoreError> {
        let newest = self.newest(&room_id, since, until)?;
        let Some(&(first, _)) = newest.events.first() else { return Ok(None) };
        let with_state = newest.limited && !planted(Defect::LimitedSyncOmitsState);
        let state =
            if with_state { self.state_between(&room_id, since, first)? } else { Vec::new() };
        self.room_changes(room_id, newest, state).map(Some)
    }

    /// Returns the newest events after `since` and up to `until`, oldest first.
    fn newest(&self, room_id: &RoomId, since: i64, until: i64) -> Result<Newest, StoreError> {
        let stretch = since.saturating_add(1)..until.saturating_add(1);
        let mut events =
            events::timeline_backwards(self.connection, room_id, stretch, self.limit + 1)?;
        let limited = events.len() > self.limit;
        events.truncate(self.limit);
        events.reverse();
        Ok(Newest { events, limited })
    }

    /// Returns the current state events with positions between the two.
    fn state_between(
        &self,
        room_id: &RoomId,
        since: i64,
        first: i64,
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let ids = events::state_between(self.connection, room_id, since, first)?;
        let state = events::find_all(self.connection, &ids)?;
        Ok(state.iter().map(|event| event.client_format().to_owned()).collect())
    }

    fn room_changes(
        &self,
        room_id: OwnedRoomId,
        newest: Newest,
        state: Vec<Box<RawValue>>,
    ) -> Result<RoomChanges, StoreError> {
        let before = newest.events.first().map_or(0, |(position, _)| position - 1);
        let mut timeline = Vec::with_capacity(newest.events.len());
        for (_, event) in newest.events {
            timeline.push(self.own_format(&event)?);
        }
        Ok(RoomChanges { room_id, timeline, limited: newest.limited, before, state })
    }

    /// Returns the event for this device, which recognizes what it sent itself by its transaction
    /// id.
    fn own_format(&self, event: &Pdu) -> Result<Box<RawValue>, StoreError> {
        if event.sender == self.device.user_id
            && let Some(transaction_id) =
                sends::transaction_id(self.connection, &event.event_id, self.device)?
        {
            return Ok(event.client_format_for_sender(&transaction_id));
        }
        Ok(event.client_format().to_owned())
    }

    /// Returns the state that came along with an invite from elsewhere, or what this server knows.
    fn invited(&self, room_id: OwnedRoomId, event_id: &EventId) -> Result<Invited, StoreError> {
        let user = &self.device.user_id;
        let stripped_state = match rooms::shown_state(self.connection, &room_id, user)? {
            Some(state) => state,
            None => self.stripped_state(&room_id, event_id)?,
        };
        Ok(Invited { room_id, stripped_state })
    }

    fn stripped_state(&self, room_id: &RoomId, invite: &EventId) -> Result<Vec<Value>, StoreError> {
        let mut stripped = Vec::new();
        for ((kind, _), event_id) in rooms::current_state(self.connection, room_id)? {
            if (STRIPPED.contains(&kind.as_str()) || event_id == invite)
                && let Some(event) = events::find(self.connection, &event_id)?
            {
                let event = event.pdu;
                stripped.push(serde_json::json!({
                    "type": event.kind,
                    "state_key": event.state_key,
                    "sender": event.sender,
                    "content": event.content,
                }));
            }
        }
        Ok(stripped)
    }
}

/// The newest events of a stretch of a room's timeline.
struct Newest {
    events: Vec<(i64, Pdu)>,
    /// Whether older ones of the stretch were left out.
    limited: bool,
}
