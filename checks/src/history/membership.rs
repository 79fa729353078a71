//! Reads who was a member of which conversation, and when, from the joins and leaves of clients.
//!
//! What a client asked for takes effect at some moment between its request and its answer or, if
//! nobody knows how it ended, perhaps much later. Until then the user may be in or out.
//!
//! What one user does to another of another backend takes effect there when that backend learns of
//! it. So a removed user is certainly out only once the own backend has said so, and only if nobody
//! can undo it: the creator removed the user, and nobody has changed the power of either, which state
//! resolution may put before the removal, whatever was done first (Matrix, rooms of version 2 and
//! later: who is removed has less power than who removes). Whoever
//! leaves and comes back before the own backend has said so may yet be removed.
//!
//! A backend whose disk was lost forgets who of its users has joined since its backup. Others know,
//! and count them as members; the backend itself does so when they join anew. It forgets as well who
//! has left since: they may be in again, for it alone.

use std::{collections::BTreeMap, time::Duration};

use scenarios::scenario::{OpKind, Scenario};

use super::{Membership, Moment, Note};
use crate::{reachability::DiskLoss, record::OpOutcome};

/// Everybody's comings and goings, read so far.
#[derive(Debug)]
pub(super) struct Memberships<'s> {
    scenario: &'s Scenario,
    /// Conversations by room id.
    conversations: BTreeMap<String, String>,
    read: Vec<Membership>,
    standing: BTreeMap<(String, String), Standing>,
}

/// What is known of one user in one conversation at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    may_be_in: bool,
    may_be_out: bool,
    joins: Requests,
    leaves: Requests,
    sight: Sight,
    /// The index of the present membership among those read.
    place: Option<usize>,
    /// When the last join began, and when it was last said to have worked.
    join_began: Moment,
    joined: Option<Duration>,
    /// When it was last certain that the user is out, having been in.
    left: Option<Duration>,
    /// The entry at which the first removal began that may yet take effect, and how many may.
    removal: Option<u64>,
    removals: u32,
}

/// What it means that the user's own backend speaks of a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sight {
    /// Nothing: one that may yet take effect can be undone.
    #[default]
    Nothing,
    /// That the user is certainly out: nobody can undo any that may yet take effect.
    Ends,
    /// The same, and it has spoken.
    HasEnded,
}

/// Requests of one kind that may still take effect.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    open: u32,
    /// Whether one of them ended without anybody knowing how.
    is_lost: bool,
    /// Whether a request of the other kind may have taken effect while one of these was open.
    is_crossed: bool,
    /// Whether the user may have been where these requests lead even before the first of them.
    may_have_been: bool,
}

impl Requests {
    fn may_take_effect(self) -> bool {
        self.open > 0 || self.is_lost
    }

    fn begin(&mut self, may_be: bool, others: Self) {
        if !self.may_take_effect() {
            self.may_have_been = may_be;
        }
        self.open += 1;
        self.is_crossed |= others.may_take_effect();
    }

    /// Takes in that one has ended; returns whether its order among those of the other kind is
    /// unknown.
    fn end(&mut self, outcome: OpOutcome) -> bool {
        self.open = self.open.saturating_sub(1);
        self.is_lost |= outcome == OpOutcome::Indefinite;
        let is_crossed = self.is_crossed;
        self.is_crossed &= self.may_take_effect();
        is_crossed
    }
}

impl<'s> Memberships<'s> {
    /// Returns the memberships from before anything was sent.
    pub(super) fn initial(scenario: &'s Scenario) -> Self {
        let (read, standing, conversations) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut memberships = Self { scenario, conversations, read, standing };
        for (name, conversation) in &scenario.conversations {
            for user in std::iter::once(&conversation.creator).chain(&conversation.members) {
                let key = (user.clone(), name.clone());
                if !memberships.standing.contains_key(&key) {
                    let place = Some(memberships.read.len());
                    memberships.read.push(Membership::initial(user, name));
                    let joined = Some(Duration::ZERO);
                    let standing =
                        Standing { may_be_in: true, place, joined, ..Standing::default() };
                    memberships.standing.insert(key, standing);
                }
            }
        }
        memberships
    }

