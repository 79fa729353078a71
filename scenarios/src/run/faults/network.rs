//! Sets faults of links.

use sim::{
    LinkConfig, World,
    fault::{Cut, FaultId, LinkChange},
};

use crate::{Scenario, run::sim_latency, scenario::NetworkFault};

pub(super) fn set(
    world: &World,
    scenario: &Scenario,
    fault: &NetworkFault,
    cause: Option<u64>,
) -> FaultId {
    match fault {
        NetworkFault::Partition { between, and, one_way } => {
            let cut = if *one_way { Cut::OneWay } else { Cut::Between };
            world.partition(&cut(between.clone(), and.clone()), cause)
        }
        NetworkFault::Split { groups } => world.partition(&Cut::Groups(groups.clone()), cause),
        NetworkFault::Link { between, and, one_way, latency, loss } => {
            let change = LinkChange {
                from: between.clone(),
                to: and.clone(),
                both_ways: !one_way,
                link: LinkConfig {
                    latency: sim_latency(latency.unwrap_or(scenario.network.latency)),
                    loss: loss.unwrap_or(scenario.network.loss),
                },
            };
            world.change_links(&change, cause)
        }
    }
}
