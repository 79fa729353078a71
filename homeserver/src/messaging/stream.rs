//! What has happened in a user's rooms since a point in the stream of events.

mod told;
mod told_state;

use std::sync::Arc;

use defects::{Defect, planted};
use ruma::{EventId, OwnedRoomId, OwnedUserId, RoomId};
use rusqlite::Connection;
use serde_json::{Value, value::RawValue};
use transport::Lock;

pub(crate) use self::told::Told;
use super::{
    filter::Filter,
    rooms::Direction,
    timeline::{Page, Pages, page},
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
        state::GroupId,
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
    /// Whose relation to an encrypted room of the user has changed, or is new to the device, and what
    /// it is; also where the device wants nothing of the room.
    pub(crate) moved: Vec<(OwnedUserId, Membership)>,
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

/// Events of a room when the filter does not say.
const DEFAULT_LIMIT: usize = 20;

/// Most events of a room.
const MAX_LIMIT: usize = 100;

/// What a device asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The point up to which the device has what it was told.
    pub(crate) has: Option<i64>,
    /// The point after which there may be news; `None`: everything there is.
    pub(crate) since: Option<i64>,
    /// What of it the device wants.
    pub(crate) filter: Arc<Filter>,
    /// Whether it asks for the whole state of every room that it is in, changed or not.
    pub(crate) full_state: bool,
    /// Whom the devices were told of.
    pub(crate) told: Arc<Lock<Told>>,
}

/// A reader of the stream in the name of a device.
struct Reader<'a> {
    connection: &'a Connection,
    device: &'a Device,
    wanted: &'a Wanted,
    /// The point up to which the answer reaches.
    next: i64,
}

/// Positions that are looked through for the rooms in which something happened; of more, every room
/// of the user is looked at.
const MAX_LOOKED_THROUGH: i64 = 1000;

/// Returns what is new for `device`.
pub(crate) fn changes(
    connection: &Connection,
    device: &Device,
    wanted: &Wanted,
) -> Result<Changes, StoreError> {
    let next = events::newest_position(connection)?;
    let reader = Reader { connection, device, wanted, next };
    let mut changes = Changes {
        next,
        generation: generations::newest(connection)?,
        joined: Vec::new(),
        invited: Vec::new(),
        knocked: Vec::new(),
        left: Vec::new(),
        moved: Vec::new(),
    };
    for standing in reader.standings()? {
        reader.add(standing, &mut changes)?;
    }
    Ok(changes)
}