    /// Takes in the note of a join, leave or removal, which was made at `moment`; ignores other
    /// notes.
    pub(super) fn take(&mut self, moment: Moment, note: &Note) {
        let n = moment.n;
        if let Note::Ready { rooms } = note {
            let by_room = rooms.iter().map(|(name, room)| (room.clone(), name.clone()));
            self.conversations = by_room.collect();
        }
        let Some(key) = self.whose(note) else { return };
        let (user, conversation) = (&key.0, &key.1);
        let outside = Standing { may_be_out: true, ..Standing::default() };
        let mut now = self.standing.get(&key).copied().unwrap_or(outside);
        let before = now;
        let mut known_until = None;
        match note {
            Note::JoinBegan { .. } => now.join_began(moment),
            Note::JoinEnded { outcome, .. } => {
                now.join_ended(*outcome, moment);
                if *outcome != OpOutcome::Ok && self.is_forgotten(&now) {
                    now.may_be_out = true;
                    known_until = Some(now.join_began.n);
                }
            }
            Note::LeaveBegan { .. } => now.leave_began(),
            Note::RemovalBegan { by, .. } => {
                now.removal_began(n, self.finality(by, user, conversation));
            }
            Note::LeaveEnded { outcome, .. } => now.leave_ended(*outcome),
            Note::RemovalEnded { by, outcome, .. } => {
                now.removal_ended(*outcome, self.finality(by, user, conversation));
            }
            Note::RemovalSeen { .. } => now.removal_seen(),
            _ => {}
        }
        if before.may_be_in && !now.may_be_in {
            now.left = Some(moment.at);
        }
        let is_refused = matches!(
            note,
            Note::LeaveEnded { outcome: OpOutcome::Refused, .. }
                | Note::RemovalEnded { outcome: OpOutcome::Refused, .. }
        );
        let is_undone = is_refused && !now.may_be_out;
        if is_undone && let Some(known) = now.place.and_then(|place| self.read.get_mut(place)) {
            known.certain_until = None;
            known.removed_from = None;
        } else {
            self.write(n, (user, conversation), before, &mut now);
        }
        if let Some(until) = known_until
            && let Some(known) = now.place.and_then(|place| self.read.get_mut(place))
        {
            known.certain_until = Some(known.certain_until.map_or(until, |it| it.min(until)));
        }
        if matches!(note, Note::RemovalBegan { .. })
            && let Some(known) = now.place.and_then(|place| self.read.get_mut(place))
        {
            known.removed_from.get_or_insert(n);
        }
        if matches!(note, Note::JoinEnded { outcome: OpOutcome::Ok, .. })
            && let Some(known) = now.place.and_then(|place| self.read.get_mut(place))
            && known.forgotten_from.is_some_and(|from| from <= now.join_began.n)
        {
            known.forgotten_until.get_or_insert(n);
        }
        self.standing.insert(key, now);
    }

    /// Takes in that a backend lost its disk: it forgets the joins of its users that its backup may
    /// not have, unless the room is in it by way of another user, so that what is said there leads it
    /// back.
    pub(super) fn lose(&mut self, moment: Moment, loss: &DiskLoss) {
        let is_kept = |standing: &Standing| {
            let joined = standing.joined.zip(loss.but_before);
            joined.is_some_and(|(joined, kept)| joined <= kept)
        };
        let backend = |user: &String| self.scenario.users.get(user).map(|user| &*user.backend);
        let of_it = self.standing.iter().filter(|((user, _), standing)| {
            standing.may_be_in && backend(user) == Some(loss.machine.as_str())
        });
        let of_it: Vec<_> = of_it.map(|((_, room), standing)| (room, *standing)).collect();
        for (room, standing) in &of_it {
            let mut others = of_it.iter().filter(|(other, _)| other == room);
            if others.any(|(_, standing)| is_kept(standing)) {
                continue;
            }
            if let Some(known) = standing.place.and_then(|place| self.read.get_mut(place)) {
                known.forgotten_from.get_or_insert(moment.n);
                known.forgotten_until = None;
            }
        }
        self.lose_leaves(moment, loss);
    }

