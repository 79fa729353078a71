//! What a turmoil simulation cannot do of a scenario, judged from the scenario alone.

use std::time::Duration;

use runs::disk_faults;
use scenarios::{
    Scenario, duration,
    scenario::{AfterCrash, FaultKind, NodeFault, When},
};

use crate::world::links;

/// The most machines: turmoil's cost grows with their cube, and each step visits them all.
pub const MOST_MACHINES: usize = 16;

/// The longest scenario: turmoil does not skip idle time.
pub const LONGEST: Duration = Duration::from_mins(5);

/// Returns why a scenario cannot be run in turmoil, a sentence for each reason; none if it can.
pub fn obstacles(scenario: &Scenario) -> Vec<String> {
    let mut reasons: Vec<String> =
        scenario.faults.iter().filter_map(|fault| obstacle(scenario, &fault.kind)).collect();
    if scenario.faults.iter().any(|fault| matches!(fault.when, When::Disk { .. })) {
        reasons.push("a turmoil world watches for no disk operations".to_owned());
    }
    if !scenario.schedule.is_fixed() {
        reasons.push(format!("turmoil has no schedule `{}`", scenario.schedule));
    }
    if scenario.network.loss > 0.0 {
        reasons.push("a lost segment kills a turmoil stream for good".to_owned());
    }
    let machines = scenario.machines().len();
    if machines > MOST_MACHINES {
        reasons.push(format!("{machines} machines are more than {MOST_MACHINES}"));
    }
    if scenario.limit > LONGEST {
        let (limit, most) = (duration::text(scenario.limit), duration::text(LONGEST));
        reasons.push(format!("{limit} are longer than {most}"));
    }
    reasons.dedup();
    reasons
}

fn obstacle(scenario: &Scenario, fault: &FaultKind) -> Option<String> {
    let can = match fault {
        FaultKind::Network(fault) => links(scenario, fault).is_some(),
        FaultKind::Node(NodeFault::Crash { disk, .. }) => {
            matches!(disk, AfterCrash::LoseUnsynced | AfterCrash::Keep)
        }
        FaultKind::Node(
            NodeFault::Kill { .. } | NodeFault::Wipe { .. } | NodeFault::Restore { .. },
        ) => true,
        FaultKind::Disk(fault) => disk_faults(fault).die_after.is_none() && fault.rots.is_none(),
        FaultKind::Node(_) | FaultKind::Peer(_) => false,
    };
    (!can).then(|| format!("turmoil has nothing like the fault `{}`", fault.key()))
}
