//! Who types, and who is there: known in memory, until it is over.

use std::{collections::BTreeMap, time::Duration};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Users who count as typing in one room.
const MAX_TYPING_IN_ROOM: usize = 100;

/// Rooms in which somebody typed lately.
const MAX_ROOMS: usize = 10_000;

/// Users whose presence is known.
const MAX_PRESENT: usize = 10_000;

/// Whether a user is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    /// `online`, `unavailable` or `offline`.
    pub(crate) state: String,
    /// What the user says of it.
    pub(crate) message: Option<String>,
}

impl Presence {
    /// Returns what the event says of it.
    pub(crate) fn content(&self) -> Value {
        let mut content = json!({ "presence": self.state, "currently_active": self.is_online() });
        if let Some(message) = &self.message {
            content["status_msg"] = message.as_str().into();
        }
        content
    }

    fn is_online(&self) -> bool {
        self.state == "online"
    }
}

/// Who types and who is there. Each change has a number.
#[derive(Default)]
pub(crate) struct Passing {
    last: i64,
    typing: BTreeMap<OwnedRoomId, Typing>,
    present: BTreeMap<OwnedUserId, (Presence, i64)>,
}

#[derive(Default)]
struct Typing {
    until: BTreeMap<OwnedUserId, Instant>,
    changed: i64,
}

impl Passing {
    /// Returns the number of the last change.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// Takes note of who types in a room, for how long; returns whether that was not known.
    pub(super) fn types(&mut self, room: &RoomId, user: &UserId, lasts: Option<Duration>) -> bool {
        self.forget_who_is_done();
        if self.typing.len() >= MAX_ROOMS && !self.typing.contains_key(room) {
            self.typing.pop_first();
        }
        let here = self.typing.entry(room.to_owned()).or_default();
        let changed = match lasts {
            Some(lasts) if here.until.len() < MAX_TYPING_IN_ROOM => {
                here.until.insert(user.to_owned(), Instant::now() + lasts).is_none()
            }
            Some(_) => false,
            None => here.until.remove(user).is_some(),
        };
        if changed {
            self.last += 1;
            here.changed = self.last;
        }
        changed || lasts.is_some()
    }

    /// Takes note of whether a user is there; returns whether that was not known.
    pub(super) fn presence(&mut self, user: &UserId, presence: Presence) -> bool {
        if self.present.get(user).is_some_and(|(known, _)| *known == presence) {
            return false;
        }
        if self.present.len() >= MAX_PRESENT && !self.present.contains_key(user) {
            self.present.pop_first();
        }
        self.last += 1;
        self.present.insert(user.to_owned(), (presence, self.last));
        true
    }

    /// Returns whether a user is there, if anything is known.
    pub(super) fn presence_of(&self, user: &UserId) -> Option<Presence> {
        self.present.get(user).map(|(presence, _)| presence.clone())
    }

    /// Returns who came or went after `since`.
    pub(crate) fn present_since(&self, since: i64) -> Vec<(OwnedUserId, Presence)> {
        let changed = self.present.iter().filter(|(_, (_, changed))| *changed > since);
        changed.map(|(user, (presence, _))| (user.clone(), presence.clone())).collect()
    }

    /// Returns the rooms in which somebody began or ended to type after `since`.
    pub(crate) fn typing_since(&mut self, since: i64) -> Vec<OwnedRoomId> {
        self.forget_who_is_done();
        let changed = self.typing.iter().filter(|(_, here)| here.changed > since);
        changed.map(|(room, _)| room.clone()).collect()
    }

    /// Returns who types in a room.
    pub(crate) fn who_types(&self, room: &RoomId) -> Vec<OwnedUserId> {
        let here = self.typing.get(room);
        here.into_iter().flat_map(|here| here.until.keys().cloned()).collect()
    }

    fn forget_who_is_done(&mut self) {
        let now = Instant::now();
        for here in self.typing.values_mut() {
            let before = here.until.len();
            here.until.retain(|_, until| *until > now);
            if here.until.len() < before {
                self.last += 1;
                here.changed = self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_types_is_forgotten_when_the_time_is_over_and_that_is_a_change() {
        let (room, user) = (room_id!("!r:a"), user_id!("@u:a"));
        let mut passing = Passing::default();
        assert!(passing.types(room, user, Some(Duration::from_secs(5))));
        assert_eq!(passing.typing_since(0), [room]);
        let seen = passing.last();
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(passing.typing_since(seen), [room]);
        assert!(passing.who_types(room).is_empty());
    }
}
