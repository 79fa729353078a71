//! Forks of a drawn room: what they resolve to, and what that costs.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use ruma::{OwnedEventId, RoomVersionId, UserId};
use serde_json::{Value, json, value::to_raw_value};
use transport::Transaction;

use super::{
    super::{resolve, resolve_whole},
    Forks,
};
use crate::{
    event::{Pdu, rules, rules::Rules},
    pdu::auth::{Asking, Loader},
    store::{
        self,
        events::{self, States, StoredEvent},
        state::{self, Entry, GroupId, State},
    },
};

/// Users, of whom the first two have power.
const USERS: [&str; 5] = ["@a:a", "@b:a", "@c:a", "@d:a", "@e:a"];

/// The event that founds a room.
const FIRST: &str = "$7919";

/// A room in a database of its own, in which events get ids and times in a row.
struct Room<'t> {
    tx: &'t Transaction<'t>,
    id: &'static str,
    rules: Rules,
    count: u64,
    seed: u64,
}

impl Room<'_> {
    /// A number below `bound`, drawn.
    fn draw(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.seed >> 33).unwrap() % bound
    }

    /// Puts a state event above `group`, unless the state of that forbids it.
    fn put(
        &mut self,
        group: GroupId,
        sender: &str,
        key: (&str, &str),
        content: impl Into<Value>,
    ) -> GroupId {
        self.count += 1;
        let (content, (kind, key)) = (content.into(), key);
        let sender_id = <&UserId>::try_from(sender).unwrap();
        let raw = to_raw_value(&content).unwrap();
        let asking = Asking { kind, sender: sender_id, state_key: Some(key), content: &raw };
        let loader = Loader::new(self.tx);
        let auth_events = loader.selection(self.rules, &asking, group).unwrap().unwrap();
        let mut event = json!({
            "type": kind, "state_key": key, "sender": sender, "content": content,
            "room_id": self.id, "origin_server_ts": self.count % 7, "depth": self.count,
            "prev_events": if kind == "m.room.create" { json!([]) } else { json!([FIRST]) },
            "auth_events": auth_events, "hashes": { "sha256": "" },
        });
        if kind == "m.room.create" && self.rules.authorization.room_create_event_id_as_room_id {
            event.as_object_mut().unwrap().remove("room_id");
        }
        let id = format!("${}", self.count * 7919 % 100_003);
        let pdu = Pdu::from_store(&id, self.id, &event.to_string()).unwrap();
        if loader.allowed_by_auth_events(self.rules, &pdu).unwrap().is_err() {
            return group;
        }
        let event_id: OwnedEventId = pdu.event_id.clone();
        let entry = Entry { kind, state_key: key, event_id: &event_id };
        let after = state::with_entry(self.tx, group, entry).unwrap();
        let states = Some(States { before: group, after });
        let record = StoredEvent { pdu, states, rejected: None, soft_failed: false };
        events::put(self.tx, &record).unwrap();
        after
    }

    /// Does something above `group` that may be allowed.
    fn do_something(&mut self, group: GroupId) -> GroupId {
        let (sender, target) = (USERS[self.draw(5)], USERS[self.draw(5)]);
        let name = self.count;
        match self.draw(6) {
            0 => self.put(group, sender, ("m.room.topic", ""), json!({ "topic": name })),
            1 => {
                let rule = ["public", "invite"][self.draw(2)];
                self.put(group, sender, ("m.room.join_rules", ""), json!({ "join_rule": rule }))
            }
            2 => {
                let (second, other) = ([50, 100][self.draw(2)], [0, 50][self.draw(2)]);
                let levels = json!({ "users": { "@a:a": 100, "@b:a": second, target: other } });
                let levels = self.without_creator(levels);
                let sender = USERS[self.draw(2)];
                self.put(group, sender, ("m.room.power_levels", ""), levels)
            }
            3 | 4 => {
                let membership = ["leave", "ban", "invite"][self.draw(3)];
                let content = json!({ "membership": membership });
                self.put(group, sender, ("m.room.member", target), content)
            }
            _ => {
                let content = json!({ "membership": "join", "displayname": name.to_string() });
                self.put(group, target, ("m.room.member", target), content)
            }
        }
    }

    /// Since room version 12 a creator has all power, and no level.
    fn without_creator(&self, mut levels: Value) -> Value {
        if self.rules.authorization.explicitly_privilege_room_creators {
            levels["users"].as_object_mut().unwrap().remove(USERS[0]);
        }
        levels
    }

    fn founded(&mut self) -> GroupId {
        let creation = json!({ "creator": USERS[0], "room_version": "11" });
        let mut group = self.put(state::EMPTY, USERS[0], ("m.room.create", ""), creation);
        let joined = json!({ "membership": "join" });
        group = self.put(group, USERS[0], ("m.room.member", USERS[0]), joined.clone());
        let levels = self.without_creator(json!({ "users": { "@a:a": 100, "@b:a": 50 } }));
        group = self.put(group, USERS[0], ("m.room.power_levels", ""), levels);
        group =
            self.put(group, USERS[0], ("m.room.join_rules", ""), json!({ "join_rule": "public" }));
        for user in &USERS[1..] {
            group = self.put(group, user, ("m.room.member", user), joined.clone());
        }
        group
    }
}

