//! Drawn: topology, policies, workload and faults, all from one seed. There is a file for each part:
//! `world` draws machines, users and rooms, `workload` what clients do, `faults` what breaks and
//! `begin` when, `lost` what a server loses for good, and `swarm` which kinds of all these a draw has
//! at all. `dice` is what they draw with.

mod begin;
mod dice;
mod faults;
mod lost;
mod swarm;
mod workload;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use scenarios::{
    Scenario,
    scenario::{Delivery, Fault, FaultKind, NetworkFault, NodeFault, Op, When},
};

use self::{dice::Dice, swarm::Swarm};
use super::{
    Candidate, GRACE, Method, SETTLE, Shard, Source, dates::dating_wrongly, legs::mixed, schedules,
};
use crate::trial::Trial;

/// What to draw.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The delivery policies of the rooms; each room has one of them. At least one.
    pub deliveries: Vec<Delivery>,
    /// The most relays; none of the draws has any if it is 0.
    pub relays: usize,
}

/// Draws scenarios of several topologies in turn.
#[derive(Debug)]
pub struct Drawn {
    topologies: Vec<Topology>,
    seed: u64,
    shard: Shard,
    count: u64,
    method: Method,
}

impl Drawn {
    /// Returns a source of scenarios of these topologies. The same seed draws the same.
    pub fn new(topologies: Vec<Topology>, seed: u64, shard: Shard) -> Self {
        Self { topologies, seed, shard, count: 0, method: Method::Drawn }
    }

    /// The same draws, each with a server that loses its disk.
    #[must_use]
    pub fn losing_disks(self) -> Self {
        Self { method: Method::LostDisks, ..self }
    }
}

impl Source for Drawn {
    fn next(&mut self) -> Option<Candidate> {
        let number = self.count * self.shard.of + self.shard.index;
        self.count += 1;
        let topologies = self.topologies.len() as u64;
        let place = usize::try_from(number.checked_rem(topologies)?).ok()?;
        let (topology, seed) = (&self.topologies[place], mixed(self.seed, number));
        let scenario = scenario(topology, seed, self.method == Method::LostDisks);
        Some(Candidate { scenario, method: self.method })
    }

    fn learn(&mut self, _: &Candidate, _: &Trial, _: usize) {}
}

/// Draws scenarios. They do not become simpler by themselves: [`crate::shrink()`] makes them small,
/// and knows what a scenario is.
pub fn strategy(draw: Topology) -> impl Strategy<Value = Scenario> {
    any::<u64>().prop_map(move |seed| scenario(&draw, seed, false)).no_shrink()
}

/// The last operation but what heals, and the last fault, begin within this time.
const BUSY: Duration = Duration::from_secs(40);

/// Draws a scenario from a seed, in which a server may lose its disk.
fn scenario(draw: &Topology, seed: u64, is_disk_lost: bool) -> Scenario {
    let mut dice = Dice::new(seed);
    let swarm = Swarm::new(&mut dice);
    let mut scenario = world::drawn(draw, &mut dice);
    workload::add(&mut scenario, &swarm, &mut dice);
    faults::add(&mut scenario, &swarm, &mut dice);
    lost::key(&mut scenario, seed);
    if is_disk_lost {
        lost::disk(&mut scenario, seed);
    }
    if dice.chance(50) {
        outlast(&mut scenario, &mut dice);
    } else {
        let healed = end(&scenario) + dice.time(1_000, 30_000);
        let silent = dating_wrongly(&scenario);
        workload::last_message(&mut scenario, healed, &silent, &mut dice);
    }
    let last = scenario.ops.iter().map(Op::last).max().unwrap_or_default();
    scenario.limit = last.max(end(&scenario)) + GRACE * 3;
    scenario.settle = SETTLE;
    scenario.schedule = schedules::drawn(seed);
    scenario
}

/// Returns when the last fault ends at the latest.
fn end(scenario: &Scenario) -> Duration {
    let ends = scenario.faults.iter().map(|fault| {
        let begins = match fault.when {
            When::At(at) => at,
            When::Exchange { .. } | When::Disk { .. } => BUSY,
        };
        begins + fault.lasts().unwrap_or_default()
    });
    ends.max().unwrap_or_default()
}

/// Lets one of the faults last until after the last message, so that nothing which is sent later
/// mends what it left behind.
fn outlast(scenario: &mut Scenario, dice: &mut Dice) {
    let last = scenario.ops.iter().map(Op::last).max().unwrap_or_default();
    let beyond = last + dice.time(1_000, 20_000);
    let mut lasting: Vec<&mut Fault> =
        scenario.faults.iter_mut().filter(|fault| can_be_longer(&fault.kind)).collect();
    let count = lasting.len();
    if let Some(fault) = lasting.get_mut(dice.below(count)) {
        let begins = if let When::At(at) = fault.when { at } else { Duration::ZERO };
        let lasts = beyond.saturating_sub(begins);
        fault.lasts = Some(fault.lasts.unwrap_or_default().max(lasts));
    }
}

/// Returns whether a fault can last longer without being another one: a storm and a swizzle end by
/// themselves, and what happens to one request is over with it.
fn can_be_longer(kind: &FaultKind) -> bool {
    !matches!(
        kind,
        FaultKind::Node(NodeFault::Storm { .. })
            | FaultKind::Network(
                NetworkFault::Shape(scenarios::scenario::Shape::Swizzle { .. })
                    | NetworkFault::Reset(_)
                    | NetworkFault::Duplicate(_)
            )
    )
}
