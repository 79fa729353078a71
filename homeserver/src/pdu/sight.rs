//! Who may see what: the one decision for every reader of a room, a local user or another server
//! (client-server API, "Server behaviour" of room history visibility; server-server API,
//! "Backfilling and retrieving missing events").
//!
//! What counts is the state where an event stands. Who is in the room now sees what was shared
//! before, and who has left sees what was shared until then.

use std::{cell::RefCell, collections::BTreeMap};

use ruma::{RoomId, ServerName, UserId};
use rusqlite::Connection;

use super::{merge, serve};
use crate::{
    event::{Membership, Pdu},
    store::{
        StoreError,
        events::{self, StoredEvent},
        memberships, relations, rooms,
        state::{self, EntryOf, GroupId},
    },
};

/// To whom a room shows what happens in it (`m.room.history_visibility`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// To everybody.
    WorldReadable,
    /// To whoever is in it, from its beginning.
    Shared,
    /// To whoever is in it, from the invite on.
    Invited,
    /// To whoever is in it, from the join on.
    Joined,
}

impl Visibility {
    const KIND: &'static str = "m.room.history_visibility";

    /// Returns what the event says. What is no visibility counts as the default, `shared`.
    fn of(event: &Pdu) -> Self {
        match event.content["history_visibility"].as_str() {
            Some("world_readable") => Self::WorldReadable,
            Some("invited") => Self::Invited,
            Some("joined") => Self::Joined,
            _ => Self::Shared,
        }
    }
}

/// Decides for one reader of one room.
pub(crate) struct Sight<'a> {
    connection: &'a Connection,
    /// The room.
    pub(crate) room: &'a RoomId,
    reader: Reader<'a>,
    /// Which event sets the visibility of each state.
    set: RefCell<EntryOf<'static>>,
    /// What the states that were asked about say, by their groups.
    known: RefCell<BTreeMap<GroupId, Visibility>>,
}

enum Reader<'a> {
    User {
        user: &'a UserId,
        /// The position up to which the user was in the room; everything for who is in it now.
        until: i64,
        /// The state that the user sees as a whole.
        state: Option<GroupId>,
    },
    Server {
        server: &'a ServerName,
        is_member: bool,
    },
}

impl<'a> Sight<'a> {
    fn new(connection: &'a Connection, room: &'a RoomId, reader: Reader<'a>) -> Self {
        let set = RefCell::new(EntryOf::new(Visibility::KIND, ""));
        Self { connection, room, reader, set, known: RefCell::default() }
    }

