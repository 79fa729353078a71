//! What a federation is given to work with in one run.

use std::sync::{Arc, OnceLock};

use checks::history::Note;
use scenarios::Scenario;
#[cfg(feature = "homeservers")]
use scenarios::scenario::PeerFault;
use serde_json::Value;
use sim::Node;
#[cfg(feature = "homeservers")]
use sim::fault::FaultId;
use transport::Host;

use super::{Seat, seat::on_host};
use crate::world::World;
#[cfg(feature = "homeservers")]
use crate::{byzantine, homeservers::Keys};

/// The harness's own machine, from which it asks, and on which it notes what concerns no single
/// machine. No scenario can name it.
pub const OBSERVER: &str = "observer";

/// The scenario of a run, and the world that it is played in.
pub struct Stage {
    scenario: Arc<Scenario>,
    world: Arc<dyn World>,
    observer: OnceLock<Host>,
    /// What tampers with the messages of servers that will be dishonest.
    #[cfg(feature = "homeservers")]
    tamperers: std::collections::BTreeMap<String, Arc<byzantine::Tamperer>>,
    /// The keys that operators gave to servers.
    #[cfg(feature = "homeservers")]
    keys: Arc<Keys>,
}

impl Stage {
    pub(crate) fn new(scenario: Arc<Scenario>, world: Arc<dyn World>) -> Self {
        Self {
            #[cfg(feature = "homeservers")]
            tamperers: byzantine::tamperers(&world, &scenario),
            #[cfg(feature = "homeservers")]
            keys: Arc::new(Keys::new(world.seed())),
            scenario,
            world,
            observer: OnceLock::new(),
        }
    }

    /// Returns the scenario.
    pub fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    /// Returns the world.
    pub fn world(&self) -> &Arc<dyn World> {
        &self.world
    }

    /// Adds a machine that runs `node`, and boots it; it boots again after each crash. Faults can
    /// name the machines of the scenario: backends, relays, and devices (`alice/1`).
    pub fn boot(&self, machine: &str, node: Arc<dyn Node>) {
        self.world.add_machine(machine, node);
    }

    /// Returns what tampers with the messages of a server that will be dishonest; none for one that
    /// stays honest.
    #[cfg(feature = "homeservers")]
    pub(crate) fn tamperer(&self, machine: &str) -> Option<&Arc<byzantine::Tamperer>> {
        self.tamperers.get(machine)
    }

    /// Returns the keys that operators give to servers.
    #[cfg(feature = "homeservers")]
    pub(crate) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Begins a fault of a dishonest peer, which is `id` in the world.
    #[cfg(feature = "homeservers")]
    pub(crate) fn wrong(&self, id: FaultId, fault: &PeerFault) {
        if let Some(tamperer) = self.tamperer(&fault.node) {
            tamperer.begin(id, fault);
        }
    }

    /// Adds the machine of a client, and boots it.
    pub fn seat(&self, machine: &str) -> Arc<Seat> {
        Seat::take(&self.world, machine)
    }

    /// Returns the harness's own machine, which no fault can name, for what must be read whatever
    /// happens.
    pub fn observer(&self) -> &Host {
        self.observer.get_or_init(|| self.world.add_seat(OBSERVER))
    }

    /// Runs `work` on the harness's own machine. Returns none only if that machine goes down, as it
    /// does at the end of the run.
    pub async fn observe<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        on_host(self.observer(), work).await.ok()
    }

    /// Writes a note of the harness itself into the journal, and returns the entry's number.
    pub fn note(&self, topic: &str, body: Value) -> u64 {
        self.world.note(OBSERVER, None, topic, body)
    }

    /// Does the same with a note of the harness's vocabulary.
    pub(crate) fn tell(&self, note: &Note) -> u64 {
        let (topic, body) = note.to_parts();
        self.note(&topic, body)
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("scenario", &self.scenario.name).finish_non_exhaustive()
    }
}
