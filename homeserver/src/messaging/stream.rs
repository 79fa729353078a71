//! What has happened in a user's rooms since a point in the stream of events.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::Connection;
use serde_json::{Value, value::RawValue};

use super::{
    rooms::Direction,
    timeline::{Page, page},
};
use crate::{
    event::{Membership, Pdu},
    pdu::sight::Sight,
    store::{
        StoreError,
        accounts::Device,
        events,
        generations::{self, Generation},
        memberships::{self, MembershipRow},
        neighbors, rooms,
        sends::for_device,
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

/// Users by whom a room without a name is called.
const MAX_HEROES: usize = 5;

/// What is new for a device.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The point up to which this reaches.
    pub(crate) next: i64,
    /// The life of the database whose points these are.
    pub(crate) generation: Generation,
    pub(crate) joined: Vec<RoomChanges>,
    pub(crate) invited: Vec<Invited>,
    /// Rooms at whose doors the user has knocked.
    pub(crate) knocked: Vec<Invited>,
    pub(crate) left: Vec<RoomChanges>,
}

impl Changes {
    /// Returns whether there is nothing new.
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty()
            && self.invited.is_empty()
            && self.knocked.is_empty()
            && self.left.is_empty()
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
    /// Whether the device has not seen the room before.
    pub(crate) is_whole: bool,
    /// Who is in it, in short; `None` if that is as it was.
    pub(crate) summary: Option<Summary>,
}

/// Who is in a room, in short.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) joined: i64,
    pub(crate) invited: i64,
    /// Others, by whom a room without a name is called.
    pub(crate) heroes: Vec<String>,
}

/// A room that the user is invited to, or has knocked at.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) room_id: OwnedRoomId,
    /// What the user may see of it.
    pub(crate) stripped_state: Vec<Value>,
}

/// What a device asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The point after which it asks; `None`: everything there is.
    pub(crate) since: Option<i64>,
    /// Events of each room at most.
    pub(crate) limit: usize,
    /// Whether it asks for the whole state of every room that it is in, changed or not.
    pub(crate) full_state: bool,
}

/// A reader of the stream in the name of a device.
struct Reader<'a> {
    connection: &'a Connection,
    device: &'a Device,
    wanted: Wanted,
}

/// Positions that are looked through for the rooms in which something happened; of more, every room
/// of the user is looked at.
const MAX_LOOKED_THROUGH: i64 = 1000;