    /// Returns what a local user sees of a room.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) fn of_user(
        connection: &'a Connection,
        room: &'a RoomId,
        user: &'a UserId,
    ) -> Result<Self, StoreError> {
        let current = rooms::find(connection, room)?.map(|row| row.current_group);
        let reader = Reader::User { user, until: i64::MIN, state: None };
        let mut sight = Self::new(connection, room, reader);
        let (mut seen_until, mut seen_state) = (i64::MIN, None);
        let standing = memberships::row(connection, room, user)?;
        match standing.as_ref().map(|row| row.membership) {
            Some(Membership::Join) => (seen_until, seen_state) = (i64::MAX, current),
            Some(Membership::Leave | Membership::Ban) => {
                let row = standing.as_ref();
                let left = row.map(|row| events::find(connection, &row.event_id)).transpose()?;
                let states = left.flatten().and_then(|left| left.states);
                if let (Some(row), Some(states)) = (row, states)
                    && !relations::is_forgotten(connection, user.as_str(), room, row.position)?
                    && membership_in(connection, states.before, user)? == Some(Membership::Join)
                {
                    (seen_until, seen_state) = (row.position, Some(states.after));
                }
            }
            _ => {}
        }
        if let Some(group) = current.filter(|_| seen_state.is_none()) {
            let invited = standing.is_some_and(|row| row.membership == Membership::Invite);
            let shown = match sight.visibility(group)? {
                Visibility::WorldReadable => true,
                Visibility::Invited => invited,
                Visibility::Shared | Visibility::Joined => false,
            };
            seen_state = shown.then_some(group);
        }
        sight.reader = Reader::User { user, until: seen_until, state: seen_state };
        Ok(sight)
    }

    /// Returns what another server sees of a room.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) fn of_server(
        connection: &'a Connection,
        room: &'a RoomId,
        server: &'a ServerName,
    ) -> Result<Self, StoreError> {
        let is_member = memberships::is_member_server(connection, room, server)?;
        let reader = Reader::Server { server, is_member };
        Ok(Self::new(connection, room, reader))
    }

    /// Returns the state that a user may read as a whole: the current one, or that in which the user
    /// left the room; `None` if the room is not the user's to read.
    pub(crate) fn state(&self) -> Option<GroupId> {
        match self.reader {
            Reader::User { state, .. } => state,
            Reader::Server { .. } => None,
        }
    }

    /// Returns whether the reader is, or was until it left, in the room, or is a member server.
    pub(crate) fn is_of_the_room(&self) -> bool {
        match self.reader {
            Reader::User { until, .. } => until > i64::MIN,
            Reader::Server { is_member, .. } => is_member,
        }
    }

    /// Returns whether the reader is in the room now.
    pub(crate) fn is_inside(&self) -> bool {
        match self.reader {
            Reader::User { until, .. } => until == i64::MAX,
            Reader::Server { is_member, .. } => is_member,
        }
    }

    /// Returns whether the reader may see an event. `position` is its place in the timeline, if it
    /// has one.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) fn sees(
        &self,
        position: Option<i64>,
        record: &StoredEvent,
    ) -> Result<bool, StoreError> {
        match self.reader {
            Reader::User { user, until, .. } => self.user_sees(user, until, position, record),
            Reader::Server { server, is_member } => self.server_sees(server, is_member, record),
        }
    }

    fn user_sees(
        &self,
        user: &UserId,
        until: i64,
        position: Option<i64>,
        record: &StoredEvent,
    ) -> Result<bool, StoreError> {
        let event = &record.pdu;
        if merge::is_dummy(event) {
            return Ok(false);
        }
        if event.is_member_event() && event.state_key.as_deref() == Some(user.as_str()) {
            return Ok(true);
        }
        let Some(states) = record.states else { return Ok(false) };
        let before = self.visibility(states.before)?;
        // Who could see the room before or after its visibility changed sees the change.
        let changes = event.kind == Visibility::KIND && event.state_key.as_deref() == Some("");
        let after = if changes { Visibility::of(event) } else { before };
        let either = |visibility| before == visibility || after == visibility;
        if either(Visibility::WorldReadable)
            || (either(Visibility::Shared) && position.is_some_and(|position| position <= until))
        {
            return Ok(true);
        }
        Ok(match membership_in(self.connection, states.before, user)? {
            Some(Membership::Join) => true,
            Some(Membership::Invite) => either(Visibility::Invited),
            _ => false,
        })
    }

    /// A member server is given what its users may see. State is no secret from it: all of it is
    /// handed over with the room. Beside that, a server sees what happened while it was in the room:
    /// one whose last user was removed must learn what the removal builds on.
    fn server_sees(
        &self,
        server: &ServerName,
        is_member: bool,
        record: &StoredEvent,
    ) -> Result<bool, StoreError> {
        let Some(states) = record.states else { return Ok(is_member) };
        if is_member && record.pdu.state_key.is_some() {
            return Ok(true);
        }
        let visibility = self.visibility(states.before)?;
        let is_shared = matches!(visibility, Visibility::WorldReadable | Visibility::Shared);
        if is_member && is_shared {
            return Ok(true);
        }
        serve::was_there(self.connection, server, record, visibility == Visibility::Invited)
    }

    /// Returns the visibility that the state of `group` sets.
    fn visibility(&self, group: GroupId) -> Result<Visibility, StoreError> {
        if let Some(known) = self.known.borrow().get(&group) {
            return Ok(*known);
        }
        let set = self.set.borrow_mut().state(self.connection, group)?;
        let visibility = match set {
            // Of what is stored malformed nobody knows how open it was.
            Some(id) => match events::find(self.connection, &id)? {
                Some(found) => Visibility::of(&found.pdu),
                None => Visibility::Joined,
            },
            None => Visibility::Shared,
        };
        self.known.borrow_mut().insert(group, visibility);
        Ok(visibility)
    }
}

/// Returns what a user is in the state of `group`.
fn membership_in(
    connection: &Connection,
    group: GroupId,
    user: &UserId,
) -> Result<Option<Membership>, StoreError> {
    let Some(id) = state::entry(connection, group, "m.room.member", user.as_str())? else {
        return Ok(None);
    };
    let found = events::find(connection, &id)?;
    Ok(found.and_then(|found| found.pdu.membership().and_then(Membership::parse)))
}
