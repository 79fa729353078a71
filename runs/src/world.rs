//! The world in which a run takes place, as the run sees it: machines, exchanges, faults, notes.
//!
//! This is a seam. [`Simulated`] is fedsim's own world, in which every run takes place unless it
//! asks for another. Another crate can bring another world, and the same scenario must come to the
//! same verdict there.

mod simulated;

use std::{path::PathBuf, sync::Arc, time::Duration};

use journal::Recording;
use sim::{LogLine, Node, WorldConfig, disk::DiskImage, fault::FaultId};
use transport::{BoxFuture, Host};

pub use self::simulated::Simulated;
pub use journal::fault::{DiskWatch, Watch};
use scenarios::{Scenario, scenario::FaultKind};

/// What plays a scenario in a world.
pub type Play = Box<dyn FnOnce(Arc<dyn World>) -> BoxFuture<'static, ()> + Send>;

/// What is left of a world once it has ended.
#[derive(Debug)]
pub struct Simulation {
    /// Everything that it wrote down.
    pub recording: Recording,
    /// The wall time spent on writing it down; 0 unless [`WorldConfig::time_journal`] is set.
    pub journal_time: Duration,
    /// What the programs logged, if the world can tell. A world that plays the same run again may keep it for
    /// [`WorldConfig::keep_logs`] only.
    pub logs: Vec<LogLine>,
}

/// A backup of what a machine keeps, as its world has it.
#[derive(Clone, Debug)]
pub enum Backup {
    /// The files of a simulated disk.
    Disk(DiskImage),
    /// A folder on this machine.
    Folder(PathBuf),
}

impl Backup {
    /// Returns the files of a simulated disk; none of a backup from a world of another sort.
    pub fn into_disk(self) -> DiskImage {
        match self {
            Self::Disk(image) => image,
            Self::Folder(_) => DiskImage::default(),
        }
    }
}

/// Makes worlds.
pub trait Universe: Send + Sync {
    /// Returns what these worlds cannot do of a scenario, a sentence for each; nothing if they can
    /// play it. It is asked before a run, and a scenario with obstacles is not run: no world
    /// leaves something out, or does something else instead, without saying so here.
    fn obstacles(&self, scenario: &Scenario) -> Vec<String>;

    /// Returns whether a machine of these worlds begins with the disk that its node names
    /// ([`Node::installation`]).
    fn takes_disks(&self) -> bool {
        true
    }

    /// Makes a world from `config`, plays `play` in it to its end on this thread, and ends the
    /// world.
    fn run(&self, config: WorldConfig, play: Play) -> Simulation;
}

/// A handle to one world. It is never asked for anything that its universe names as an obstacle.
///
/// # Panics
/// Every method that takes the name of a machine panics if there is none of that name, which is a
/// bug of the caller.
pub trait World: Send + Sync {
    /// Adds a machine that runs `node`, and boots it. Its name is also its host name. In a world of
    /// processes, a program takes the place of the node of a backend or a relay.
    fn add_machine(&self, name: &str, node: Arc<dyn Node>);

    /// Adds a machine without a node, on which a client runs. It is up at once.
    fn add_seat(&self, name: &str) -> Host;

    /// Writes a note into the journal on behalf of `machine`, and returns the number of its entry.
    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64;

    /// Runs the action of `watch` at the exchange that it waits for.
    fn on_exchange(&self, watch: Watch);

    /// Runs the action of `watch` at the operation of a disk that it waits for.
    fn on_disk(&self, watch: DiskWatch);

    /// Returns a backup of a machine's disk as it is now.
    fn image(&self, machine: &str) -> Backup;

    /// Begins a power loss that also takes the machine's disk. When the fault ends, the machine
    /// boots on `backup`, which is of this world.
    fn restore(&self, machine: &str, backup: Backup, cause: Option<u64>) -> FaultId;

    /// Begins a fault of a scenario. `cause` is the number of the journal entry that triggered it.
    fn begin(&self, scenario: &Scenario, fault: &FaultKind, cause: Option<u64>) -> FaultId;

    /// Ends a fault. Does nothing if it has ended.
    fn repair(&self, fault: FaultId);

    /// Ends every fault that is in force, the oldest first.
    fn repair_all(&self);

    /// Returns whether a fault has begun and not ended. It is asked about faults that are carried
    /// out elsewhere, such as those of dishonest peers.
    fn is_in_force(&self, fault: FaultId) -> bool;

    /// Counts one more thing touched by a fault that is carried out elsewhere.
    fn touch(&self, fault: FaultId);

    /// Returns the seed, which repeats the run.
    fn seed(&self) -> u64;

    /// Returns the requests in flight on the network, in the order in which they were sent: the
    /// machine that sent each, its method and its target.
    fn requests_in_flight(&self) -> Vec<(String, String, String)>;

    /// Returns how many repeated requests the network still has to deliver, or to have answered.
    /// Those that only read change nothing, and do not count. A world whose network delivers nothing
    /// twice has none.
    fn replays_under_way(&self) -> usize {
        0
    }
}
