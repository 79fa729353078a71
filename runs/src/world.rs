//! The world that a run takes place in, as far as a run can tell: machines, exchanges, faults,
//! notes.
//!
//! A seam of two sides. [`Simulated`] is fedsim's own world, and every run's unless it says
//! otherwise; another crate may bring another world, and the same scenario must come to the same
//! verdict there.

mod simulated;

use std::{sync::Arc, time::Duration};

use journal::Recording;
use sim::{Node, WorldConfig, disk::DiskImage, fault::FaultId};
use transport::{BoxFuture, Host};

pub use self::simulated::Simulated;
pub use journal::fault::{DiskWatch, Watch};
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
    /// What of a scenario these worlds cannot do, a sentence for each; none if they can play it.
    /// Asked before a run, which is not begun where there are any: no world leaves something out,
    /// or does something else instead, without saying so here.
    fn obstacles(&self, scenario: &Scenario) -> Vec<String>;

    /// Makes a world of `config`, plays `play` in it on this thread to its end, and ends the world.
    fn run(&self, config: WorldConfig, play: Play) -> Simulation;
}

/// A handle on one world. It is asked for nothing that its universe names among the obstacles.
/// Naming a machine that does not exist is a bug of the caller and panics.
pub trait World: Send + Sync {
    /// Adds a machine that runs `node`, and boots it. Its name is its host name.
    fn add_machine(&self, name: &str, node: Arc<dyn Node>);

    /// Adds a machine without a node, up at once: the seat of a client.
    fn add_seat(&self, name: &str) -> Host;

    /// Writes a note into the journal, in the name of `machine`; returns its number.
    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64;

    /// Watches for an exchange.
    fn on_exchange(&self, watch: Watch);

    /// Watches for an operation of a disk.
    fn on_disk(&self, watch: DiskWatch);

    /// A backup of a machine's disk as it is now.
    fn image(&self, machine: &str) -> DiskImage;

    /// Begins a power loss of a machine that takes the disk with it: it boots on `image` when the
    /// fault ends.
    fn restore(&self, machine: &str, image: DiskImage, cause: Option<u64>) -> FaultId;

    /// Begins a fault of a scenario. `cause` is the journal entry that triggered it.
    fn begin(&self, scenario: &Scenario, fault: &FaultKind, cause: Option<u64>) -> FaultId;

    /// Ends a fault. Does nothing if it has ended.
    fn repair(&self, fault: FaultId);

    /// Ends every fault in force, oldest first.
    fn repair_all(&self);

    /// Whether a fault has begun and not ended. Asked of faults that others work, as those of
    /// dishonest peers.
    fn is_in_force(&self, fault: FaultId) -> bool;

    /// Counts one thing that a fault has touched which others work.
    fn touch(&self, fault: FaultId);

    /// What repeats the run.
    fn seed(&self) -> u64;

    /// Requests in flight over the network, in the order in which they were sent: machine, method,
    /// target.
    fn requests_in_flight(&self) -> Vec<(String, String, String)>;
}
