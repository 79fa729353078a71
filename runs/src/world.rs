//! The world that a run takes place in, as far as a run can tell: machines, exchanges, faults, notes.
//!
//! A seam of two sides. [`Simulated`] is fedsim's own world, and every run's unless it says
//! otherwise; another crate may bring another world, and the same scenario must come to the same
//! verdict there.

mod simulated;

use std::{sync::Arc, time::Duration};

use journal::Recording;
use sim::{
    Node, WorldConfig,
    disk::DiskImage,
    fault::{FaultId, Matches, Moment, Operation},
};
use transport::{BoxFuture, Host};

pub use self::simulated::Simulated;
use scenarios::{Scenario, scenario::FaultKind};

/// What is played in a world.
pub type Play = Box<dyn FnOnce(Arc<dyn World>) -> BoxFuture<'static, ()> + Send>;

/// What a world leaves behind.
#[derive(Debug)]
pub struct Simulation {
    /// Everything that it wrote down.
    pub recording: Recording,
    /// Wall time that went into writing it down; 0 unless [`WorldConfig::time_journal`].
    pub journal_time: Duration,
}

/// Makes worlds.
pub trait Universe: Send + Sync {
    /// Makes a world of `config`, plays `play` in it on this thread to its end, and ends the world.
    fn run(&self, config: WorldConfig, play: Play) -> Simulation;
}

/// A handle on one world. Naming a machine that does not exist is a bug of the caller and panics.
pub trait World: Send + Sync {
    /// Adds a machine that runs `node`, and boots it. Its name is its host name.
    fn add_machine(&self, name: &str, node: Arc<dyn Node>);

    /// Adds a machine without a node, up at once: the seat of a client.
    fn add_seat(&self, name: &str) -> Host;

    /// Writes a note into the journal, in the name of `machine`; returns its number.
    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64;

    /// Watches for an exchange.
    fn on_exchange(&self, watch: Watch);

    /// Watches for an operation of a disk. A world that sees none never acts, and then the fault
    /// that waits for it never begins.
    fn on_disk(&self, _watch: DiskWatch) {}

    /// A backup of a machine's disk as it is now; none in a world that cannot take one.
    fn image(&self, _machine: &str) -> Option<DiskImage> {
        None
    }

    /// Begins a power loss of a machine that takes the disk with it: it boots on `image` when the
    /// fault ends. None in a world that cannot.
    fn restore(&self, _machine: &str, _image: DiskImage, _cause: Option<u64>) -> Option<FaultId> {
        None
    }

    /// Begins a fault of a scenario. `cause` is the journal entry that triggered it.
    fn begin(&self, scenario: &Scenario, fault: &FaultKind, cause: Option<u64>) -> FaultId;

    /// Ends a fault. Does nothing if it has ended.
    fn repair(&self, fault: FaultId);

    /// Ends every fault in force, oldest first.
    fn repair_all(&self);

    /// Whether a fault has begun and not ended. Asked of faults that others work, as those of
    /// dishonest peers; a world without them has none in force.
    fn is_in_force(&self, _fault: FaultId) -> bool {
        false
    }

    /// Counts one thing that a fault has touched which others work.
    fn touch(&self, _fault: FaultId) {}

    /// What repeats the run.
    fn seed(&self) -> u64 {
        0
    }

    /// Requests in flight over the network, in the order in which they were sent: machine, method,
    /// target.
    fn requests_in_flight(&self) -> Vec<(String, String, String)>;
}

/// Watches a machine's disk, and acts on its n-th operation of a kind, right after that took effect.
pub struct DiskWatch {
    /// The machine.
    pub machine: String,
    /// Which operations count.
    pub operation: Operation,
    /// Which of them, from 1.
    pub nth: u64,
    /// What then happens, given the number of the journal entry.
    pub action: Box<dyn FnOnce(u64) + Send>,
}

impl std::fmt::Debug for DiskWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskWatch").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// Watches for an exchange, and acts on the n-th one before anything else moves.
pub struct Watch {
    /// At which moment of it.
    pub moment: Moment,
    /// The requesting machine; any if unset.
    pub from: Option<String>,
    /// The answering machine; any if unset.
    pub to: Option<String>,
    /// Whether a request, by method and target, is meant.
    pub matches: Matches,
    /// Which match, from 1.
    pub nth: u64,
    /// What then happens, given the number of the journal entry.
    pub action: Box<dyn FnOnce(u64) + Send>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("moment", &self.moment).finish_non_exhaustive()
    }
}