#[test]
fn forks_resolve_to_what_their_whole_states_resolve_to() {
    let (mut conflicts, mut copied) = (0_u32, 0_u32);
    for seed in 0..60 {
        let mut connection = store::in_memory();
        let tx = Transaction::begin(&mut connection).unwrap();
        let (version, id) = [
            (RoomVersionId::V10, "!room:a"),
            (RoomVersionId::V11, "!room:a"),
            (RoomVersionId::V12, "!7919"),
        ][seed % 3]
            .clone();
        let mut room = Room {
            tx: &tx,
            id,
            rules: rules::of(&version).unwrap(),
            count: 0,
            seed: u64::try_from(seed).unwrap() + 1,
        };
        let mut trunk = room.founded();
        for _ in 0..room.draw(80) {
            trunk = room.do_something(trunk);
        }
        let mut tips = BTreeSet::new();
        for _ in 0..2 + room.draw(4) {
            let mut tip = trunk;
            for _ in 0..=room.draw(5) {
                tip = room.do_something(tip);
            }
            tips.insert(tip);
        }
        let tips: Vec<GroupId> = tips.into_iter().collect();
        if tips.len() < 2 {
            continue;
        }
        let whole = resolve_whole(&tx, room.rules, &tips).unwrap();
        let forks = Forks::of(&tx, &tips).unwrap().expect("all come from the trunk");
        let resolved = forks.resolve(&tx, room.rules).unwrap();
        let [whole, resolved]: [State; 2] =
            [whole, resolved].map(|group| state::load(&tx, group).unwrap());
        assert_eq!(resolved, whole, "seed {seed}");
        conflicts += u32::from(tips.iter().all(|tip| state::load(&tx, *tip).unwrap() != whole));
        let copies = "SELECT count(*) FROM state_groups WHERE copy_of IS NOT NULL";
        copied += tx.query_row(copies, [], |row| row.get::<_, u32>(0)).unwrap();
    }
    assert!(conflicts > 20 && copied > 5, "{conflicts} conflicts and {copied} copies tell little");
}

/// Returns what it costs to resolve ten forks of one member in a room that so many others have joined.
fn cost_of_forks(others: u32) -> u64 {
    let mut connection = store::in_memory();
    let work = store::count_work(&mut connection);
    let tx = Transaction::begin(&mut connection).unwrap();
    let mut room = Room {
        tx: &tx,
        id: "!room:a",
        rules: rules::of(&RoomVersionId::V11).unwrap(),
        count: 0,
        seed: 1,
    };
    let mut trunk = room.founded();
    for other in 0..others {
        let user = format!("@member{other}:a");
        trunk = room.put(trunk, &user, ("m.room.member", &user), json!({ "membership": "join" }));
    }
    let forks: BTreeSet<GroupId> = (0..10)
        .map(|fork| {
            let content = json!({ "membership": "join", "displayname": format!("fork {fork}") });
            room.put(trunk, USERS[4], ("m.room.member", USERS[4]), content)
        })
        .collect();
    assert_eq!(forks.len(), 10);
    work.store(0, Ordering::Relaxed);
    let resolved = resolve(&tx, room.rules, &forks).unwrap();
    let cost = work.load(Ordering::Relaxed);
    assert_eq!(state::load(&tx, resolved).unwrap().len(), others as usize + 4 + USERS.len() - 1);
    cost
}

#[test]
fn what_forks_cost_does_not_grow_with_the_room() {
    // Both have more groups than are looked back to, and as many above the last whole state.
    let (small, large) = (cost_of_forks(240), cost_of_forks(1_040));
    assert!(large <= small + small / 10, "{small} in a room of 240, {large} in one of 1,040");
}
