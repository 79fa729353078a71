//! The machine a node runs on: everything a node may touch, in one value.
//!
//! A node (a homeserver, a relay, or anybody's server) takes a [`Host`] as the first argument of
//! its `start` and reaches the outside world through nothing else. That is the whole seam between
//! a node and the simulator: [`crate::real`] builds a `Host` of sockets, files and the operating
//! system's clock, and the simulator builds one of simulated parts. Timers are `tokio::time` in
//! both worlds.

mod clock;
mod disk;
mod entropy;
mod net;
mod tasks;
pub(crate) mod transaction;

use std::{future::Future, io, pin::Pin, sync::Arc, time::SystemTime};

pub use self::{
    clock::Clock,
    disk::{Database, DatabaseError, Disk, Job, Secret, Worker},
    entropy::Entropy,
    net::{Accepted, Connection, Listener, Net, Stream},
    tasks::{Executor, TaskHandle, Tasks},
    transaction::Transaction,
};

/// A boxed future that may move between threads; the return type of every object-safe method here.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything a node may touch. Cheap to clone; every clone is the same machine.
#[derive(Clone)]
pub struct Host {
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// SQLite databases by name.
    pub disk: Arc<dyn Disk>,
    /// The wall clock of this machine.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background tasks, which end when the process ends.
    pub tasks: Arc<dyn Tasks>,
}

impl Host {
    /// Binds `port` on every address of this machine.
    ///
    /// # Errors
    /// The port is taken, or the machine has no network.
    pub async fn listen(&self, port: u16) -> io::Result<Box<dyn Listener>> {
        self.net.listen(port).await
    }

    /// Opens (and creates, if need be) the database called `name` on this machine's disk.
    ///
    /// # Errors
    /// The disk refuses: full, failing, or not writable.
    pub async fn open(&self, name: &str) -> Result<Database, DatabaseError> {
        self.disk.open(name).await
    }

    /// Returns the time on this machine's wall clock. May be skewed, and may jump in either
    /// direction.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Returns milliseconds since the Unix epoch on this machine's wall clock, as Matrix's
    /// `origin_server_ts` counts them. 0 for a clock before 1970.
    pub fn unix_ms(&self) -> u64 {
        self.now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns `N` random bytes from this machine's entropy.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Returns a random token of `bytes` bytes of entropy, URL-safe base64 without padding.
    pub fn random_token(&self, bytes: usize) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut buffer = vec![0; bytes];
        self.entropy.fill(&mut buffer);
        URL_SAFE_NO_PAD.encode(buffer)
    }

    /// Runs `task` in the background until it returns, or until the process ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.tasks.spawn(Box::pin(task))
    }
}

impl Host {
    /// Returns what `work` computes, which takes long and waits for nothing, without holding up tasks;
    /// `None` if the machine shuts down meanwhile. Callers bound how much of it there is at once.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, result) = tokio::sync::oneshot::channel();
        let work = Box::new(move || {
            // Nobody waits for the result any more: the caller was dropped.
            drop(sender.send(work()));
        });
        self.tasks.compute(work).await;
        result.await.ok()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