/// Returns what is new for `device`.
pub(crate) fn changes(
    connection: &Connection,
    device: &Device,
    wanted: Wanted,
) -> Result<Changes, StoreError> {
    let reader = Reader { connection, device, wanted };
    let mut changes = Changes {
        next: events::newest_position(connection)?,
        generation: generations::newest(connection)?,
        joined: Vec::new(),
        invited: Vec::new(),
        knocked: Vec::new(),
        left: Vec::new(),
    };
    for standing in reader.standings(changes.next)? {
        let MembershipRow { room_id, membership, event_id, position } = standing;
        let is_new = wanted.since.is_none_or(|since| position > since);
        match (membership, wanted.since) {
            (Membership::Join, Some(since)) if !is_new => {
                changes.joined.extend(reader.news(room_id, since, i64::MAX)?);
            }
            (Membership::Join, _) => changes.joined.push(reader.whole(room_id)?),
            (Membership::Invite, _) if is_new => {
                changes.invited.push(reader.invited(room_id, &event_id)?);
            }
            (Membership::Knock, _) if is_new => {
                changes.knocked.push(reader.invited(room_id, &event_id)?);
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
    /// Returns what the user is in the rooms of which there may be news, ordered by room.
    fn standings(&self, newest: i64) -> Result<Vec<MembershipRow>, StoreError> {
        let user = &self.device.user_id;
        match self.wanted.since {
            Some(since) if newest - since <= MAX_LOOKED_THROUGH && !self.wanted.full_state => {
                let mut standings = Vec::new();
                for room in events::rooms_since(self.connection, since)? {
                    standings.extend(memberships::row(self.connection, &room, user)?);
                }
                Ok(standings)
            }
            _ => memberships::of_user(self.connection, user),
        }
    }

    /// Returns a room that the device has not seen yet: its newest events and its state.
    fn whole(&self, room_id: OwnedRoomId) -> Result<RoomChanges, StoreError> {
        let newest = self.newest(&room_id, i64::MIN, i64::MAX)?;
        let state = self.whole_state(&room_id, &newest)?;
        let mut changes = self.room_changes(room_id, newest, state)?;
        changes.is_whole = true;
        changes.summary = Some(self.summary(&changes.room_id)?);
        Ok(changes)
    }

    fn summary(&self, room: &RoomId) -> Result<Summary, StoreError> {
        let (joined, invited) = neighbors::counts(self.connection, room)?;
        let user = &self.device.user_id;
        let heroes = neighbors::heroes(self.connection, room, user, MAX_HEROES)?;
        Ok(Summary { joined, invited, heroes })
    }

    /// Returns what is new in a room after `since` and up to `until`; `None` if nothing is.
    fn news(
        &self,
        room_id: OwnedRoomId,
        since: i64,
        until: i64,
    ) -> Result<Option<RoomChanges>, StoreError> {
        let mut newest = self.newest(&room_id, since, until)?;
        let state = if self.wanted.full_state && until == i64::MAX {
            self.whole_state(&room_id, &newest)?
        } else if planted(Defect::LimitedSyncOmitsState) || !newest.is_of_the_room {
            Vec::new()
        } else {
            let until = until.saturating_add(1);
            let changed = rooms::state_changed(self.connection, &room_id, since, until)?;
            self.unless_shown(changed, &newest)?
        };
        if newest.events.is_empty() && state.is_empty() {
            return Ok(None);
        }
        newest.before = newest.events.first().map_or(since, |(position, _)| position - 1);
        let is_told = newest.events.iter().any(|(_, event)| event.is_member_event());
        let mut changes = self.room_changes(room_id, newest, state)?;
        if until == i64::MAX && (is_told || changes.limited) {
            changes.summary = Some(self.summary(&changes.room_id)?);
        }
        Ok(Some(changes))
    }

    /// Returns the newest events after `since` and up to `until`, oldest first.
    fn newest(&self, room_id: &RoomId, since: i64, until: i64) -> Result<Newest, StoreError> {
        let sight = Sight::of_user(self.connection, room_id, &self.device.user_id)?;
        let stretch = since.saturating_add(1)..until.saturating_add(1);
        let limit = self.wanted.limit;
        let Page { mut events, has_more, .. } =
            page(self.connection, &sight, stretch, Direction::Backwards, limit + 1)?;
        let limited = has_more || events.len() > limit;
        events.truncate(limit);
        events.reverse();
        let before = events.first().map_or(0, |(position, _)| position - 1);
        Ok(Newest { events, limited, before, is_of_the_room: sight.is_of_the_room() })
    }

    /// Returns the current state, without what is among the newest events.
    fn whole_state(
        &self,
        room_id: &RoomId,
        newest: &Newest,
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let state = rooms::current_state(self.connection, room_id)?;
        self.unless_shown(state.into_values(), newest)
    }

    /// Returns the events, without those that are among the newest.
    fn unless_shown(
        &self,
        events: impl IntoIterator<Item = OwnedEventId>,
        newest: &Newest,
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let shown: BTreeSet<&EventId> =
            newest.events.iter().map(|(_, event)| &*event.event_id).collect();
        let mut state = Vec::new();
        for event_id in events {
            if !shown.contains(&*event_id)
                && let Some(found) = events::find(self.connection, &event_id)?
            {
                state.push(for_device(self.connection, self.device, &found.pdu)?);
            }
        }
        Ok(state)
    }

    fn room_changes(
        &self,
        room_id: OwnedRoomId,
        newest: Newest,
        state: Vec<Box<RawValue>>,
    ) -> Result<RoomChanges, StoreError> {
        let mut timeline = Vec::with_capacity(newest.events.len());
        for (_, event) in newest.events {
            timeline.push(for_device(self.connection, self.device, &event)?);
        }
        let Newest { limited, before, .. } = newest;
        let (is_whole, summary) = (false, None);
        Ok(RoomChanges { room_id, timeline, limited, before, state, is_whole, summary })
    }

    /// Returns the state that came along with an invite from elsewhere, or what this server knows.
    fn invited(&self, room_id: OwnedRoomId, event_id: &EventId) -> Result<Invited, StoreError> {
        let user = &self.device.user_id;
        let stripped_state = match rooms::shown_state(self.connection, &room_id, user)? {
            Some(state) => self.with_own_invite(state, event_id)?,
            None => self.stripped_state(&room_id, event_id)?,
        };
        Ok(Invited { room_id, stripped_state })
    }

    /// Returns the state that came along with an invite, with the invite itself, by which clients know
    /// whom they are invited by.
    fn with_own_invite(
        &self,
        mut state: Vec<Value>,
        invite: &EventId,
    ) -> Result<Vec<Value>, StoreError> {
        let user = self.device.user_id.as_str();
        state.retain(|event| event["type"] != "m.room.member" || event["state_key"] != user);
        let found = events::find(self.connection, invite)?;
        state.extend(found.map(|found| stripped(&found.pdu)));
        Ok(state)
    }

    fn stripped_state(&self, room_id: &RoomId, invite: &EventId) -> Result<Vec<Value>, StoreError> {
        let mut ids = rooms::entries_without_key(self.connection, room_id, &STRIPPED)?;
        if !ids.iter().any(|id| id == invite) {
            ids.push(invite.to_owned());
        }
        let mut shown = events::find_all(self.connection, &ids)?;
        shown.sort_by(|one, other| one.kind.cmp(&other.kind));
        Ok(shown.iter().map(stripped).collect())
    }
}

/// Returns an event as those see it who are not in its room.
fn stripped(event: &Pdu) -> Value {
    serde_json::json!({
        "type": event.kind,
        "state_key": event.state_key,
        "sender": event.sender,
        "content": event.content,
    })
}

/// The newest events of a stretch of a room's timeline that the user sees.
struct Newest {
    events: Vec<(i64, Pdu)>,
    /// Whether older ones of the stretch were left out.
    limited: bool,
    /// The point before them.
    before: i64,
    /// Whether the user is, or was until then, in the room.
    is_of_the_room: bool,
}
