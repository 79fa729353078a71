//! Reads who was a member of which conversation, and when, from the joins and leaves of clients.
//!
//! What a client asked for takes effect at some moment between its request and its answer or, if
//! nobody knows how it ended, perhaps much later. Until then the user may be in or out.
//!
//! What one user does to another of another backend takes effect there when that backend learns of
//! it. So a removed user is certainly out only once the own backend has said so, and only if nobody
//! can undo it: the creator removed the user, and nobody has changed the creator's power. Whoever
//! leaves and comes back before the own backend has said so may yet be removed.
//!
//! A backend whose disk was lost forgets who of its users has joined since its backup. Others know,
//! and count them as members; the backend itself does so when they join anew.

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
    /// Whether the user is certainly out once the own backend speaks of a removal.
    counts_when_seen: bool,
    /// The index of the present membership among those read.
    place: Option<usize>,
    /// When the last join began, and when it was last said to have worked.
    join_began: Moment,
    joined: Option<Duration>,
    /// The entry at which the first removal began that may yet take effect, and how many may.
    removal: Option<u64>,
    removals: u32,
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
        match note {
            Note::JoinBegan { .. } => now.join_began(moment),
            Note::JoinEnded { outcome, .. } => now.join_ended(*outcome, moment),
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
            || self.scenario.ops.iter().any(|op| {
                op.kind.conversation() == Some(conversation)
                    && matches!(&op.kind, OpKind::Power { user, .. } if user == by)
            });
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
        self.removals += 1;
        self.removal.get_or_insert(n);
        self.counts_when_seen = finality != Finality::Never;
    }

    fn removal_ended(&mut self, outcome: OpOutcome, finality: Finality) {
        let is_certain = match finality {
            Finality::AtOnce => true,
            // Unset: seen before the answer came.
            Finality::OnceSeen => !self.counts_when_seen,
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
        if self.counts_when_seen && !self.leaves.is_crossed && !self.joins.may_take_effect() {
            self.may_be_in = false;
            self.leaves.is_lost = false;
            self.counts_when_seen = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::scenario::Delivery;

    use super::Memberships;
    use crate::{
        history::{Membership, Moment, Note, fake::scenario},
        reachability::DiskLoss,
        record::OpOutcome::{self, Indefinite, Ok, Refused},
    };

    fn join(user: &str, outcome: Option<OpOutcome>) -> Note {
        let (user, conversation) = (user.to_owned(), "team".to_owned());
        match outcome {
            None => Note::JoinBegan { user, conversation },
            Some(outcome) => Note::JoinEnded { user, conversation, outcome },
        }
    }

    fn leave(user: &str, outcome: Option<OpOutcome>) -> Note {
        let (user, conversation) = (user.to_owned(), "team".to_owned());
        match outcome {
            None => Note::LeaveBegan { user, conversation },
            Some(outcome) => Note::LeaveEnded { user, conversation, outcome },
        }
    }

    fn kick(user: &str, by: &str, outcome: Option<OpOutcome>) -> Note {
        let (user, by, conversation) = (user.to_owned(), by.to_owned(), "team".to_owned());
        match outcome {
            None => Note::RemovalBegan { user, by, conversation },
            Some(outcome) => Note::RemovalEnded { user, by, conversation, outcome },
        }
    }

    #[test]
    fn a_kick_is_certain_once_the_own_backend_tells_of_it() {
        let seen = || Note::RemovalSeen { user: "bob".to_owned(), room: "!team".to_owned() };
        let by = |by: &str| {
            let mut stays = of("bob", &[kick("bob", by, None), kick("bob", by, Some(Ok)), seen()]);
            assert_eq!((stays.len(), stays[0].removed_from), (1, Some(1)));
            let stay = stays.remove(0);
            (stay.certain_until, stay.possible_until)
        };
        assert_eq!(by("alice"), (Some(1), Some(3)));
        assert_eq!(by("carol"), (Some(1), None), "carol's right to do so may be undone");
        let back = [kick("bob", "alice", None), kick("bob", "alice", Some(Ok)), join("bob", None)];
        let stays = of("bob", &[&back[..], &[join("bob", Some(Ok)), seen()]].concat());
        assert!(stays.iter().all(|stay| stay.possible_until.is_none()), "{stays:?}");
    }

    #[test]
    fn a_refused_kick_ends_nothing() {
        let stays = of("bob", &[kick("bob", "carol", None), kick("bob", "carol", Some(Refused))]);
        assert_eq!(stays, [Membership::initial("bob", "team")]);
    }

    #[test]
    fn who_comes_back_may_yet_be_removed_until_the_own_backend_tells_of_it() {
        let seen = Note::RemovalSeen { user: "bob".to_owned(), room: "!team".to_owned() };
        let kicked = [kick("bob", "carol", None), kick("bob", "carol", Some(Ok))];
        let left = [leave("bob", None), leave("bob", Some(Ok))];
        let back = [join("bob", None), join("bob", Some(Ok))];
        let last = |notes: &[&[Note]]| of("bob", &notes.concat()).pop().expect("a stay");
        let under_way = last(&[&kicked, &left, &back]);
        assert_eq!((under_way.possible_from, under_way.removed_from), (5, Some(1)));
        let kicked = [kick("bob", "alice", None), kick("bob", "alice", Some(Ok))];
        assert_eq!(last(&[&kicked, &[seen], &back]).removed_from, None);
        let refused = [kick("bob", "alice", None), kick("bob", "alice", Some(Refused))];
        assert_eq!(last(&[&refused, &left, &back]).removed_from, None);
    }

    #[test]
    fn a_lost_disk_forgets_the_joins_since_its_backup_until_the_user_joins_anew() {
        let stay = |but_before: Option<u64>, notes: &[Note]| {
            let scenario = scenario(Delivery::M1);
            let mut memberships = Memberships::initial(&scenario);
            memberships.take(at(1), &leave("bob", None));
            memberships.take(at(2), &leave("bob", Some(Ok)));
            memberships.take(at(3), &join("bob", None));
            memberships.take(at(4), &join("bob", Some(Ok)));
            let but_before = but_before.map(Duration::from_secs);
            let machine = "b".to_owned();
            memberships.lose(at(6), &DiskLoss { machine, at: Duration::from_secs(6), but_before });
            for (n, note) in (7..).zip(notes) {
                memberships.take(at(n), note);
            }
            memberships.finish().pop().expect("a stay")
        };
        let forgotten = stay(Some(2), &[]);
        assert!(forgotten.is_known_since(5) && !forgotten.is_known_since(6));
        assert!(forgotten.certain_since(6), "others count bob as a member");
        assert!(stay(Some(5), &[]).is_known_since(6) && !stay(None, &[]).is_known_since(6));
        let back = stay(Some(2), &[join("bob", None), join("bob", Some(Ok))]);
        assert!(!back.is_known_since(7) && back.is_known_since(8));
    }

    /// Returns entry `n`, in second `n`.
    fn at(n: u64) -> Moment {
        Moment { n, at: Duration::from_secs(n) }
    }

    /// Returns the memberships of one user after these notes, which are entries 1, 2, ..
    fn of(user: &str, notes: &[Note]) -> Vec<Membership> {
        let scenario = scenario(Delivery::M1);
        let mut memberships = Memberships::initial(&scenario);
        let rooms = [("team".to_owned(), "!team".to_owned())].into();
        memberships.take(at(0), &Note::Ready { rooms });
        for (n, note) in (1..).zip(notes) {
            memberships.take(at(n), note);
        }
        memberships.finish().into_iter().filter(|known| known.user == user).collect()
    }

    #[test]
    fn a_refused_leave_ends_nothing() {
        let stays = of("bob", &[leave("bob", None), leave("bob", Some(Refused))]);
        assert_eq!(stays, [Membership::initial("bob", "team")]);
    }

    #[test]
    fn a_second_leave_that_is_refused_brings_nobody_back() {
        let again = [leave("bob", None), leave("bob", Some(Refused))];
        for first in [Ok, Indefinite] {
            let notes = [&[leave("bob", None), leave("bob", Some(first))], &again[..]].concat();
            let left = of("bob", &notes);
            assert_eq!((left.len(), left[0].certain_until), (1, Some(1)), "{first:?}");
            assert_eq!(left[0].possible_until, (first == Ok).then_some(2), "{first:?}");
        }
    }

    #[test]
    fn of_two_leaves_at_once_the_refused_one_undoes_nothing() {
        let both = [leave("bob", None), leave("bob", None)];
        let ends = [leave("bob", Some(Ok)), leave("bob", Some(Refused))];
        let stays = of("bob", &[both, ends].concat());
        assert_eq!((stays[0].certain_until, stays[0].possible_until), (Some(1), Some(3)));
    }

    #[test]
    fn a_member_who_joins_again_is_a_member_once() {
        for outcome in [Ok, Refused, Indefinite] {
            let again = of("bob", &[join("bob", None), join("bob", Some(outcome))]);
            assert_eq!(again, [Membership::initial("bob", "team")], "{outcome:?}");
        }
    }

    #[test]
    fn who_comes_back_after_leaving_is_a_member_anew() {
        let gone = [leave("bob", None), leave("bob", Some(Ok))];
        let back = [&gone[..], &[join("bob", None), join("bob", Some(Ok))]].concat();
        let stays = of("bob", &back);
        assert_eq!((stays[0].certain_until, stays[0].possible_until), (Some(1), Some(2)));
        assert_eq!((stays[1].possible_from, stays[1].certain_from), (3, Some(4)));
        assert!(stays.len() == 2 && stays[1].certain_since(4));
    }

    #[test]
    fn a_join_and_a_leave_at_once_may_have_come_in_either_order() {
        let notes =
            [leave("bob", None), join("bob", None), leave("bob", Some(Ok)), join("bob", Some(Ok))];
        let stays = of("bob", &notes);
        assert!(stays.iter().any(|stay| stay.possible_between(9, 9)));
        assert!(!stays.iter().any(|stay| stay.certain_at(9)));
    }

    #[test]
    fn a_refused_join_makes_no_member() {
        let stays = of("dora", &[join("dora", None), join("dora", Some(Refused))]);
        assert_eq!((stays.len(), stays[0].certain_from), (1, None));
        assert_eq!(stays[0].possible_until, Some(2));
    }
}
