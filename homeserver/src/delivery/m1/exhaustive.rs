//! Every order in which an owner and two member backends, one of which may lie, can hear of two
//! messages: each message on the wire may come any number of times, late or never, and every honest
//! backend may end and start again at any point. What they do is what `protocol` says.
//!
//! `a` owns the room of both messages, and `b` is an honest member. The liar is `c`, a member who owns
//! another room: it votes and asks as it likes, proposes what it likes, tells decisions about its own
//! room in the hope that they are taken for the other one's, and smuggles the messages into the
//! others' graphs by events that build on them.

use std::collections::{BTreeSet, VecDeque};

use transport::endpoints::m1::Decision;

use super::protocol::{
    Conclusion, Deed, Record, Seat, conclude, on_decision, on_prepare, on_question,
};

const MESSAGES: [usize; 2] = [0, 1];

/// A room; the messages are of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Theirs,
    Liars,
}

/// What is on the wire between honest backends, or from the liar. It stays there: it may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wire {
    /// The sender's backend hands a message to `a`.
    Propose(usize),
    /// `a` asks `b` for its vote.
    Prepare(usize),
    /// `b` votes yes.
    Yes(usize),
    /// `b` is told a decision about a room by its owner.
    Decide(usize, RoomOf),
    /// `b` asks `a`.
    Question(usize),
    /// The liar asks about a message, in a room of which it says that it is.
    LiarsQuestion(usize, Room),
    /// The liar brings a message past the owner.
    Smuggle(usize),
}

/// A decision, and in which room it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RoomOf {
    room: Room,
    commit: bool,
}

/// What `a` and `b` hold of one message, and what was told to its sender.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that has happened or has not")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fate {
    record: Record,
    /// Lost when `a` ends.
    collecting: bool,
    /// Whether `b` has voted yes in this round; lost when `a` ends.
    b_voted: bool,
    /// Whether `a` is about to answer a question, and saw that no votes were collected; lost when it ends.
    asking: bool,
    /// Whether users of `a` see it.
    a_shows: bool,
    b: Seat,
    /// Whether its sender was told that it is delivered, and that it is not.
    told: (bool, bool),
    /// Whether somebody was told each decision.
    heard: (bool, bool),
}

const FRESH: Fate = Fate {
    record: Record::None,
    collecting: false,
    b_voted: false,
    asking: false,
    a_shows: false,
    b: Seat::Empty,
    told: (false, false),
    heard: (false, false),
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    fates: [Fate; 2],
    wire: BTreeSet<Wire>,
}

impl World {
    /// What the liar has put on the wire is there from the beginning: it may come whenever it likes.
    fn beginning(liar: bool) -> Self {
        let mut wire = BTreeSet::new();
        for message in MESSAGES {
            wire.insert(Wire::Propose(message));
            if liar {
                wire.insert(Wire::Smuggle(message));
                for room in [Room::Theirs, Room::Liars] {
                    wire.insert(Wire::LiarsQuestion(message, room));
                }
                for commit in [true, false] {
                    let of = RoomOf { room: Room::Liars, commit };
                    wire.insert(Wire::Decide(message, of));
                }
            }
        }
        Self { fates: [FRESH; 2], wire }
    }

    /// Every world that may come next.
    fn successors(&self) -> Vec<Self> {
        let mut next: Vec<Self> = self.wire.iter().flat_map(|wire| self.heard(*wire)).collect();
        for message in MESSAGES {
            next.extend(self.concluded(message));
            if self.fates[message].asking {
                let mut answered = self.clone();
                answered.fates[message].answer_at_last();
                next.push(answered);
            }
            // `b` is in doubt for as long as it hides something.
            if self.fates[message].b == Seat::Hidden {
                next.push(self.with(Wire::Question(message)));
            }
            // Whatever is owed is told again and again.
            if self.fates[message].record == Record::Decided(Decision::Commit) {
                let of = RoomOf { room: Room::Theirs, commit: true };
                next.push(self.with(Wire::Decide(message, of)));
            }
        }
        next.push(self.owner_restarted());
        next
    }

    fn with(&self, wire: Wire) -> Self {
        let mut next = self.clone();
        next.wire.insert(wire);
        next
    }

    /// What may happen when something on the wire arrives.
    fn heard(&self, wire: Wire) -> Vec<Self> {
        let mut next = self.clone();
        match wire {
            Wire::Propose(message) => {
                let fate = &mut next.fates[message];
                match fate.record {
                    Record::None => {
                        fate.collecting = true;
                        next.wire.insert(Wire::Prepare(message));
                    }
                    Record::Decided(decision) => fate.tell(decision),
                }
            }
            Wire::Prepare(message) => {
                // It may not be acceptable to `b`; then nothing changes.
                next.fates[message].b = on_prepare(next.fates[message].b);
                next.wire.insert(Wire::Yes(message));
            }
            Wire::Yes(message) => {
                let fate = &mut next.fates[message];
                fate.b_voted |= fate.collecting;
            }
            Wire::Decide(message, RoomOf { room, commit }) => {
                next.fates[message].decide_at_b(room, decision_of(commit));
            }
            Wire::Question(message) => {
                if let Some(decision) = next.fates[message].ask() {
                    next.fates[message].decide_at_b(Room::Theirs, decision);
                }
            }
            Wire::LiarsQuestion(message, Room::Theirs) => {
                let fate = &mut next.fates[message];
                // Whether votes are collected is looked up before the record is.
                if !fate.collecting {
                    fate.asking = true;
                }
            }
            // What is recorded about another room is no record about this one.
            Wire::LiarsQuestion(_, Room::Liars) => {}
            // What comes past the owner is hidden, as if it had been voted for, and its owner is asked.
            Wire::Smuggle(message) => {
                next.fates[message].b = on_prepare(next.fates[message].b);
            }
        }
        vec![next]
    }

