//! What clients do: messages spread and in bursts, joins, invites, leaves, removals and returns under
//! way, power levels, redactions, and fetches of those who read in no other way.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{Op, OpKind, Reads, Repeat},
};

use super::{
    BUSY,
    dice::Dice,
    swarm::{Extra, Swarm},
};

/// More messages than one answer about a gap, one transaction, or one sync has room for, ..
const STREAM: (u64, u64) = (21, 110);

/// .. and more than ten such answers have.
const FLOOD: (u64, u64) = (205, 260);

/// The most messages of a burst.
const BURST: u64 = 6;

/// How long what a client asked for is under way, in milliseconds, where nothing is broken.
const UNDER_WAY: u64 = 800;

/// The longest absence of a user who comes back, in milliseconds.
const ABSENCE: u64 = 25_000;

/// Adds all operations, in order of time.
pub(super) fn add(scenario: &mut Scenario, swarm: &Swarm, dice: &mut Dice) {
    let mut script = Script { rooms: rooms(scenario), ops: Vec::new(), scenario, swarm, dice };
    for _ in 0..swarm.messages {
        script.message();
    }
    for _ in 0..swarm.bursts {
        script.burst();
    }
    if swarm.has(Extra::Stream) {
        script.flood(STREAM);
    }
    if swarm.has(Extra::Flood) {
        script.flood(FLOOD);
    }
    for _ in 0..swarm.moves {
        script.moves();
    }
    for _ in 0..swarm.removals {
        script.removes();
    }
    for _ in 0..swarm.powers {
        script.power();
    }
    for number in 0..swarm.topics {
        script.topic(number);
    }
    if swarm.has(Extra::Trespass) {
        script.trespass();
    }
    for _ in 0..swarm.invites {
        script.invites();
    }
    script.fetches();
    scenario.ops = in_order(script.ops);
    redact(scenario, swarm, dice);
}

/// Has messages taken away again, most of the time by who said them, soon or long after.
fn redact(scenario: &mut Scenario, swarm: &Swarm, dice: &mut Dice) {
    let said = scenario.ops.iter().filter(|op| op.repeat.times == 1);
    let said: Vec<(Duration, String, String, String)> = said
        .filter_map(|op| match &op.kind {
            OpKind::Send { id, from, to, .. } => {
                Some((op.at, id.clone(), from.clone(), to.clone()))
            }
            _ => None,
        })
        .collect();
    for _ in 0..swarm.redactions {
        let Some((at, message, from, room)) = dice.any(&said) else { return };
        let creator = scenario.conversations[&room].creator.clone();
        let by = if dice.chance(70) { from } else { creator };
        let at = (at + dice.scale(1, ABSENCE)).min(BUSY);
        scenario.ops.push(Op::once(at, OpKind::Redact { message, by }));
    }
    scenario.ops.sort_by_key(|op| op.at);
}

/// Adds a message of a member, at a time after everything else. None of `silent` backends sends it.
pub(super) fn last_message(
    scenario: &mut Scenario,
    at: Duration,
    silent: &[String],
    dice: &mut Dice,
) {
    let (room, mut people) = dice.one(&rooms(scenario));
    people.retain(|user| !silent.contains(&scenario.users[user].backend));
    let Some(from) = dice.any(&people) else { return };
    scenario.ops.push(Op::once(at, send(from, room, 0)));
    for user in fetching(scenario) {
        scenario.ops.push(Op::once(at + Duration::from_secs(5), OpKind::Fetch { user }));
    }
    scenario.ops = in_order(std::mem::take(&mut scenario.ops));
}

/// Puts operations in order of time, and gives the messages names.
fn in_order(mut ops: Vec<Op>) -> Vec<Op> {
    ops.sort_by_key(|op| op.at);
    let mut number = 0;
    for op in &mut ops {
        if let OpKind::Send { id, text, .. } = &mut op.kind {
            number += 1;
            *id = format!("m{number}");
            *text = format!("message {number}");
        }
    }
    ops
}

/// Returns every room with its creator and its members.
fn rooms(scenario: &Scenario) -> Vec<(String, Vec<String>)> {
    let rooms = scenario.conversations.iter().map(|(name, room)| {
        let people = std::iter::once(&room.creator).chain(&room.members).cloned().collect();
        (name.clone(), people)
    });
    rooms.collect()
}

fn fetching(scenario: &Scenario) -> Vec<String> {
    let users = scenario.users.iter().filter(|(_, user)| user.reads == Reads::Never);
    users.map(|(name, _)| name.clone()).collect()
}

fn send(from: String, to: String, retries: u32) -> OpKind {
    let mut kind = OpKind::message(String::new(), from, to, String::new());
    if let OpKind::Send { retries: again, .. } = &mut kind {
        *again = retries;
    }
    kind
}

