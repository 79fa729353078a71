//! What clients can do while something else is under way: write, join, leave, and remove.

use std::{collections::BTreeSet, time::Duration};

use journal::fault::{Moment, NetworkFault, ProxyAnswer};
use scenarios::{
    Scenario,
    scenario::{Fault, Op, OpKind},
};

use super::Way;
use crate::places::{Place, Point};

/// Returns what anybody can do at that moment of an exchange, in every room; while its answer is on
/// its way for long, if servers made it: what clients do takes longer than an answer does. Where one
/// server tells another something, a front proxy answers, and it is not told again before that.
pub(super) fn acts(scenario: &Scenario, place: &Place) -> Vec<Way> {
    let Some(held) = held(scenario, place) else {
        let acts = ops(scenario, place, moment(scenario, place), false);
        return acts.into_iter().map(Way::Op).collect();
    };
    let acts = ops(scenario, place, rounded(place.at) + SOON, true);
    acts.into_iter().map(|op| Way::Meanwhile(held.clone(), op)).collect()
}

/// How long after an answer has left something else is done, while the answer is held.
const SOON: Duration = Duration::from_millis(100);

/// How long an answer is held: longer than joins and leaves take, and shorter than anybody waits.
const HELD: Duration = Duration::from_secs(4);

/// How long a front proxy answers: until shortly before something else is done.
const REFUSED: Duration = Duration::from_millis(80);

/// Returns what holds the answer that is sent at this place from one server to another, or has a front
/// proxy answer a transaction.
fn held(scenario: &Scenario, place: &Place) -> Option<Fault> {
    let Point::Exchange { moment, endpoint, from, to, .. } = &place.point else { return None };
    let (kind, lasts): (NetworkFault, _) = match moment {
        Moment::Answered => {
            let (between, and) = (vec![to.clone()], vec![from.clone()]);
            (NetworkFault::Hold { between, and, one_way: true }, HELD)
        }
        Moment::Sent if *endpoint == "send" => {
            let (machine, to) = (to.clone(), vec![from.clone()]);
            let (status, retry_after, share) = (502, None, 1.0);
            let answer = ProxyAnswer { machine, to, status, retry_after, share };
            (NetworkFault::Answers(answer), REFUSED)
        }
        Moment::Sent | Moment::Arrived => return None,
    };
    let are_servers = [from, to].into_iter().all(|name| super::is_server(scenario, name));
    are_servers.then(|| Fault::new(place.when(), Some(lasts), kind.into()))
}

/// Returns what anybody can do at a time, if the place is one of an exchange; `is_held` if that takes
/// long.
fn ops(scenario: &Scenario, place: &Place, at: Duration, is_held: bool) -> Vec<Op> {
    let mut kinds = Vec::new();
    if !matches!(place.point, Point::Exchange { .. }) {
        return Vec::new();
    }
    for (name, room) in &scenario.conversations {
        let conversation = || name.clone();
        let people = people(scenario, name, at);
        for user in strangers(scenario, &people, is_held) {
            kinds.push(OpKind::Join { user, conversation: conversation() });
        }
        for user in people.iter().copied().filter(|user| **user != room.creator) {
            let (user, by) = (user.clone(), room.creator.clone());
            kinds.push(OpKind::Leave { user: user.clone(), conversation: conversation() });
            kinds.push(OpKind::Kick {
                user: user.clone(),
                by: by.clone(),
                conversation: conversation(),
            });
            kinds.push(OpKind::Power { user, level: 50, by, conversation: conversation() });
        }
        kinds.extend(people.into_iter().map(|user| send(scenario, user, name)));
    }
    kinds.into_iter().map(|kind| Op::once(at, kind)).collect()
}

/// Returns when something is done beside an exchange: at its moment, or at the very time of the
/// operation that a client begins with it, so that two clients act at once.
fn moment(scenario: &Scenario, place: &Place) -> Duration {
    let is_first = matches!(
        place.point,
        Point::Exchange { endpoint: "client_send", moment: Moment::Sent, .. }
    );
    let before = scenario.ops.iter().map(|op| op.at).filter(|at| *at <= place.at).max();
    before.filter(|_| is_first).unwrap_or_else(|| rounded(place.at))
}

/// Returns who is in a room at a time, as far as operations are about that.
fn people<'s>(scenario: &'s Scenario, room: &str, at: Duration) -> BTreeSet<&'s String> {
    let Some(conversation) = scenario.conversations.get(room) else { return BTreeSet::new() };
    let mut people: BTreeSet<&String> = conversation.members.iter().collect();
    people.insert(&conversation.creator);
    let until_then = scenario.ops.iter().filter(|op| op.at <= at);
    for op in until_then.filter(|op| op.kind.conversation() == Some(room)) {
        match &op.kind {
            OpKind::Join { user, .. } => _ = people.insert(user),
            OpKind::Leave { user, .. } | OpKind::Kick { user, .. } | OpKind::Ban { user, .. } => {
                people.remove(user);
            }
            _ => {}
        }
    }
    people
}

/// Returns who can join: those who bring a new backend into the room; everybody else if there are
/// none, unless `new_only`.
fn strangers(scenario: &Scenario, people: &BTreeSet<&String>, new_only: bool) -> Vec<String> {
    let backend = |user: &String| scenario.users.get(user).map(|it| it.backend.as_str());
    let known: BTreeSet<Option<&str>> = people.iter().map(|user| backend(user)).collect();
    let strangers = || scenario.users.keys().filter(|user| !people.contains(user));
    let of_new: Vec<String> =
        strangers().filter(|user| !known.contains(&backend(user))).cloned().collect();
    if of_new.is_empty() && !new_only { strangers().cloned().collect() } else { of_new }
}

fn send(scenario: &Scenario, user: &str, room: &str) -> OpKind {
    let id = unused_message(&scenario.ops);
    let text = format!("{id} of {user}, meanwhile");
    OpKind::message(id, user.to_owned(), room.to_owned(), text)
}

/// Returns a time in whole milliseconds, which is short to write.
pub(crate) fn rounded(at: Duration) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the name of a message that none of `ops` sends.
pub(crate) fn unused_message(ops: &[Op]) -> String {
    let is_free = |id: &String| {
        ops.iter().all(|op| !matches!(&op.kind, OpKind::Send { id: known, .. } if known == id))
    };
    (1..=ops.len() + 1).map(|n| format!("m{n}")).find(is_free).unwrap_or_default()
}
