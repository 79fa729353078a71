//! Who counts as a member when, and as removed.

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
fn a_refused_kick_beside_the_creators_makes_it_no_more_certain() {
    let both = [kick("bob", "alice", None), kick("bob", "carol", None)];
    let ends = [kick("bob", "alice", Some(Ok)), kick("bob", "carol", Some(Refused))];
    let stays = of("bob", &[both, ends].concat());
    assert_eq!((stays[0].certain_until, stays[0].possible_until), (Some(1), None));
}

#[test]
fn a_refused_kick_ends_nothing() {
    let stays = of("bob", &[kick("bob", "carol", None), kick("bob", "carol", Some(Refused))]);
    assert_eq!(stays, [Membership::initial("bob", "team")]);
}

#[test]
fn a_second_kick_that_is_refused_leaves_the_first_as_it_was_seen() {
    let seen = Note::RemovalSeen { user: "bob".to_owned(), room: "!team".to_owned() };
    let began = || kick("bob", "alice", None);
    let ended = [kick("bob", "alice", Some(Ok)), seen, kick("bob", "alice", Some(Refused))];
    let stays = of("bob", &[&[began(), began()][..], &ended].concat());
    assert_eq!((stays.len(), stays[0].possible_until), (1, Some(4)), "{stays:?}");
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
    let unanswered = [join("bob", None), join("bob", Some(Indefinite))];
    assert!(!stay(Some(2), &unanswered).certain_since(8), "b may have withdrawn the join");
    assert!(stay(Some(5), &unanswered).certain_since(8), "b knows that bob is in");
}

#[test]
fn a_lost_disk_forgets_the_leaves_since_its_backup() {
    let stays = |but_before: Option<u64>| {
        let scenario = scenario(Delivery::M1);
        let mut memberships = Memberships::initial(&scenario);
        memberships.take(at(1), &leave("bob", None));
        memberships.take(at(2), &leave("bob", Some(Ok)));
        let but_before = but_before.map(Duration::from_secs);
        let machine = "b".to_owned();
        memberships.lose(at(4), &DiskLoss { machine, at: Duration::from_secs(4), but_before });
        let stays = memberships.finish();
        let of_bob: Vec<_> = stays.into_iter().filter(|stay| stay.user == "bob").collect();
        of_bob
    };
    let back = stays(Some(1));
    assert_eq!(back.len(), 2);
    assert!(back[1].possible_between(5, 6) && !back[1].possible_between(2, 3));
    assert!(!back[1].certain_at(5), "nobody else counts bob as a member");
    assert_eq!(back[1].removed_from, Some(4), "or takes what he sends");
    assert_eq!(stays(Some(3)).len(), 1, "the backup has the leave");
    assert_eq!(stays(None).len(), 1, "what is empty has no members");
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
