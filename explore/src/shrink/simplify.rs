//! Simpler faults: of several that do, the one that breaks least. A power loss that only has to
//! keep two machines apart becomes a partition, and that a delay.

use std::time::Duration;

use journal::fault::{Change, LinkChange, NetworkFault};
use scenarios::{
    Scenario,
    scenario::{AfterCrash, Fault, FaultKind, Latency, NodeFault, PeerFault, When},
};

use super::Search;

/// The delay that takes the place of a cut.
const DELAY: Duration = Duration::from_secs(5);

/// Replaces each fault by the simplest one that does.
pub(super) fn faults(search: &mut Search<'_>) {
    for index in 0..search.best.faults.len() {
        for simpler in simpler(&search.best, index) {
            let replaced = search.tries(|scenario| {
                if let Some(fault) = scenario.faults.get_mut(index) {
                    fault.kind = simpler;
                }
            });
            if replaced {
                break;
            }
        }
        search.tries(|scenario| {
            if let Some(fault) = scenario.faults.get_mut(index) {
                fault.after = None;
            }
            // Nobody may mean what it is called then.
            scenario.leave_out_faults(|_| false);
        });
        search.tries(|scenario| {
            if let Some(When::Exchange { nth, .. } | When::Disk { nth, .. }) =
                scenario.faults.get_mut(index).map(|fault| &mut fault.when)
            {
                *nth = 1;
            }
        });
    }
}

/// Returns what is simpler than a fault of `scenario`, the simplest first.
fn simpler(scenario: &Scenario, index: usize) -> Vec<FaultKind> {
    let Some(Fault { kind, when, .. }) = scenario.faults.get(index) else { return Vec::new() };
    let rank = rank(kind);
    let mut found: Vec<FaultKind> = match kind {
        FaultKind::Node(
            NodeFault::ClockSkew { .. }
            | NodeFault::ClockJump { .. }
            | NodeFault::ClockDrift { .. },
        )
        | FaultKind::Peer(PeerFault { .. }) => Vec::new(),
        FaultKind::Node(fault) => of_machine(scenario, when, fault.node()),
        FaultKind::Disk(fault) => of_machine(scenario, when, &fault.node),
        FaultKind::Network(fault) => of_links(scenario, when, fault),
    };
    found.retain(|simpler| self::rank(simpler) < rank);
    found.sort_by_key(self::rank);
    found
}

/// What could take the place of a machine that breaks.
fn of_machine(scenario: &Scenario, when: &When, node: &str) -> Vec<FaultKind> {
    let node = node.to_owned();
    let mut found: Vec<FaultKind> = vec![
        NodeFault::Pause { node: node.clone() }.into(),
        NodeFault::Kill { node: node.clone() }.into(),
        NodeFault::Crash { node: node.clone(), disk: AfterCrash::LoseUnsynced }.into(),
    ];
    for other in scenario.machines().into_iter().filter(|it| *it != node && !it.contains('/')) {
        found.extend(between(when, &node, &other));
    }
    found
}

/// What could take the place of several cut links, or of a cut in both directions.
fn of_links(scenario: &Scenario, when: &When, fault: &NetworkFault) -> Vec<FaultKind> {
    let backends = scenario.backend_names();
    let (between_, and) = match fault {
        NetworkFault::Partition { between, and, .. } | NetworkFault::Hold { between, and, .. } => {
            (between.clone(), and.clone())
        }
        NetworkFault::Reset(reset) => (reset.from.clone(), reset.to.clone()),
        NetworkFault::Refuse(refusal) => (vec![refusal.machine.clone()], backends),
        NetworkFault::Hang { node } => (vec![node.clone()], backends),
        NetworkFault::Answers(answer) => (vec![answer.machine.clone()], backends),
        NetworkFault::Split { .. } | NetworkFault::Shape(_) => (backends.clone(), backends),
        NetworkFault::Link(_) | NetworkFault::Duplicate(_) => return Vec::new(),
    };
    let mut found = Vec::new();
    for one in &between_ {
        for other in and.iter().filter(|other| *other != one) {
            found.extend(between(when, one, other));
        }
    }
    found
}

/// Faults of the links between two machines.
fn between(when: &When, one: &str, other: &str) -> Vec<FaultKind> {
    let group = |name: &str| vec![name.to_owned()];
    let partition = |from: &str, to: &str, one_way| NetworkFault::Partition {
        between: group(from),
        and: group(to),
        one_way,
    };
    let delay = |from: &str, to: &str| {
        let latency = Some(Latency::Fixed(DELAY));
        let change = Change { latency, ..Change::default() };
        NetworkFault::Link(LinkChange { from: group(from), to: group(to), both_ways: true, change })
    };
    // The names in the order of the exchange that triggers it, as the reader has them in mind.
    let (one, other) = match when {
        When::Exchange { from: Some(from), .. } if from == other => (other, one),
        _ => (one, other),
    };
    let faults = [
        delay(one, other),
        partition(one, other, false),
        partition(one, other, true),
        partition(other, one, true),
    ];
    faults.into_iter().map(FaultKind::from).collect()
}

/// Returns how much a fault asks of a reader's mind: less is simpler.
fn rank(kind: &FaultKind) -> usize {
    match kind {
        FaultKind::Network(NetworkFault::Link(_)) => 0,
        FaultKind::Network(NetworkFault::Partition { between, and, one_way }) => {
            between.len() + and.len() + usize::from(*one_way)
        }
        FaultKind::Network(NetworkFault::Duplicate(_)) => 4,
        FaultKind::Node(NodeFault::Pause { .. }) => 20,
        FaultKind::Node(NodeFault::Kill { .. }) => 21,
        FaultKind::Node(NodeFault::Crash { disk: AfterCrash::LoseUnsynced, .. }) => 22,
        FaultKind::Node(NodeFault::Crash { .. }) => 23,
        FaultKind::Network(_) => 24,
        FaultKind::Disk(_) => 25,
        FaultKind::Node(_) => 26,
        FaultKind::Peer(_) => 27,
    }
}
