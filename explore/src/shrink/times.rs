//! Shorter and rounder times, and triggers in the place of times: what depends on an exchange says
//! so, and goes on failing when latencies change.

use std::time::Duration;

use scenarios::scenario::When;

use super::Search;
use crate::{places::Place, sources::SETTLE};

/// Times that people write, shortest first.
const ROUND: [Duration; 14] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// How many places around a fault's time are tried as its trigger.
const NEAR: usize = 8;

/// Makes times shorter and rounder.
pub(super) fn rounder(search: &mut Search<'_>) {
    for index in 0..search.best.faults.len() {
        trigger(search, index);
        shorter(search, index);
    }
    for index in 0..search.best.ops.len() {
        earlier(search, index);
    }
    limit(search);
}

/// Has a fault that begins at a time begin at an exchange or a sync near that time.
fn trigger(search: &mut Search<'_>, index: usize) {
    let Some(When::At(at)) = search.best.faults.get(index).map(|fault| fault.when.clone()) else {
        return;
    };
    if search.best.faults[index].after.is_some() {
        return;
    }
    let polls = search.vocabulary.long_polls;
    let distance = |place: &Place| place.at.abs_diff(at);
    let mut near: Vec<Place> = search.trial.places.clone();
    near.retain(|place| !matches!(place.when(), When::At(_)) && !is_poll(place, polls));
    near.sort_by_key(distance);
    let triggers: Vec<When> = near.iter().take(NEAR).map(Place::when).collect();
    for when in triggers {
        let is_kept = search.tries(|scenario| {
            if let Some(fault) = scenario.faults.get_mut(index) {
                fault.when = when;
            }
        });
        if is_kept {
            return;
        }
    }
    for round in ROUND.iter().take_while(|round| **round < at).copied() {
        let is_kept = search.tries(|scenario| {
            if let Some(fault) = scenario.faults.get_mut(index) {
                fault.when = When::At(round);
            }
        });
        if is_kept {
            return;
        }
    }
}

fn is_poll(place: &Place, polls: &[&str]) -> bool {
    let When::Exchange { endpoints, .. } = place.when() else { return false };
    endpoints.iter().any(|endpoint| polls.contains(&endpoint.as_str()))
}

/// Has a fault last as short as it can.
fn shorter(search: &mut Search<'_>, index: usize) {
    let Some(lasts) = search.best.faults.get(index).and_then(|fault| fault.lasts) else { return };
    for round in ROUND.iter().take_while(|round| **round < lasts).copied() {
        let is_kept = search.tries(|scenario| {
            if let Some(fault) = scenario.faults.get_mut(index) {
                fault.lasts = Some(round);
            }
        });
        if is_kept {
            return;
        }
    }
}

/// Has an operation begin as early as it can, a second after the one before.
fn earlier(search: &mut Search<'_>, index: usize) {
    search.tries(|scenario| scenario.ops[index].jitter = Duration::ZERO);
    let at = Duration::from_secs(index as u64 + 1);
    if search.best.ops.get(index).is_some_and(|op| op.at > at) {
        let moved = search.tries(|scenario| scenario.ops[index].at = at);
        if moved {
            return;
        }
        let at = search.best.ops[index].at;
        let rounded = Duration::from_secs(at.as_secs());
        search.tries(|scenario| scenario.ops[index].at = rounded);
    }
}

/// Gives a scenario no more time than it needs.
fn limit(search: &mut Search<'_>) {
    for round in ROUND {
        if round < search.best.limit && search.tries(|scenario| scenario.limit = round) {
            break;
        }
    }
    for round in ROUND {
        let is_shorter = round < search.best.settle && round >= LEAST_SETTLE;
        if is_shorter && search.tries(|scenario| scenario.settle = round) {
            break;
        }
    }
}

/// A scenario that is kept has this much time to settle: what has not come about by then is not
/// merely late.
const LEAST_SETTLE: Duration = SETTLE;
