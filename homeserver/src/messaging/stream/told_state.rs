//! The state that a device is told of a room, beside the newest events: as a whole or what changed of
//! it, as far as its filter wants it.
//!
//! A device that loads members lazily is told of those who sent the events that it sees, of those by
//! whom the room is called, and of its own user. It is also told of every member that changed: it may
//! know the member as it was.

use std::{collections::BTreeSet, ops::Range};

use ruma::{EventId, OwnedEventId, OwnedUserId, RoomId, UserId};
use serde_json::value::RawValue;

use super::{Newest, Reader};
use crate::{
    event::Pdu,
    store::{StoreError, events, rooms, state},
};

/// The kind of events by which members are known.
const MEMBER: &str = "m.room.member";

impl Reader<'_> {
    /// Returns the state, without what is among the newest events. `heroes` are the users by whom the
    /// room is called.
    pub(super) fn whole_state(
        &self,
        room: &RoomId,
        newest: &Newest,
        heroes: &[String],
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let filter = &self.wanted.filter.room.state;
        if !filter.wants_any_of(room) {
            return Ok(Vec::new());
        }
        let mut needed = needed_to_show(newest, heroes);
        needed.insert(self.device.user_id.as_str());
        let state = match newest.left_in {
            Some(group) => state::load(self.connection, group)?,
            None => rooms::current_state(self.connection, room)?,
        };
        let mut ids = Vec::new();
        for ((kind, state_key), id) in state {
            let is_needed =
                !filter.lazy_load_members || kind != MEMBER || needed.contains(&*state_key);
            if is_needed && filter.wants_kind(&kind) {
                ids.push(id);
            }
        }
        if filter.lazy_load_members {
            self.wanted.told.lock().forget(self.device, room);
        }
        self.unless_shown(room, ids, newest)
    }

    /// Returns the state that became part of the room at positions after the start of `stretch` and
    /// before its end, and the members who are needed and not known yet, without what is among the
    /// newest events.
    pub(super) fn changed_state(
        &self,
        room: &RoomId,
        stretch: Range<i64>,
        newest: &Newest,
        heroes: &[String],
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        if !self.wanted.filter.room.state.wants_any_of(room) {
            return Ok(Vec::new());
        }
        let Range { start, end } = stretch;
        let mut ids = rooms::state_changed(self.connection, room, start, end)?;
        let new: BTreeSet<OwnedEventId> = ids.iter().cloned().collect();
        for id in self.unknown_members(room, newest, heroes)? {
            if !new.contains(&id) {
                ids.push(id);
            }
        }
        self.unless_shown(room, ids, newest)
    }

    /// Returns the events of members whom a device that loads them lazily needs and does not know.
    fn unknown_members(
        &self,
        room: &RoomId,
        newest: &Newest,
        heroes: &[String],
    ) -> Result<Vec<OwnedEventId>, StoreError> {
        let filter = &self.wanted.filter.room.state;
        if !filter.lazy_load_members {
            return Ok(Vec::new());
        }
        let mut needed = needed_to_show(newest, heroes);
        if let (Some(has), false) = (self.wanted.has, filter.include_redundant_members) {
            let told = self.wanted.told.lock();
            needed.retain(|user| {
                !UserId::parse(*user).is_ok_and(|it| told.knows(self.device, room, &it, has))
            });
        }
        let mut ids = Vec::new();
        for user in needed {
            ids.extend(match newest.left_in {
                Some(group) => state::entry(self.connection, group, MEMBER, user)?,
                None => rooms::current_entry(self.connection, room, MEMBER, user)?,
            });
        }
        Ok(ids)
    }

    /// Returns the events that are wanted, without those that are among the newest.
    fn unless_shown(
        &self,
        room: &RoomId,
        events: Vec<OwnedEventId>,
        newest: &Newest,
    ) -> Result<Vec<Box<RawValue>>, StoreError> {
        let filter = &self.wanted.filter.room.state;
        let shown: BTreeSet<&EventId> =
            newest.events.iter().map(|(_, event)| &*event.event_id).collect();
        let mut members: Vec<OwnedUserId> =
            newest.events.iter().filter_map(|(_, event)| member(event)).collect();
        let mut state = Vec::new();
        for event_id in events {
            if !shown.contains(&*event_id)
                && let Some(found) = events::find(self.connection, &event_id)?
                && filter.wants(&found.pdu)
            {
                members.extend(member(&found.pdu));
                state.push(self.shown(&found.pdu)?);
            }
        }
        if filter.lazy_load_members && !members.is_empty() {
            self.wanted.told.lock().tell(self.device, room, members, self.next);
        }
        Ok(state)
    }
}

/// Returns the users without whom the newest events and the room's name cannot be shown.
fn needed_to_show<'a>(newest: &'a Newest, heroes: &'a [String]) -> BTreeSet<&'a str> {
    let senders = newest.events.iter().map(|(_, event)| event.sender.as_str());
    senders.chain(heroes.iter().map(String::as_str)).collect()
}

/// Returns whose membership the event is.
fn member(event: &Pdu) -> Option<OwnedUserId> {
    let user = event.state_key.as_deref().filter(|_| event.is_member_event())?;
    UserId::parse(user).ok()
}
