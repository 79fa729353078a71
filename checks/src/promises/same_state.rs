//! `same-state`: in the end, every member backend of a conversation has the same current state. One
//! whose disk was lost is not judged, if nobody led it back to what it had.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{Finding, Judgment, history::History, reachability::is_forgotten};

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
            let Some(difference) = difference(state, theirs) else { continue };
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

/// Returns the first piece of state that differs, in words.
fn difference(one: &RoomState, other: &RoomState) -> Option<String> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let key = keys.into_iter().find(|key| one.get(*key) != other.get(*key))?;
    Some(in_words(key))
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
mod tests {
    use scenarios::scenario::Delivery;

    use super::judge;
    use crate::history::fake::{Fake, restored};

    #[test]
    fn backends_agree_on_every_event_of_the_state() {
        let judged = |theirs: &str| {
            let mut fake = Fake::ready();
            fake.state_at_end("a", "$create");
            fake.state_at_end("b", theirs);
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!((judged("$create").judged, judged("$create").finding), (1, None));
        let finding = judged("$other").finding.expect("a violation");
        assert_eq!(finding.sentence, "a and b differ about m.room.create in team");
    }

    #[test]
    fn who_is_restored_need_not_agree_until_somebody_leads_it_back() {
        let differs = |is_led_back: bool| {
            let mut fake = Fake::ready();
            fake.begins_fault(0);
            fake.waits(10);
            fake.sent_ok("alice/1", "m1");
            fake.holds_at_end("b", if is_led_back { &["$m1"] } else { &[] });
            fake.state_at_end("a", "$create");
            fake.state_at_end("b", "$other");
            fake.judged_in(&restored("b", 0), judge).finding.is_some()
        };
        assert!(!differs(false) && differs(true));
    }
}