    /// Takes in that a backend forgets the leaves of its users that its backup does not have. For
    /// everybody else they are out, as if somebody had removed them.
    fn lose_leaves(&mut self, moment: Moment, loss: &DiskLoss) {
        let is_of_it = |user: &str| {
            self.scenario.users.get(user).is_some_and(|user| user.backend == loss.machine)
        };
        let has_left = |standing: &Standing| {
            let left = standing.left.zip(loss.but_before);
            !standing.may_be_in && left.is_some_and(|(left, kept)| kept <= left)
        };
        let back = self.standing.iter();
        let back = back.filter(|((user, _), standing)| is_of_it(user) && has_left(standing));
        let back: Vec<_> = back.map(|(key, standing)| (key.clone(), *standing)).collect();
        for (key, before) in back {
            let mut now = Standing { may_be_in: true, ..before };
            self.write(moment.n, (&key.0, &key.1), before, &mut now);
            if let Some(stay) = now.place.and_then(|place| self.read.get_mut(place)) {
                stay.removed_from = Some(moment.n);
            }
            self.standing.insert(key, now);
        }
    }

    /// Returns whether the user's own backend has lost its disk, and does not know of the membership.
    /// A join that it cannot finish then it withdraws, and the user is out for everybody.
    fn is_forgotten(&self, standing: &Standing) -> bool {
        let known = standing.place.and_then(|place| self.read.get(place));
        known.is_some_and(|it| it.forgotten_from.is_some() && it.forgotten_until.is_none())
    }

    /// Returns the user and the conversation that a note is about.
    fn whose(&self, note: &Note) -> Option<(String, String)> {
        match note {
            Note::JoinBegan { user, conversation }
            | Note::JoinEnded { user, conversation, .. }
            | Note::LeaveBegan { user, conversation }
            | Note::LeaveEnded { user, conversation, .. }
            | Note::RemovalBegan { user, conversation, .. }
            | Note::RemovalEnded { user, conversation, .. } => {
                Some((user.clone(), conversation.clone()))
            }
            Note::RemovalSeen { user, room } => {
                Some((user.clone(), self.conversations.get(room)?.clone()))
            }
            _ => None,
        }
    }

    /// Returns when a removal that was answered takes effect for good.
    fn finality(&self, by: &str, user: &str, conversation: &str) -> Finality {
        let backend = |user: &str| self.scenario.users.get(user).map(|user| &user.backend);
        let creator = self.scenario.conversations.get(conversation).map(|it| &*it.creator);
        let may_be_undone = creator != Some(by)
            || has_its_power_changed(self.scenario, conversation, by)
            || has_its_power_changed(self.scenario, conversation, user);
        match backend(by) == backend(user) {
            _ if may_be_undone => Finality::Never,
            true => Finality::AtOnce,
            false => Finality::OnceSeen,
        }
    }

    /// Returns everything that was read.
    pub(super) fn finish(self) -> Vec<Membership> {
        self.read
    }

    /// Writes down what changed at entry `n`.
    fn write(
        &mut self,
        n: u64,
        (user, conversation): (&str, &str),
        before: Standing,
        now: &mut Standing,
    ) {
        let was_certain = before.may_be_in && !before.may_be_out;
        let is_certain = now.may_be_in && !now.may_be_out;
        let open = |known: &&mut Membership| known.possible_until.is_none();
        let mut present = now.place.and_then(|place| self.read.get_mut(place)).filter(open);
        if let Some(known) = &mut present {
            if was_certain && !is_certain {
                known.certain_until = Some(n);
            }
            let is_again = is_certain && known.certain_until.is_some();
            if !now.may_be_in || is_again {
                known.possible_until = Some(n);
            }
        }
        let is_present = present.is_some_and(|known| known.possible_until.is_none());
        if now.may_be_in && !is_present {
            now.place = Some(self.read.len());
            let removed_from = now.removal;
            let stay = Membership::possible(user, conversation, n);
            self.read.push(Membership { removed_from, ..stay });
        }
        if is_certain && let Some(known) = now.place.and_then(|place| self.read.get_mut(place)) {
            known.certain_from.get_or_insert(n);
        }
    }
}

