//! A machine of a turmoil simulation: its disk, and the host of each of its boots.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sim::{
    Node,
    disk::{Disk, DiskObserver, Unobserved},
};
use tokio::runtime::Handle;
use transport::{
    Host,
    host::{Net, Tasks},
};

use crate::{clock::TurmoilClock, entropy::Seeded, net::TurmoilNet, tasks::RuntimeTasks};

/// The machine behind one turmoil host. It outlives the crashes of that host; so does its disk.
pub struct Machine {
    name: String,
    seed: u64,
    disk: Arc<Disk>,
    boots: AtomicU64,
}

impl Machine {
    /// Returns a machine with an empty disk. Entropy and the fates of unsynced bytes come from
    /// `seed`.
    pub fn new(name: &str, seed: u64) -> Arc<Self> {
        Self::observed(name, seed, Arc::new(Unobserved))
    }

    /// Returns the same, with a disk that reports to `observer` what it does.
    pub(crate) fn observed(name: &str, seed: u64, observer: Arc<dyn DiskObserver>) -> Arc<Self> {
        let disk = Disk::new(seed, name, Arc::new(TurmoilClock), observer);
        Arc::new(Self { name: name.to_owned(), seed, disk, boots: AtomicU64::new(0) })
    }

    /// Runs `node` as the software of a turmoil host, anew at each boot, until the host is crashed:
    /// `sim.host("a", move || Arc::clone(&machine).run(Arc::clone(&node)))`.
    ///
    /// # Errors
    /// The node failed; turmoil then ends the simulation.
    pub async fn run(self: Arc<Self>, node: Arc<dyn Node>) -> Result<(), Box<dyn Error>> {
        node.run(self.host()).await?;
        // Turmoil drops the tasks of a host whose software has returned.
        std::future::pending().await
    }

    /// Returns the host of the next boot. Call it inside the turmoil host that it is for.
    pub fn host(&self) -> Host {
        self.host_with(Arc::new(TurmoilNet), Arc::new(RuntimeTasks(Handle::current())))
    }

    pub(crate) fn host_with(&self, net: Arc<dyn Net>, tasks: Arc<dyn Tasks>) -> Host {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed) + 1;
        let entropy = Arc::new(Seeded::new(self.seed, &self.name, boot));
        Host { net, disk: self.disk.mount(), clock: Arc::new(TurmoilClock), entropy, tasks }
    }

    /// Returns the machine's disk. Turmoil's `crash` is a polite close: for a power loss, cut the
    /// host off, call [`Disk::power_loss`], crash it, and mend the links.
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Returns a host for a node that keeps nothing across a crash. Call it inside a turmoil host.
pub fn host(name: &str, seed: u64) -> Host {
    Machine::new(name, seed).host()
}
