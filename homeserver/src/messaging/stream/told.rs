//! Which members of rooms each device was told of, so that it is not told of them again with everything
//! that they say.
//!
//! What is remembered counts once the device asks for what came after: an answer that was lost is
//! given again in full. It is in memory alone, and what is forgotten is told once more, which does no
//! harm.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::store::accounts::Device;

/// Devices that are remembered; before one more, all are forgotten.
const MAX_DEVICES: usize = 500;

/// Members that one device is remembered to have been told of, in all its rooms; before more, all of
/// them are forgotten.
const MAX_MEMBERS: usize = 2000;

/// Members of rooms, each with the point up to which the answer reached that told of it.
type OfDevice = BTreeMap<OwnedRoomId, BTreeMap<OwnedUserId, i64>>;

/// Which members each device was told of.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Device, OfDevice>);

impl Told {
    /// Returns whether a device that has everything up to `point` knows this member.
    pub(super) fn knows(&self, device: &Device, room: &RoomId, user: &UserId, point: i64) -> bool {
        let members = self.0.get(device).and_then(|rooms| rooms.get(room));
        members.and_then(|members| members.get(user)).is_some_and(|told| *told <= point)
    }

    /// Remembers that an answer which reaches up to `point` tells a device of these members.
    pub(super) fn tell(
        &mut self,
        device: &Device,
        room: &RoomId,
        users: Vec<OwnedUserId>,
        point: i64,
    ) {
        if !self.0.contains_key(device) && self.0.len() >= MAX_DEVICES {
            self.0.clear();
        }
        let rooms = self.0.entry(device.clone()).or_default();
        if rooms.values().map(BTreeMap::len).sum::<usize>() + users.len() > MAX_MEMBERS {
            rooms.clear();
        }
        let members = rooms.entry(room.to_owned()).or_default();
        members.extend(users.into_iter().take(MAX_MEMBERS).map(|user| (user, point)));
    }

    /// Forgets what a device was told of a room, which it sees anew.
    pub(super) fn forget(&mut self, device: &Device, room: &RoomId) {
        if let Some(rooms) = self.0.get_mut(device) {
            rooms.remove(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;

    #[test]
    fn a_member_is_known_once_the_device_has_the_answer_that_told_of_it() {
        let (room, user) = (room_id!("!r:a.test"), user_id!("@bob:a.test"));
        let device = Device { user_id: user.to_owned(), device_id: "phone".into() };
        let mut told = Told::default();
        told.tell(&device, room, vec![user.to_owned()], 7);
        assert!(!told.knows(&device, room, user, 6) && told.knows(&device, room, user, 7));
        told.forget(&device, room);
        assert!(!told.knows(&device, room, user, 7));
    }

    #[test]
    fn no_more_members_are_remembered_than_there_is_room_for() {
        let (room, other) = (room_id!("!r:a.test"), room_id!("!other:a.test"));
        let user = |number: usize| OwnedUserId::try_from(format!("@u{number}:a.test")).unwrap();
        let device = Device { user_id: user(0), device_id: "phone".into() };
        let mut told = Told::default();
        told.tell(&device, room, (0..MAX_MEMBERS).map(user).collect(), 7);
        told.tell(&device, other, vec![user(0)], 7);
        assert!(!told.knows(&device, room, &user(1), 7));
        assert!(told.knows(&device, other, &user(0), 7));
        for number in 1..=MAX_DEVICES {
            let device = Device { user_id: user(number), device_id: "phone".into() };
            told.tell(&device, room, vec![user(0)], 7);
        }
        assert!(told.0.len() <= MAX_DEVICES);
    }
}
