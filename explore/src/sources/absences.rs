//! Absences: a base in which nothing breaks, played with a backend that is not there. What waits for
//! it, and what happens when it is back, is half of a federation's work, and is broken like the rest.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{
        AfterCrash, Delivery, Fault, FaultKind, Moment, NetworkFault, NodeFault, Op, OpKind, When,
    },
};

use super::GRACE;
use crate::ways::unused_message;

/// An absence begins so long before the first operation that it misses, and ends so long after the
/// last: long enough for a few attempts, and for the relays to be given what waits.
pub(super) const MARGINS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(50));

/// Longer than it takes servers to count another one as gone, to wait long before they call it again,
/// and to tidy up.
const LONG: Duration = Duration::from_secs(20 * 60);

/// A backend that was away is surely up again after so long.
const BOOTED: Duration = Duration::from_secs(15);

/// Who hears from a backend that was away has surely called it back after so long.
const CALLED_BACK: Duration = Duration::from_secs(45);

/// Longer than somebody waits for an answer.
const UNANSWERED: Duration = Duration::from_secs(15);

/// Longer than it takes until a message is left at a relay because its destination does not answer, and
/// until it is left there again.
const LEFT: Duration = Duration::from_secs(60);

/// Returns `base` with a backend that has no power all the time, with one that has none for long, with
/// one that is cut off from the other backends twice, with one that is while the others talk, and with
/// one that has none while something is left at its relay twice. None if something is broken already, or
/// if nothing would wait: `m1` refuses what not everybody can have.
pub(crate) fn absences(base: &Scenario) -> Vec<Scenario> {
    let waits = base.conversations.values().any(|room| room.delivery == Delivery::Eventual);
    let Some(absent) = absent(base).filter(|_| waits && base.faults.is_empty()) else {
        return Vec::new();
    };
    let mut absences =
        vec![without_power(base, &absent), for_long(base, &absent), cut_off_twice(base, &absent)];
    absences.extend(talked_past(base, &absent));
    absences.extend(left_twice(base, &absent));
    absences
}

/// Returns the backend that is away: one that has relays if there is one, and not the one that
/// sends first.
pub(super) fn absent(base: &Scenario) -> Option<String> {
    let sender = first_to_send(base)?;
    let mut others = base.backends.iter().filter(|(name, _)| **name != sender);
    let with_relays = others.clone().find(|(_, backend)| !backend.relays.is_empty());
    with_relays.or_else(|| others.next()).map(|(name, _)| name.clone())
}

/// Returns the backend that sends first.
fn first_to_send(base: &Scenario) -> Option<String> {
    base.ops.iter().find_map(|op| match &op.kind {
        OpKind::Send { from, .. } => base.users.get(from).map(|user| user.backend.clone()),
        _ => None,
    })
}

fn without_power(base: &Scenario, absent: &str) -> Scenario {
    let crash = NodeFault::Crash { node: absent.to_owned(), disk: AfterCrash::LoseUnsynced };
    with_faults(base.clone(), [during(&base.ops, crash.into())])
}

/// The same for long; and soon after that one is back, its user writes, and the backend that sent
/// first is started anew and sends once more: what a server knows of others it knows from its disk
/// alone then.
fn for_long(base: &Scenario, absent: &str) -> Scenario {
    let mut scenario = without_power(base, absent);
    let Some(away) = scenario.faults.first_mut() else { return scenario };
    away.lasts = away.lasts.map(|lasts| lasts.max(LONG));
    let begins = if let When::At(at) = away.when { at } else { Duration::ZERO };
    let back = begins + away.lasts.unwrap_or(LONG);
    let (writes, restarts) = (back + BOOTED, back + BOOTED + CALLED_BACK);
    let once_more = restarts + BOOTED;
    if let Some(node) = first_to_send(&scenario) {
        let kind = NodeFault::Kill { node }.into();
        scenario.faults.push(Fault::new(When::At(restarts), Some(MARGINS.0), kind));
    }
    let first = base.ops.iter().find(|op| matches!(op.kind, OpKind::Send { .. }));
    for (at, by) in [(writes, member_of(base, absent)), (once_more, None)] {
        let Some(mut kind) = first.map(|op| op.kind.clone()) else { continue };
        if let OpKind::Send { id, from, .. } = &mut kind {
            *id = unused_message(&scenario.ops);
            *from = by.unwrap_or_else(|| from.clone());
        }
        scenario.ops.push(Op::once(at, kind));
    }
    scenario.limit = scenario.limit.max(once_more + GRACE);
    scenario
}

/// Returns a user of a backend who is in the room to which the first message goes.
fn member_of(base: &Scenario, backend: &str) -> Option<String> {
    let room = base.ops.iter().find_map(|op| match &op.kind {
        OpKind::Send { to, .. } => base.conversations.get(to),
        _ => None,
    })?;
    let mut people = std::iter::once(&room.creator).chain(&room.members);
    people.find(|user| base.users.get(*user).is_some_and(|it| it.backend == backend)).cloned()
}

