//! Absences: a base in which nothing breaks, played with a backend that is not there. What waits for
//! it, and what happens when it is back, is half of a federation's work, and is broken like the rest.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{AfterCrash, Delivery, Fault, FaultKind, NetworkFault, NodeFault, Op, OpKind, When},
};

use super::GRACE;
use crate::ways::unused_message;

/// An absence begins so long before the first operation that it misses, and ends so long after the
/// last: long enough for a few attempts, and for the relays to be given what waits.
const MARGINS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(50));

/// Longer than it takes servers to count another one as gone, to wait long before they call it again,
/// and to tidy up.
const LONG: Duration = Duration::from_secs(20 * 60);

/// Returns `base` with a backend that has no power all the time, with one that has none for long, and
/// with one that is cut off from the other backends twice. None if something is broken already, or
/// if nothing would wait: `m1` refuses what not everybody can have.
pub(crate) fn absences(base: &Scenario) -> Vec<Scenario> {
    let waits = base.conversations.values().any(|room| room.delivery == Delivery::Eventual);
    let Some(absent) = absent(base).filter(|_| waits && base.faults.is_empty()) else {
        return Vec::new();
    };
    let short = without_power(base, &absent);
    vec![short.clone(), for_long(&short), cut_off_twice(base, &absent)]
}

/// Returns the backend that is away: one that has relays if there is one, and not the one that
/// sends first.
fn absent(base: &Scenario) -> Option<String> {
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

/// The same for long; and as long after that one is back as others may wait before they call it, the
/// one that sends first is started anew. What was sent first is sent once more afterwards.
fn for_long(short: &Scenario) -> Scenario {
    let mut scenario = short.clone();
    let begins = scenario.faults.first().map_or(Duration::ZERO, |fault| match fault.when {
        When::At(at) => at,
        When::Exchange { .. } | When::Disk { .. } => Duration::ZERO,
    });
    for fault in &mut scenario.faults {
        fault.lasts = fault.lasts.map(|lasts| lasts.max(LONG));
    }
    let restarts = begins + LONG * 2;
    if let Some(node) = first_to_send(&scenario) {
        let lasts = Some(MARGINS.0);
        let kind = NodeFault::Kill { node }.into();
        scenario.faults.push(Fault { when: When::At(restarts), lasts, kind });
    }
    let once_more = restarts + MARGINS.1;
    let first = scenario.ops.iter().find(|op| matches!(op.kind, OpKind::Send { .. })).cloned();
    if let Some(mut op) = first {
        if let OpKind::Send { id, .. } = &mut op.kind {
            *id = unused_message(&scenario.ops);
        }
        scenario.ops.push(Op { at: once_more, ..op });
    }
    scenario.limit = scenario.limit.max(once_more + GRACE);
    scenario
}

/// The relays stay in its reach. The second half of the operations, or the first one once more,
/// waits for the second cut.
fn cut_off_twice(base: &Scenario, absent: &str) -> Scenario {
    let mut scenario = base.clone();
    let half = base.ops.len().div_ceil(2);
    let (first, second) = base.ops.split_at(half);
    let second = if second.is_empty() { first } else { second };
    let end = first.iter().map(|op| op.at).max().unwrap_or_default() + MARGINS.1;
    let mut later = Vec::new();
    for op in second {
        let mut op = Op { at: op.at + end + MARGINS.1, kind: op.kind.clone() };
        if let OpKind::Send { id, .. } = &mut op.kind
            && first.len() + second.len() > base.ops.len()
        {
            *id = unused_message(&base.ops);
        }
        later.push(op);
    }
    let others: Vec<String> = base.backends.keys().filter(|it| *it != absent).cloned().collect();
    let cut = || -> FaultKind {
        let (between, and) = (vec![absent.to_owned()], others.clone());
        NetworkFault::Partition { between, and, one_way: false }.into()
    };
    let faults = [during(first, cut()), during(&later, cut())];
    scenario.ops = first.iter().cloned().chain(later).collect();
    with_faults(scenario, faults)
}

/// Returns a fault that is in force while `ops` are done.
fn during(ops: &[Op], kind: FaultKind) -> Fault {
    let begins = ops.iter().map(|op| op.at).min().unwrap_or_default().saturating_sub(MARGINS.0);
    let ends = ops.iter().map(|op| op.at).max().unwrap_or_default() + MARGINS.1;
    Fault { when: When::At(begins), lasts: Some(ends.saturating_sub(begins)), kind }
}

fn with_faults(scenario: Scenario, faults: impl IntoIterator<Item = Fault>) -> Scenario {
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
