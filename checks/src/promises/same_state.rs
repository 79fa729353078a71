//! `same-state`: in the end, every member backend of a conversation has the same current state. One
//! whose disk was lost is not judged, if nobody led it back to what it had. Nor is a piece of state that
//! a backend lacks because whoever was to tell it, or the relay that was, has lost its disk before it
//! could, or misbehaves and did not, or hid the key that it is signed with, or signed it in what is a far
//! future by the backend's clock, or that it has judged by another power of its sender, or beside a
//! message that nobody else has taken yet, or that reached the backend after a removal of its sender that
//! the event did not know of, or whose sender's backend left without having heard of this one; nor which
//! of two leaves of one user a backend heard of first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    Finding, Judgment,
    history::History,
    reachability::{
        disputed, gone, is_forgotten, judged_beside, left_untold, lost_on_its_way, soft_failed,
        two_leaves, unverified, withheld,
    },
};

type RoomState = BTreeMap<String, String>;

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("states");
    for (conversation, states) in &history.finals.states {
        let mut states = states.iter().filter(|(backend, _)| {
            let place = (backend.as_str(), conversation.as_str());
            history.is_honest(backend) && !is_forgotten(history, place, None)
        });
        let Some((first, state)) = states.next() else { continue };
        for (other, theirs) in states {
            judgment.judged += 1;
            let mut differences = differences(state, theirs);
            judgment.excuse(&mut differences, |key| {
                let lacks = |backend: &str, holder: &str, theirs: Option<&String>| {
                    let event = (theirs?.as_str(), &*format!("of {}", in_words(key)));
                    let place = (backend, conversation.as_str());
                    lost_on_its_way(history, place, event)
                        .or_else(|| withheld(history, place, event))
                        .or_else(|| unverified(history, place, event))
                        .or_else(|| gone(history, place, (event.0, &format!("word {}", event.1))))
                        .or_else(|| disputed(history, place, event.0))
                        .or_else(|| soft_failed(history, place, event.0))
                        .or_else(|| judged_beside(history, place, holder, event.0))
                        .or_else(|| left_untold(history, place, event))
                };
                let both = state.get(key).zip(theirs.get(key));
                let lacking = lacks(first, other, theirs.get(key))
                    .or_else(|| lacks(other, first, state.get(key)));
                lacking.or_else(|| {
                    let (one, another) = both?;
                    two_leaves(history, (first, one), (other, another))
                })
            });
            let Some(difference) = differences.first() else { continue };
            let difference = in_words(difference);
            let sentence =
                format!("{first} and {other} differ about {difference} in {conversation}");
            let (at, evidence) = history
                .settled
                .as_ref()
                .map_or((Duration::ZERO, Vec::new()), |(at, _)| (at.at, vec![at.n]));
            judgment.found(Finding::new(at, sentence, evidence));
        }
    }
    if !history.finals.unread.is_empty() {
        judgment.cannot_tell(format!("{} could not be read", history.finals.unread[0]));
    }
    judgment
}

/// Returns the keys of the pieces of state that differ.
fn differences(one: &RoomState, other: &RoomState) -> Vec<String> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

/// Puts the key of a piece of state into words, such as `m.room.member of @bob:b`.
pub(super) fn in_words(key: &str) -> String {
    match key.split_once('|') {
        Some((kind, state_key)) if !state_key.is_empty() => format!("{kind} of {state_key}"),
        Some((kind, _)) => kind.to_owned(),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests;
