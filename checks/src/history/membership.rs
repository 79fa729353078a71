//! Reads who was a member of which conversation, and when, from the joins and leaves of clients.
//!
//! What a client asked for takes effect at some moment between its request and its answer or, if
//! nobody knows how it ended, perhaps much later. Until then the user may be in or out.

use std::collections::BTreeMap;

use scenarios::scenario::Scenario;

use super::{Membership, Note};
use crate::record::OpOutcome;

/// Everybody's comings and goings, read so far.
#[derive(Debug, Default)]
pub(super) struct Memberships {
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
    /// The index of the present membership among those read.
    place: Option<usize>,
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

impl Memberships {
    /// Returns the memberships from before anything was sent.
    pub(super) fn initial(scenario: &Scenario) -> Self {
        let mut memberships = Self::default();
        for (name, conversation) in &scenario.conversations {
            for user in std::iter::once(&conversation.creator).chain(&conversation.members) {
                let key = (user.clone(), name.clone());
                if !memberships.standing.contains_key(&key) {
                    let place = Some(memberships.read.len());
                    memberships.read.push(Membership::initial(user, name));
                    let standing = Standing { may_be_in: true, place, ..Standing::default() };
                    memberships.standing.insert(key, standing);
                }
            }
        }
        memberships
    }

    /// Takes in the note of a join or leave, which is entry `n`; ignores other notes.
    pub(super) fn take(&mut self, n: u64, note: &Note) {
        let (Note::JoinBegan { user, conversation }
        | Note::JoinEnded { user, conversation, .. }
        | Note::LeaveBegan { user, conversation }
        | Note::LeaveEnded { user, conversation, .. }) = note
        else {
            return;
        };
        let key = (user.clone(), conversation.clone());
        let outside = Standing { may_be_out: true, ..Standing::default() };
        let mut now = self.standing.get(&key).copied().unwrap_or(outside);
        let before = now;
        match note {
            Note::JoinBegan { .. } => now.join_began(),
            Note::JoinEnded { outcome, .. } => now.join_ended(*outcome),
            Note::LeaveBegan { .. } => now.leave_began(),
            Note::LeaveEnded { outcome, .. } => now.leave_ended(*outcome),
            _ => {}
        }
        let is_undone =
            matches!(note, Note::LeaveEnded { outcome: OpOutcome::Refused, .. }) && !now.may_be_out;
        if is_undone && let Some(known) = now.place.and_then(|place| self.read.get_mut(place)) {
            known.certain_until = None;
        } else {
            self.write(n, (user, conversation), before, &mut now);
        }
        self.standing.insert(key, now);
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
            self.read.push(Membership::possible(user, conversation, n));
        }
        if is_certain && let Some(known) = now.place.and_then(|place| self.read.get_mut(place)) {
            known.certain_from.get_or_insert(n);
        }
    }
}

impl Standing {
    fn join_began(&mut self) {
        self.joins.begin(self.may_be_in, self.leaves);
        self.leaves.is_crossed |= self.leaves.may_take_effect();
        self.may_be_in = true;
    }

    fn leave_began(&mut self) {
        self.leaves.begin(self.may_be_out, self.joins);
        self.joins.is_crossed |= self.joins.may_take_effect();
        self.may_be_out = true;
    }

    fn join_ended(&mut self, outcome: OpOutcome) {
        let is_crossed = self.joins.end(outcome);
        match outcome {
            OpOutcome::Ok => self.may_be_out = self.leaves.may_take_effect() || is_crossed,
            OpOutcome::Refused if !is_crossed && !self.joins.may_take_effect() => {
                self.may_be_in = self.joins.may_have_been;
            }
            OpOutcome::Refused | OpOutcome::Indefinite => {}
        }
    }

    fn leave_ended(&mut self, outcome: OpOutcome) {
        let is_crossed = self.leaves.end(outcome);
        match outcome {
            OpOutcome::Ok => self.may_be_in = self.joins.may_take_effect() || is_crossed,
            OpOutcome::Refused if !is_crossed && !self.leaves.may_take_effect() => {
                self.may_be_out = self.leaves.may_have_been;
            }
            OpOutcome::Refused | OpOutcome::Indefinite => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;

    use super::Memberships;
    use crate::{
        history::{Membership, Note, fake::scenario},
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

    /// Returns the memberships of one user after these notes, which are entries 1, 2, ..
    fn of(user: &str, notes: &[Note]) -> Vec<Membership> {
        let mut memberships = Memberships::initial(&scenario(Delivery::M1));
        for (n, note) in (1..).zip(notes) {
            memberships.take(n, note);
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
