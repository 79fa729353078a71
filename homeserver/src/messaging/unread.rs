//! How much of a room is unread: what notifies its user and comes after the user's last receipt
//! (client-server API, "Receiving notifications").
//!
//! What was counted is remembered, in memory alone, until the user reads on or changes the rules; what
//! came since is counted on. What is forgotten is counted anew.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use rusqlite::Connection;
use transport::Lock;

use super::push_rules::{self, Judge};
use crate::store::{StoreError, account_data, events, receipts, stays};

/// Events that are looked at for one count, the newest of them: whoever has more unread is told of those.
const MAX_COUNTED: usize = 200;

/// Counts that are remembered; before one more, all are forgotten.
const MAX_REMEMBERED: usize = 20_000;

/// How many events of a room notify its user and are unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) notifications: u64,
    /// Those of them that are to stand out.
    pub(crate) highlights: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    unread: Unread,
    /// The position after which everything was counted, or 0.
    read_up_to: i64,
    /// The position up to which it was.
    up_to: i64,
    /// When the rules by which it was were set.
    rules: i64,
}

/// What was counted of the rooms of users.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<(OwnedUserId, OwnedRoomId), Counted>);

impl Counts {
    fn find(&self, key: &(OwnedUserId, OwnedRoomId)) -> Option<Counted> {
        self.0.get(key).copied()
    }

    fn remember(&mut self, key: (OwnedUserId, OwnedRoomId), counted: Counted) {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, counted);
    }
}

/// Counts what one user has not read.
pub(crate) struct Counter<'a> {
    connection: &'a Connection,
    user: &'a UserId,
    judge: Judge<'a>,
    counts: &'a Lock<Counts>,
    /// When the user's rules were set.
    rules: i64,
    /// The newest position.
    newest: i64,
}

impl<'a> Counter<'a> {
    /// Returns who counts for a user up to the position `newest`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn of_user(
        connection: &'a Connection,
        user: &'a UserId,
        counts: &'a Lock<Counts>,
        newest: i64,
    ) -> Result<Self, StoreError> {
        let judge = Judge::of_user(connection, user)?;
        let rules = account_data::sequence(connection, user, push_rules::KIND)?;
        Ok(Self { connection, user, judge, counts, rules, newest })
    }

    /// Returns how much of a room that the user is in is unread.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn count(&mut self, room: &RoomId) -> Result<Unread, StoreError> {
        let key = (self.user.to_owned(), room.to_owned());
        let came = stays::current_from(self.connection, self.user, room)?;
        let read = receipts::read_up_to(self.connection, room, self.user)?;
        let read_up_to = came.max(read.unwrap_or(0));
        let (rules, newest) = (self.rules, self.newest);
        let known = self.counts.lock().find(&key).filter(|known| {
            (known.read_up_to, known.rules) == (read_up_to, rules) && known.up_to <= newest
        });
        let (mut unread, from) =
            known.map_or((Unread::default(), read_up_to), |it| (it.unread, it.up_to));
        let stretch = from.saturating_add(1)..i64::MAX;
        let new = events::timeline_backwards(self.connection, room, stretch, MAX_COUNTED)?;
        for (_, event) in new {
            let event = serde_json::from_str(event.pdu.client_format().get());
            let verdict = self.judge.judge(&event.unwrap_or_default())?;
            unread.notifications += u64::from(verdict.notifies);
            unread.highlights += u64::from(verdict.highlights());
        }
        let counted = Counted { unread, read_up_to, up_to: newest, rules };
        self.counts.lock().remember(key, counted);
        Ok(unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_counts_are_remembered_than_there_is_room_for() {
        let counted = Counted { unread: Unread::default(), read_up_to: 0, up_to: 0, rules: 0 };
        let user = ruma::user_id!("@alice:a.test");
        let mut counts = Counts::default();
        for number in 0..=MAX_REMEMBERED {
            let room = OwnedRoomId::try_from(format!("!r{number}:a.test")).unwrap();
            counts.remember((user.to_owned(), room), counted);
        }
        assert_eq!(counts.0.len(), 1);
    }
}