/// The relays stay in its reach. The second half of the operations, or the first one once more,
/// waits for the second cut.
fn cut_off_twice(base: &Scenario, absent: &str) -> Scenario {
    let mut scenario = base.clone();
    let half = base.ops.len().div_ceil(2);
    let (first, second) = base.ops.split_at(half);
    let second = if second.is_empty() { first } else { second };
    let end = first.iter().map(Op::last).max().unwrap_or_default() + MARGINS.1;
    let mut later = Vec::new();
    for op in second {
        let mut op = Op { at: op.at + end + MARGINS.1, ..op.clone() };
        if let OpKind::Send { id, .. } = &mut op.kind
            && first.len() + second.len() > base.ops.len()
        {
            *id = unused_message(&base.ops);
        }
        later.push(op);
    }
    let cut = || cut_off(base, absent);
    let faults = [during(first, cut()), during(&later, cut())];
    scenario.ops = first.iter().cloned().chain(later).collect();
    with_faults(scenario, faults)
}

/// Two of the others write in turn, one of them three times as fast: what one of them leaves at a relay
/// builds on what the other one has, and may not have left there yet. Nothing comes later that would
/// heal what got lost.
fn talked_past(base: &Scenario, absent: &str) -> Option<Scenario> {
    let first = base.ops.iter().find(|op| matches!(op.kind, OpKind::Send { .. }))?;
    let OpKind::Send { from, to, .. } = &first.kind else { return None };
    let room = base.conversations.get(to)?;
    let mut people = std::iter::once(&room.creator).chain(&room.members);
    let backend = |user: &String| base.users.get(user).map(|it| it.backend.as_str());
    let own = backend(from);
    let other = people.find(|user| ![own, Some(absent)].contains(&backend(user)))?;
    let mut scenario = base.clone();
    scenario.ops.clear();
    for turn in 0..TURNS {
        let (by, pause) = if turn.is_multiple_of(2) { (from, PAUSE) } else { (other, PAUSE / 3) };
        let id = unused_message(&scenario.ops);
        let kind = OpKind::message(id, by.clone(), to.clone(), format!("turn {turn}"));
        scenario.ops.push(Op::once(first.at + pause * turn, kind));
    }
    scenario.ops.sort_by_key(|op| op.at);
    let cut = during(&scenario.ops, cut_off(base, absent));
    Some(with_faults(scenario, [cut]))
}

/// The relay's answer to the second of two messages is lost, so that this one is left there once more.
fn left_twice(base: &Scenario, absent: &str) -> Option<Scenario> {
    let first = base.ops.iter().find(|op| matches!(op.kind, OpKind::Send { .. }))?;
    let (sender, relay) = (first_to_send(base)?, base.backends.get(absent)?.relays.first()?);
    let mut second = Op { at: first.at + LEFT, ..first.clone() };
    if let OpKind::Send { id, .. } = &mut second.kind {
        *id = unused_message(std::slice::from_ref(first));
    }
    let base = Scenario { ops: vec![first.clone(), second], ..base.clone() };
    let mut scenario = without_power(&base, absent);
    let away = scenario.faults.first_mut()?;
    away.lasts = away.lasts.map(|lasts| lasts + LEFT);
    let when = When::Exchange {
        moment: Moment::Answered,
        endpoints: vec!["send_relay".to_owned()],
        from: Some(sender.clone()),
        to: Some(relay.clone()),
        nth: 2,
    };
    let (between, and) = (vec![sender], vec![relay.clone()]);
    let cut = NetworkFault::Partition { between, and, one_way: false };
    let mut faults = std::mem::take(&mut scenario.faults);
    faults.push(Fault::new(when, Some(UNANSWERED), cut.into()));
    Some(with_faults(scenario, faults))
}

/// How often somebody writes while others talk.
const TURNS: u32 = 8;

/// About as long as a message takes to the other backends.
const PAUSE: Duration = Duration::from_millis(60);

/// Cuts a backend off from the other ones. Relays stay in its reach.
pub(super) fn cut_off(base: &Scenario, absent: &str) -> FaultKind {
    let and = base.backends.keys().filter(|it| *it != absent).cloned().collect();
    NetworkFault::Partition { between: vec![absent.to_owned()], and, one_way: false }.into()
}

/// Returns a fault that is in force while `ops` are done.
pub(super) fn during(ops: &[Op], kind: FaultKind) -> Fault {
    let begins = ops.iter().map(|op| op.at).min().unwrap_or_default().saturating_sub(MARGINS.0);
    let ends = ops.iter().map(Op::last).max().unwrap_or_default() + MARGINS.1;
    Fault::new(When::At(begins), Some(ends.saturating_sub(begins)), kind)
}

pub(super) fn with_faults(scenario: Scenario, faults: impl IntoIterator<Item = Fault>) -> Scenario {
    let faults: Vec<Fault> = faults.into_iter().collect();
    let ends = faults.iter().filter_map(|fault| match fault.when {
        When::At(at) => Some(at + fault.lasts.unwrap_or_default()),
        When::Exchange { .. } | When::Disk { .. } => None,
    });
    let limit = ends.max().unwrap_or_default() + GRACE;
    Scenario { limit: scenario.limit.max(limit), faults, ..scenario }
}

#[cfg(test)]
mod tests {
    use scenarios::{language, vocabulary::HOMESERVERS};

    use super::absences;
    use crate::hunt;

    #[test]
    fn every_absence_is_a_valid_scenario_in_which_something_is_sent() {
        let mut count = 0;
        for base in hunt::bases() {
            for absence in absences(&base) {
                let checked = language::check_in(&HOMESERVERS, absence);
                let absence = checked.unwrap_or_else(|e| panic!("{}", e.render(false)));
                assert!(!absence.faults.is_empty() && !absence.ops.is_empty());
                count += 1;
            }
        }
        assert!(count >= 9, "{count}");
    }
}