/// Returns whether somebody changes the power of a user in a conversation.
pub(crate) fn has_its_power_changed(scenario: &Scenario, conversation: &str, user: &str) -> bool {
    scenario.ops.iter().any(|op| {
        let is_changed = match &op.kind {
            OpKind::Power { user: of, .. } => of == user,
            OpKind::State { kind, .. } => kind == "m.room.power_levels",
            _ => false,
        };
        is_changed && op.kind.conversation() == Some(conversation)
    })
}

/// When a removal that was answered is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finality {
    /// At once: the user's own backend has done it.
    AtOnce,
    /// When the user's own backend says so.
    OnceSeen,
    /// Never: state resolution may undo it.
    Never,
}

impl Standing {
    fn join_began(&mut self, moment: Moment) {
        self.join_began = moment;
        self.joins.begin(self.may_be_in, self.leaves);
        self.leaves.is_crossed |= self.leaves.may_take_effect();
        self.may_be_in = true;
    }

    fn leave_began(&mut self) {
        self.leaves.begin(self.may_be_out, self.joins);
        self.joins.is_crossed |= self.joins.may_take_effect();
        self.may_be_out = true;
    }

    fn join_ended(&mut self, outcome: OpOutcome, moment: Moment) {
        let is_crossed = self.joins.end(outcome);
        match outcome {
            OpOutcome::Ok => {
                self.joined = Some(moment.at);
                self.may_be_out = self.leaves.may_take_effect() || is_crossed;
                // Another one that is still open, and then refused, undoes nothing.
                self.joins.may_have_been = true;
            }
            OpOutcome::Refused if !is_crossed && !self.joins.may_take_effect() => {
                self.may_be_in = self.joins.may_have_been;
            }
            OpOutcome::Refused | OpOutcome::Indefinite => {}
        }
    }

    fn leave_ended(&mut self, outcome: OpOutcome) {
        let is_crossed = self.leaves.end(outcome);
        match outcome {
            OpOutcome::Ok => {
                self.may_be_in = self.joins.may_take_effect() || is_crossed;
                self.leaves.may_have_been = true;
            }
            OpOutcome::Refused if !is_crossed && !self.leaves.may_take_effect() => {
                self.may_be_out = self.leaves.may_have_been;
            }
            OpOutcome::Refused | OpOutcome::Indefinite => {}
        }
    }
}

impl Standing {
    fn removal_began(&mut self, n: u64, finality: Finality) {
        self.leave_began();
        let is_first = self.removals == 0;
        self.removals += 1;
        self.removal.get_or_insert(n);
        self.sight = match (finality, self.sight) {
            (Finality::Never, _) if is_first => Sight::Nothing,
            (_, _) if is_first => Sight::Ends,
            (Finality::Never, Sight::Ends) => Sight::Nothing,
            (_, sight) => sight,
        };
    }

    fn removal_ended(&mut self, outcome: OpOutcome, finality: Finality) {
        let is_certain = match finality {
            Finality::AtOnce => true,
            Finality::OnceSeen => self.sight == Sight::HasEnded,
            Finality::Never => false,
        };
        let outcome = match outcome {
            OpOutcome::Ok if !is_certain => OpOutcome::Indefinite,
            outcome => outcome,
        };
        if outcome != OpOutcome::Indefinite {
            self.removals = self.removals.saturating_sub(1);
            self.removal = self.removal.filter(|_| self.removals > 0);
        }
        self.leave_ended(outcome);
    }

    /// Takes in that the user's own backend knows of a removal. If the user tried to come back
    /// meanwhile, nobody knows whether it speaks of the time before.
    fn removal_seen(&mut self) {
        if !self.joins.is_crossed && !self.leaves.is_crossed && !self.joins.may_take_effect() {
            (self.removal, self.removals) = (None, 0);
        }
        if self.sight == Sight::Ends && !self.leaves.is_crossed && !self.joins.may_take_effect() {
            self.may_be_in = false;
            self.leaves.is_lost = false;
            // Another removal that is still open, and then refused, undoes nothing.
            self.leaves.may_have_been = true;
            self.sight = Sight::HasEnded;
        }
    }
}

#[cfg(test)]
mod tests;
