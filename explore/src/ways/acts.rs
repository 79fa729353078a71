//! What clients can do while something else is under way: write, join, leave, and remove.

use std::{collections::BTreeSet, time::Duration};

use scenarios::{
    Scenario,
    scenario::{Op, OpKind},
};

use crate::places::{Place, Point};

/// Returns what users of the two machines of an exchange can do at that moment, in every room.
pub(super) fn acts(scenario: &Scenario, place: &Place) -> Vec<Op> {
    let Point::Exchange { from, to, .. } = &place.point else { return Vec::new() };
    let mut kinds = Vec::new();
    for (name, room) in &scenario.conversations {
        let is_there = |user: &&String| {
            let home = scenario.users.get(*user).map(|user| &user.backend);
            home.is_some_and(|home| [from, to].contains(&home))
        };
        let conversation = || name.clone();
        let people = people(scenario, name, place.at);
        for user in scenario.users.keys().filter(|user| !people.contains(user)) {
            kinds.push(OpKind::Join { user: user.clone(), conversation: conversation() });
        }
        for user in people.iter().copied().filter(|user| is_there(user) && **user != room.creator) {
            let (user, by) = (user.clone(), room.creator.clone());
            kinds.push(OpKind::Leave { user: user.clone(), conversation: conversation() });
            kinds.push(OpKind::Kick {
                user: user.clone(),
                by: by.clone(),
                conversation: conversation(),
            });
            kinds.push(OpKind::Power { user, level: 50, by, conversation: conversation() });
        }
        for user in people.into_iter().filter(is_there) {
            kinds.push(send(scenario, user, name));
        }
    }
    kinds.into_iter().map(|kind| Op { at: rounded(place.at), kind }).collect()
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
