//! fedsim's own world, behind the seam.

use std::sync::Arc;

use journal::Recording;
use scenarios::{Scenario, scenario::FaultKind};
use sim::{
    Node, WorldConfig,
    fault::{DiskFate, FaultId},
};
use transport::Host;

use super::{Backup, DiskWatch, Play, Simulation, Universe, Watch, World};
use crate::faults;

/// Makes simulated worlds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simulated;

impl Universe for Simulated {
    /// Returns nothing: this world does everything that a scenario can say.
    fn obstacles(&self, _: &Scenario) -> Vec<String> {
        Vec::new()
    }

    fn run(&self, config: WorldConfig, play: Play) -> Simulation {
        let outcome = sim::run(config, |world| play(Arc::new(world)));
        let sim::Outcome { ended, at, journal, faults, journal_time, logs, .. } = outcome;
        Simulation { recording: Recording { journal, faults, ended, at }, journal_time, logs }
    }
}

impl World for sim::World {
    fn add_machine(&self, name: &str, node: Arc<dyn Node>) {
        self.add_machine(name, node);
        self.boot(name);
    }

    fn add_seat(&self, name: &str) -> Host {
        self.add_seat(name)
    }

    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64 {
        self.note(machine, cause, topic, body)
    }

    fn on_exchange(&self, watch: Watch) {
        self.on_exchange(watch);
    }

    fn on_disk(&self, watch: DiskWatch) {
        self.on_disk(watch);
    }

    fn image(&self, machine: &str) -> Backup {
        Backup::Disk(self.image(machine))
    }

    fn restore(&self, machine: &str, backup: Backup, cause: Option<u64>) -> FaultId {
        self.crash(machine, DiskFate::Restored(backup.into_disk()), cause)
    }

    fn begin(&self, scenario: &Scenario, fault: &FaultKind, cause: Option<u64>) -> FaultId {
        faults::set(self, scenario, fault, cause)
    }

    fn repair(&self, fault: FaultId) {
        self.repair(fault);
    }

    fn repair_all(&self) {
        self.repair_all();
    }

    fn is_in_force(&self, fault: FaultId) -> bool {
        self.is_in_force(fault)
    }

    fn touch(&self, fault: FaultId) {
        self.touch(fault);
    }

    fn seed(&self) -> u64 {
        self.seed()
    }

    fn replays_under_way(&self) -> usize {
        self.replays_under_way()
    }

    fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        self.requests_in_flight()
    }
}
