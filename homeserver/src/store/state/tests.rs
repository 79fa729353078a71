//! What reading a state costs.

use std::sync::atomic::Ordering;

use ruma::EventId;
use transport::Transaction;

use super::{Entry, entry, load, whole, with_entry};
use crate::store::{count_work, in_memory};

/// Returns what it costs to read one entry of the state of a room of `members`, and to read all of it,
/// where nothing is said of the room's current state.
fn cost_of_reading(members: u32) -> (u64, u64) {
    let mut connection = in_memory();
    let work = count_work(&mut connection);
    let tx = Transaction::begin(&mut connection).unwrap();
    let mut state = super::State::new();
    for member in 0..members {
        let key = ("m.room.member".to_owned(), format!("@{member}:a"));
        state.insert(key, EventId::parse(format!("${member}")).unwrap());
    }
    let mut group = whole(&tx, &state).unwrap();
    for topic in 0..20 {
        let id = EventId::parse(format!("$topic{topic}")).unwrap();
        let topic = Entry { kind: "m.room.topic", state_key: "", event_id: &id };
        group = with_entry(&tx, group, topic).unwrap();
    }
    let so_far = || work.swap(0, Ordering::Relaxed);
    so_far();
    let topic = entry(&tx, group, "m.room.topic", "").unwrap();
    assert_eq!(topic.unwrap(), "$topic19");
    let member = entry(&tx, group, "m.room.member", "@7:a").unwrap();
    assert_eq!(member.unwrap(), "$7");
    let one = so_far();
    assert_eq!(load(&tx, group).unwrap().len(), members as usize + 1);
    (one, so_far())
}

#[test]
fn reading_one_entry_of_a_state_costs_the_same_in_a_room_of_any_size() {
    let (of_small, whole_small) = cost_of_reading(20);
    let (of_large, whole_large) = cost_of_reading(2_000);
    assert!(whole_large > 20 * whole_small, "{whole_small}, {whole_large}: nothing is counted");
    assert_eq!(of_small, of_large);
}