    /// The owner ends a round of votes: when `b` has voted, whatever the liar says; or because a vote
    /// does not come, or is no.
    fn concluded(&self, message: usize) -> Vec<Self> {
        let mut next = Vec::new();
        if !self.fates[message].collecting {
            return next;
        }
        for (newcomers, last) in [(false, false), (true, false), (true, true)] {
            let mut world = self.clone();
            let fate = &mut world.fates[message];
            if !fate.b_voted {
                continue;
            }
            match conclude(fate.record, newcomers, last) {
                Conclusion::Commit => fate.record_commit(),
                Conclusion::Abort => fate.record_abort(),
                Conclusion::AskNewcomers => {}
            }
            next.push(world);
        }
        // A refusal, the liar's or of somebody who is silent.
        let mut world = self.clone();
        world.fates[message].record_abort();
        let of = RoomOf { room: Room::Theirs, commit: false };
        world.wire.insert(Wire::Decide(message, of));
        next.push(world);
        next
    }

    fn owner_restarted(&self) -> Self {
        let mut next = self.clone();
        for fate in &mut next.fates {
            (fate.collecting, fate.b_voted, fate.asking) = (false, false, false);
        }
        next
    }
}

impl Fate {
    /// The liar is answered, who asked when no votes were collected; by now they may be.
    fn answer_at_last(&mut self) {
        self.asking = false;
        let answer = on_question(self.record, false);
        if answer == Some(Decision::Abort) {
            self.record = Record::Decided(Decision::Abort);
        }
        self.note(answer);
    }

    fn ask(&mut self) -> Option<Decision> {
        let answer = on_question(self.record, self.collecting);
        if answer == Some(Decision::Abort) {
            self.record = Record::Decided(Decision::Abort);
        }
        self.note(answer);
        answer
    }

    fn decide_at_b(&mut self, room: Room, decision: Decision) {
        // A seat is looked up by room and event: in another room there is none.
        let seat = if room == Room::Theirs { self.b } else { Seat::Empty };
        if room == Room::Theirs {
            self.note(Some(decision));
        }
        match on_decision(seat, decision) {
            Deed::Show => self.b = Seat::Shown,
            Deed::Forget => self.b = Seat::Empty,
            Deed::Nothing | Deed::NeverPrepared => {}
        }
    }

    fn record_commit(&mut self) {
        self.record = Record::Decided(Decision::Commit);
        self.a_shows = true;
        (self.collecting, self.b_voted) = (false, false);
        self.tell(Decision::Commit);
    }

    fn record_abort(&mut self) {
        // A decision stands: an abort after a commit is none.
        if self.record == Record::None {
            self.record = Record::Decided(Decision::Abort);
        }
        (self.collecting, self.b_voted) = (false, false);
        if let Record::Decided(decision) = self.record {
            self.tell(decision);
        }
    }

    fn tell(&mut self, decision: Decision) {
        match decision {
            Decision::Commit => self.told.0 = true,
            Decision::Abort => self.told.1 = true,
        }
    }

    fn note(&mut self, heard: Option<Decision>) {
        match heard {
            Some(Decision::Commit) => self.heard.0 = true,
            Some(Decision::Abort) => self.heard.1 = true,
            None => {}
        }
    }

    /// What holds of a message in every world.
    fn check(&self) {
        let committed = self.record == Record::Decided(Decision::Commit);
        assert!(self.b != Seat::Shown || committed, "seen before it is decided: {self:?}");
        assert!(!self.a_shows || committed, "the owner shows what is not decided: {self:?}");
        assert!(!committed || self.b != Seat::Empty, "committed, and b has lost it: {self:?}");
        assert!(!(self.told.0 && self.told.1), "told both: {self:?}");
        assert!(!(self.heard.0 && self.heard.1), "heard both: {self:?}");
        assert!(!self.told.0 || self.a_shows, "told delivered, and not shown: {self:?}");
        assert!(!self.told.1 || self.b != Seat::Shown, "told refused, and seen: {self:?}");
    }
}

fn decision_of(commit: bool) -> Decision {
    if commit { Decision::Commit } else { Decision::Abort }
}

/// Goes through every world that can come about, and returns how many there are.
fn explore(liar: bool) -> usize {
    let beginning = World::beginning(liar);
    let mut seen = BTreeSet::from([beginning.clone()]);
    let mut queue = VecDeque::from([beginning]);
    let mut reached = (false, false);
    while let Some(world) = queue.pop_front() {
        for fate in &world.fates {
            fate.check();
            reached.0 |= fate.b == Seat::Shown;
            reached.1 |= fate.record == Record::Decided(Decision::Abort);
        }
        for next in world.successors() {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    assert_eq!(reached, (true, true), "both decisions come about");
    seen.len()
}

#[test]
fn whatever_comes_in_whatever_order_a_message_is_shown_by_both_or_by_none() {
    assert_eq!(explore(false), 900);
}

#[test]
fn a_lying_member_changes_nothing_about_that() {
    assert_eq!(explore(true), 21_316);
}