impl Reader<'_> {
    /// Returns what the user is in the rooms of which there may be news, ordered by room.
    fn standings(&self) -> Result<Vec<MembershipRow>, StoreError> {
        let user = &self.device.user_id;
        match self.wanted.since {
            Some(since) if self.next - since <= MAX_LOOKED_THROUGH && !self.wanted.full_state => {
                let mut standings = Vec::new();
                for room in events::rooms_since(self.connection, since)? {
                    standings.extend(memberships::row(self.connection, &room, user)?);
                }
                Ok(standings)
            }
            _ => memberships::of_user(self.connection, user),
        }
    }

    /// Adds what is new in the room that the user stands to so.
    fn add(&self, standing: MembershipRow, changes: &mut Changes) -> Result<(), StoreError> {
        let MembershipRow { room_id, membership, event_id, position } = standing;
        let since = self.wanted.since;
        let is_new = since.is_none_or(|since| position > since);
        let mut moved = Vec::new();
        if let (Membership::Join, Some(since)) = (membership, since) {
            let since = if is_new { i64::MIN } else { since };
            moved = memberships::changed_since(self.connection, &room_id, since)?;
        }
        let has_moved = !moved.is_empty();
        if has_moved
            && rooms::current_entry(self.connection, &room_id, "m.room.encryption", "")?.is_some()
        {
            changes.moved.extend(moved);
        }
        if !self.wanted.filter.room.wants(&room_id) {
            return Ok(());
        }
        match (membership, since) {
            (Membership::Join, Some(since)) if !is_new => {
                changes.joined.extend(self.news(room_id, since, has_moved)?);
            }
            (Membership::Join, _) => changes.joined.push(self.whole(room_id)?),
            (Membership::Invite, _) if is_new => {
                changes.invited.push(self.invited(room_id, &event_id)?);
            }
            (Membership::Knock, _) if is_new => {
                changes.knocked.push(self.invited(room_id, &event_id)?);
            }
            (Membership::Leave | Membership::Ban, Some(since)) if is_new => {
                changes.left.extend(self.news_until_left(room_id, since, position)?);
            }
            (Membership::Leave | Membership::Ban, None)
                if self.wanted.filter.room.include_leave =>
            {
                changes.left.extend(self.left(room_id, position)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns a room that the device has not seen yet: its newest events and its state.
    fn whole(&self, room_id: OwnedRoomId) -> Result<RoomChanges, StoreError> {
        let newest = self.newest(&room_id, i64::MIN, i64::MAX)?;
        let summary = self.summary(&room_id)?;
        let state = self.whole_state(&room_id, &newest, &summary.heroes)?;
        let mut changes = self.room_changes(room_id, newest, state)?;
        changes.is_whole = true;
        changes.summary = Some(summary);
        Ok(changes)
    }

    /// Returns a room as the user has left it; `None` if the user was never in it, or has forgotten it.
    fn left(&self, room_id: OwnedRoomId, until: i64) -> Result<Option<RoomChanges>, StoreError> {
        let newest = self.newest(&room_id, i64::MIN, until)?;
        if newest.left_in.is_none() || !newest.is_of_the_room {
            return Ok(None);
        }
        let state = self.whole_state(&room_id, &newest, &[])?;
        self.room_changes(room_id, newest, state).map(Some)
    }

    fn summary(&self, room: &RoomId) -> Result<Summary, StoreError> {
        let (joined, invited) = neighbors::counts(self.connection, room)?;
        let user = &self.device.user_id;
        let heroes = neighbors::heroes(self.connection, room, user, MAX_HEROES)?;
        Ok(Summary { joined, invited, heroes })
    }

    /// Returns what is new after `since` in a room that the user is in; `None` if nothing is.
    fn news(
        &self,
        room_id: OwnedRoomId,
        since: i64,
        has_moved: bool,
    ) -> Result<Option<RoomChanges>, StoreError> {
        let newest = self.newest(&room_id, since, i64::MAX)?;
        let is_told = newest.events.iter().any(|(_, event)| event.is_member_event());
        let summary = if has_moved || is_told || newest.limited {
            Some(self.summary(&room_id)?)
        } else {
            None
        };
        let heroes = summary.as_ref().map_or(&[][..], |summary| &summary.heroes);
        let state = if self.wanted.full_state {
            self.whole_state(&room_id, &newest, heroes)?
        } else if planted(Defect::LimitedSyncOmitsState) {
            Vec::new()
        } else {
            self.changed_state(&room_id, since..i64::MAX, &newest, heroes)?
        };
        if newest.events.is_empty() && state.is_empty() && summary.is_none() {
            return Ok(None);
        }
        let mut changes = self.room_changes(room_id, newest, state)?;
        changes.summary = summary;
        Ok(Some(changes))
    }

    /// Returns what is new after `since` in a room that the user has left at `until`; `None` if nothing
    /// is.
    fn news_until_left(
        &self,
        room_id: OwnedRoomId,
        since: i64,
        until: i64,
    ) -> Result<Option<RoomChanges>, StoreError> {
        let newest = self.newest(&room_id, since, until)?;
        let state = if newest.is_of_the_room {
            self.changed_state(&room_id, since..until.saturating_add(1), &newest, &[])?
        } else {
            Vec::new()
        };
        if newest.events.is_empty() && state.is_empty() {
            return Ok(None);
        }
        self.room_changes(room_id, newest, state).map(Some)
    }

    /// Returns the newest events after `since` and up to `until` that the device wants, oldest first.
    fn newest(&self, room_id: &RoomId, since: i64, until: i64) -> Result<Newest, StoreError> {
        let sight = Sight::of_user(self.connection, room_id, &self.device.user_id)?;
        let filter = &self.wanted.filter.room.timeline;
        let limit = filter.limit(DEFAULT_LIMIT, MAX_LIMIT);
        let pages = Pages {
            stretch: since.saturating_add(1)..until.saturating_add(1),
            direction: Direction::Backwards,
            limit: limit + 1,
            filter,
        };
        let Page { mut events, has_more, last } = page(self.connection, &sight, pages)?;
        let limited = has_more || events.len() > limit;
        events.truncate(limit);
        events.reverse();
        let first = events.first().map(|(position, _)| *position);
        let before = first.or(last.filter(|_| limited)).map_or(since.max(0), |first| first - 1);
        let left_in = sight.state().filter(|_| !sight.is_inside());
        Ok(Newest { events, limited, before, is_of_the_room: sight.is_of_the_room(), left_in })
    }

    /// Returns an event as the device wants to see it.
    fn shown(&self, event: &Pdu) -> Result<Box<RawValue>, StoreError> {
        let event = for_device(self.connection, self.device, event)?;
        Ok(self.wanted.filter.event_fields.of(event))
    }

    fn room_changes(
        &self,
        room_id: OwnedRoomId,
        newest: Newest,
        state: Vec<Box<RawValue>>,
    ) -> Result<RoomChanges, StoreError> {
        let mut timeline = Vec::with_capacity(newest.events.len());
        for (_, event) in newest.events {
            timeline.push(self.shown(&event)?);
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
    /// The state in which the user left the room; `None` if the user is in it.
    left_in: Option<GroupId>,
}