struct Script<'s> {
    scenario: &'s Scenario,
    rooms: Vec<(String, Vec<String>)>,
    swarm: &'s Swarm,
    dice: &'s mut Dice,
    ops: Vec<Op>,
}

impl Script<'_> {
    fn does(&mut self, at: Duration, kind: OpKind) {
        self.ops.push(Op::once(at.min(BUSY), kind));
    }

    fn time(&mut self) -> Duration {
        // The same moment now and then, or while the other thing is under way, whoever does it.
        if self.dice.chance(45) && !self.ops.is_empty() {
            let index = self.dice.below(self.ops.len());
            let later =
                if self.dice.chance(50) { self.dice.scale(1, UNDER_WAY) } else { Duration::ZERO };
            return self.ops[index].at + later;
        }
        let busy = u64::try_from(BUSY.as_millis()).unwrap_or(u64::MAX);
        self.dice.time(500, busy)
    }

    fn retries(&mut self) -> u32 {
        u32::try_from(self.dice.number(0, self.swarm.retries)).unwrap_or(0)
    }

    fn message(&mut self) {
        let (room, people) = self.dice.one(&self.rooms);
        let (at, from, retries) = (self.time(), self.dice.one(&people), self.retries());
        self.does(at, send(from, room, retries));
    }

    /// Several messages in one instant: of everybody in a room, or of one sender, or of several in
    /// several rooms.
    fn burst(&mut self) {
        let at = self.time();
        let (mut room, mut people) = self.dice.one(&self.rooms);
        if self.dice.chance(40) {
            for from in people {
                self.does(at, send(from, room.clone(), 0));
            }
            return;
        }
        let mut from = self.dice.one(&people);
        let mixes = self.dice.chance(50);
        for _ in 0..self.dice.number(2, BURST) {
            if mixes {
                (room, people) = self.dice.one(&self.rooms);
                from = self.dice.one(&people);
            }
            let retries = self.retries();
            self.does(at, send(from.clone(), room.clone(), retries));
        }
    }

    /// Very many messages of one sender, one soon after the other.
    fn flood(&mut self, size: (u64, u64)) {
        let (room, people) = self.dice.one(&self.rooms);
        let from = self.dice.one(&people);
        let begins = self.dice.time(1_000, 10_000);
        let pause = self.dice.time(1, 80);
        if self.dice.chance(60) {
            self.changes_state(&room, &people, begins.saturating_sub(Duration::from_millis(500)));
        }
        let count = self.dice.number(size.0, size.1);
        let times = u32::try_from(count).unwrap_or(1);
        let repeat = Repeat { times, every: pause };
        self.ops.push(Op { repeat, ..Op::once(begins, send(from, room, 0)) });
    }

    /// Somebody leaves, and mostly comes back; or somebody new joins.
    fn moves(&mut self) {
        let (room, people) = self.dice.one(&self.rooms);
        let at = self.time();
        let user = match self.dice.any(&self.strangers(&people)) {
            Some(stranger) if self.dice.chance(50) => {
                self.does(at, OpKind::Join { user: stranger.clone(), conversation: room.clone() });
                if self.dice.chance(75) {
                    self.goes_on_beside(at, &people, &room);
                }
                if self.dice.chance(50) {
                    self.speaks(at, &stranger, &room);
                }
                stranger
            }
            _ => self.dice.one(&people),
        };
        if self.dice.chance(70) {
            let leaves = at + self.dice.scale(10, ABSENCE);
            if self.dice.chance(50) {
                let spoke = leaves.saturating_sub(self.dice.scale(1, UNDER_WAY));
                self.does(spoke, send(user.clone(), room.clone(), 0));
            }
            self.does(leaves, OpKind::Leave { user: user.clone(), conversation: room.clone() });
            if self.dice.chance(30) {
                self.goes_on_beside(leaves, &people, &room);
            }
            self.comes_back(leaves, &user, &room);
        }
    }

    /// Somebody new joins, or the creator gives somebody power: what many messages follow is the
    /// first that a client does not read of them all.
    fn changes_state(&mut self, room: &str, people: &[String], at: Duration) {
        let conversation = room.to_owned();
        let (strangers, creator) = (self.strangers(people), people.first().cloned());
        let kind = match (self.dice.any(&strangers), creator) {
            (Some(user), _) => OpKind::Join { user, conversation },
            (None, Some(by)) => {
                let user = self.dice.one(people);
                OpKind::Power { user, level: 50, by, conversation }
            }
            (None, None) => return,
        };
        self.does(at, kind);
    }

    fn comes_back(&mut self, gone: Duration, user: &str, room: &str) {
        if self.dice.chance(60) {
            let at = gone + self.dice.scale(10, ABSENCE);
            self.does(at, OpKind::Join { user: user.to_owned(), conversation: room.to_owned() });
            self.speaks(at, user, room);
        }
    }

    /// Somebody writes while somebody else comes or goes, once or all the time.
    fn goes_on_beside(&mut self, at: Duration, people: &[String], room: &str) {
        let kind = send(self.dice.one(people), room.to_owned(), 0);
        if self.dice.chance(50) {
            let under_way = self.dice.scale(1, UNDER_WAY);
            return self.does(at + under_way, kind);
        }
        let times = u32::try_from(self.dice.number(4, 12)).unwrap_or(1);
        let repeat = Repeat { times, every: self.dice.scale(5, UNDER_WAY / 4) };
        self.ops.push(Op { repeat, ..Op::once(at.min(BUSY), kind) });
    }

    fn speaks(&mut self, after: Duration, user: &str, room: &str) {
        let at = after + self.dice.scale(10, ABSENCE);
        self.does(at, send(user.to_owned(), room.to_owned(), 0));
    }

    /// Somebody, mostly the creator, removes somebody else.
    fn removes(&mut self) {
        let Some((room, by, user)) = self.two() else { return };
        let at = self.time();
        let conversation = room.clone();
        if self.dice.chance(70) {
            self.does(at, OpKind::Kick { user: user.clone(), by, conversation });
        } else {
            self.does(at, OpKind::Ban { user: user.clone(), by, conversation });
        }
        // Who has not heard of it yet writes on.
        if self.dice.chance(50) {
            let speaks = at + self.dice.scale(10, ABSENCE);
            self.does(speaks, send(user.clone(), room.clone(), 0));
        }
        self.comes_back(at, &user, &room);
    }

    /// Somebody, mostly the creator, invites somebody who does not come, or comes late.
    fn invites(&mut self) {
        let Some((conversation, by, _)) = self.two() else { return };
        let people = self.rooms.iter().find(|(room, _)| *room == conversation);
        let strangers = people.map(|(_, people)| self.strangers(people)).unwrap_or_default();
        let Some(user) = self.dice.any(&strangers) else { return };
        let at = self.time();
        self.does(
            at,
            OpKind::Invite { user: user.clone(), by, conversation: conversation.clone() },
        );
        if self.dice.chance(50) {
            let joins = at + self.dice.scale(10, ABSENCE);
            self.does(joins, OpKind::Join { user, conversation });
        }
    }

    fn power(&mut self) {
        let Some((conversation, by, user)) = self.two() else { return };
        let (at, level) = (self.time(), self.dice.one(&[0, 50, 99, 100]));
        self.does(at, OpKind::Power { user, level, by, conversation });
    }

    /// Somebody, mostly the creator, sets the topic or the name: most of the time somebody else does so
    /// at the same time, who may not know of it.
    fn topic(&mut self, number: u64) {
        let Some((conversation, by, other)) = self.two() else { return };
        let at = self.time();
        let (kind, field) = self.dice.one(&[("m.room.topic", "topic"), ("m.room.name", "name")]);
        let state = |by: String, word: &str| {
            let content = [(field.to_owned(), format!("{word} {number}").into())];
            let (kind, key, content) =
                (kind.to_owned(), String::new(), content.into_iter().collect());
            OpKind::State { kind, key, content, by, conversation: conversation.clone() }
        };
        let (first, second) = (state(by.clone(), "one"), state(other.clone(), "other"));
        if self.dice.chance(60) {
            let given = at.saturating_sub(self.dice.scale(1, ABSENCE));
            let user = other;
            self.does(
                given,
                OpKind::Power { user, level: 50, by, conversation: conversation.clone() },
            );
            let beside = at + self.dice.scale(1, UNDER_WAY);
            self.does(beside, second);
        }
        self.does(at, first);
    }

    /// Returns a room, somebody with power in it, and somebody else.
    fn two(&mut self) -> Option<(String, String, String)> {
        let (room, people) = self.dice.one(&self.rooms);
        let by =
            if self.dice.chance(70) { people.first()?.clone() } else { self.dice.one(&people) };
        let others: Vec<String> = people.into_iter().filter(|user| *user != by).collect();
        Some((room, by, self.dice.any(&others)?))
    }

    fn trespass(&mut self) {
        let relays: Vec<String> = self.scenario.relays.keys().cloned().collect();
        let backends: Vec<String> = self.scenario.backends.keys().cloned().collect();
        let Some(relay) = self.dice.any(&relays) else { return };
        let (at, victim) = (self.time(), self.dice.one(&backends));
        self.does(at, OpKind::Trespass { relay, victim });
    }

    /// Lets those who read in no other way fetch now and then.
    fn fetches(&mut self) {
        for user in fetching(self.scenario) {
            for _ in 0..self.dice.number(0, 3) {
                let at = self.time();
                self.does(at, OpKind::Fetch { user: user.clone() });
            }
        }
    }

    fn strangers(&self, people: &[String]) -> Vec<String> {
        let users = self.scenario.users.keys();
        users.filter(|user| !people.contains(user)).cloned().collect()
    }
}
