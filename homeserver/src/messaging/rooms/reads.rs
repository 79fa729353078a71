//! Reading rooms.

use std::collections::BTreeSet;

use ruma::{EventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId};
use rusqlite::Connection;

use super::{Direction, RoomError, Rooms};
use crate::{
    event::{Delivery, Membership, Pdu},
    pdu::sight::Sight,
    store::{
        StoreError, events, memberships,
        rooms::{self, RoomRow},
        state::{self, GroupId, State},
    },
};

impl Rooms {
    /// Returns how the room delivers, and the server that created it.
    ///
    /// # Errors
    /// The room is not known, or the store refuses.
    pub(crate) async fn delivery_and_owner(
        &self,
        room: &RoomId,
    ) -> Result<(Delivery, OwnedServerName), RoomError> {
        let found = self.read(room, rooms::find).await?;
        let found = found.ok_or_else(|| RoomError::UnknownRoom(room.to_owned()))?;
        Ok((found.delivery, found.owner))
    }

    /// Returns the servers with a joined user, this one among them; none of an unknown room.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn member_servers(
        &self,
        room: &RoomId,
    ) -> Result<BTreeSet<OwnedServerName>, RoomError> {
        self.read(room, memberships::member_servers).await
    }

    /// Returns the joined users; none of an unknown room.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn joined_members(&self, room: &RoomId) -> Result<BTreeSet<OwnedUserId>, RoomError> {
        self.read(room, memberships::joined_members).await
    }

    /// Returns the rooms that a user is in, ordered by id.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn joined_rooms(&self, user: &UserId) -> Result<Vec<OwnedRoomId>, RoomError> {
        let user = user.to_owned();
        Ok(self.database().call(move |db| memberships::joined_rooms(db, &user)).await?)
    }

    /// Returns what is known of the room as a whole, if `server` has a user in it.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] if it has none; or the store refuses.
    pub(crate) async fn if_member(
        &self,
        room: &RoomId,
        server: &ServerName,
    ) -> Result<RoomRow, RoomError> {
        let name = server.to_owned();
        let found = self.read(room, move |db, room| {
            if !memberships::is_member_server(db, room, &name)? {
                return Ok(None);
            }
            rooms::find(db, room)
        });
        let refusal = || RoomError::Forbidden(format!("{server} is not in the room"));
        found.await?.ok_or_else(refusal)
    }

    /// Returns a user's relation to the room.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn membership(
        &self,
        user: &UserId,
        room: &RoomId,
    ) -> Result<Option<Membership>, RoomError> {
        let user = user.to_owned();
        self.read(room, move |db, room| memberships::find(db, room, &user)).await
    }

    /// Returns the current state, ordered by type and state key; empty of an unknown room.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn current_state(&self, room: &RoomId) -> Result<Vec<Pdu>, RoomError> {
        self.read(room, |db, room| load_all(db, &rooms::current_state(db, room)?)).await
    }

    /// Returns what `look` finds in the state that `user` may read.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] if the user may read none; or the store refuses.
    pub(crate) async fn state_for<T: Send + 'static>(
        &self,
        user: &UserId,
        room: &RoomId,
        look: impl FnOnce(&Connection, GroupId) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RoomError> {
        let reader = user.to_owned();
        let found = self.read(room, move |db, room| {
            let group = Sight::of_user(db, room, &reader)?.state();
            group.map(|group| look(db, group)).transpose()
        });
        found.await?.ok_or_else(|| not_in(user, room))
    }

    /// Returns what `look` finds in the name of `user`.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] if the room is not the user's to read; or the store refuses.
    pub(crate) async fn seen_by<T: Send + 'static>(
        &self,
        user: &UserId,
        room: &RoomId,
        look: impl FnOnce(&Connection, &Sight<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RoomError> {
        let reader = user.to_owned();
        let found = self.read(room, move |db, room| {
            let sight = Sight::of_user(db, room, &reader)?;
            sight.state().map(|_| look(db, &sight)).transpose()
        });
        found.await?.ok_or_else(|| not_in(user, room))
    }

    /// Returns at most `limit` events with their positions, from beyond `from` (exclusive; `None`:
    /// from the beginning, or from the end) in `direction`.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn timeline(
        &self,
        room: &RoomId,
        from: Option<i64>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(i64, Pdu)>, RoomError> {
        let timeline = self.read(room, move |db, room| match direction {
            Direction::Forwards => {
                let first = from.map_or(i64::MIN, |from| from.saturating_add(1));
                events::timeline_forwards(db, room, first..i64::MAX, limit)
            }
            Direction::Backwards => {
                events::timeline_backwards(db, room, i64::MIN..from.unwrap_or(i64::MAX), limit)
            }
        });
        Ok(timeline.await?.into_iter().map(|(position, record)| (position, record.pdu)).collect())
    }

    /// Returns an event by its id; those that were refused are not shown.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn event(&self, event_id: &EventId) -> Result<Option<Pdu>, RoomError> {
        let id = event_id.to_owned();
        let found = self.database().call(move |db| events::find(db, &id)).await?;
        Ok(found.filter(events::StoredEvent::is_accepted).map(|record| record.pdu))
    }

    async fn read<T: Send + 'static>(
        &self,
        room: &RoomId,
        work: impl FnOnce(&Connection, &RoomId) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RoomError> {
        let room = room.to_owned();
        Ok(self.database().call(move |db| work(db, &room)).await?)
    }
}

/// Returns the events of the state of `group`, ordered by type and state key.
///
/// # Errors
/// The store refuses.
pub(crate) fn state_events(
    connection: &Connection,
    group: GroupId,
) -> Result<Vec<Pdu>, StoreError> {
    load_all(connection, &state::load(connection, group)?)
}

fn load_all(connection: &Connection, state: &State) -> Result<Vec<Pdu>, StoreError> {
    events::find_all(connection, state.values())
}

fn not_in(user: &UserId, room: &RoomId) -> RoomError {
    RoomError::Forbidden(format!("{user} is not in {room}"))
}
