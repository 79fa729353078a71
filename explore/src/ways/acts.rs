//! What clients can do while something else is under way: write, join, leave, and remove.

use std::{collections::BTreeSet, time::Duration};

use journal::fault::Moment;
use scenarios::{
    Scenario,
    scenario::{Op, OpKind},
};

use crate::places::{Place, Point};

/// Returns what anybody can do at that moment of an exchange, in every room.
pub(super) fn acts(scenario: &Scenario, place: &Place) -> Vec<Op> {
    let Point::Exchange { .. } = &place.point else { return Vec::new() };
    let at = moment(scenario, place);
    let mut kinds = Vec::new();
    for (name, room) in &scenario.conversations {
        let conversation = || name.clone();
        let people = people(scenario, name, at);
        for user in scenario.users.keys().filter(|user| !people.contains(user)) {
            kinds.push(OpKind::Join { user: user.clone(), conversation: conversation() });
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
    kinds.into_iter().map(|kind| Op { at, kind }).collect()
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

fn send(scenario: &Scenario, user: &str, room: &str) -> OpKind {
    let id = unused_message(&scenario.ops);
    let text = format!("{id} of {user}, meanwhile");
    OpKind::Send { id, from: user.to_owned(), to: room.to_owned(), text, retries: 0 }
}

/// Returns a time in whole milliseconds, which is short to write.
fn rounded(at: Duration) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the name of a message that none of `ops` sends.
pub(crate) fn unused_message(ops: &[Op]) -> String {
    let is_free = |id: &String| {
        ops.iter().all(|op| !matches!(&op.kind, OpKind::Send { id: known, .. } if known == id))
    };
    (1..=ops.len() + 1).map(|n| format!("m{n}")).find(is_free).unwrap_or_default()
}
