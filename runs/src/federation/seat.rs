//! A client's machine, across its boots.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;
use transport::Host;

use crate::world::World;

/// The place of a client at its machine. It outlives the machine's crashes, as a person does.
pub struct Seat {
    name: String,
    world: Arc<dyn World>,
    host: Mutex<Option<Host>>,
}

impl Seat {
    /// Adds the machine to the world, and boots it.
    pub(super) fn take(world: &Arc<dyn World>, name: &str) -> Arc<Self> {
        let seat = Arc::new(Self {
            name: name.to_owned(),
            world: Arc::clone(world),
            host: Mutex::default(),
        });
        let boots = Arc::clone(&seat);
        let node = move |host: Host| {
            *boots.present() = Some(host);
            std::future::ready(Ok(()))
        };
        world.add_machine(name, Arc::new(node));
        seat
    }

    fn present(&self) -> MutexGuard<'_, Option<Host>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the machine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on the machine, in its present process, so that the sockets that it opens are
    /// the machine's. Returns none if the machine is not up yet or goes down first.
    pub async fn run<T, F>(&self, work: impl FnOnce(Host) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let host = self.present().clone()?;
        on_host(&host, work(host.clone())).await.ok()
    }

    /// Writes what the client saw or did into the journal, where checks read it, and returns the
    /// entry's number.
    pub fn note(&self, topic: &str, body: Value) -> u64 {
        self.world.note(&self.name, None, topic, body)
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs `work` as a task of `host`'s machine, so that its sockets are that machine's. The receiver
/// fails if the machine dies first.
pub(crate) fn on_host<T: Send + 'static>(
    host: &Host,
    work: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    host.spawn(async move {
        // Nobody may be waiting for it anymore.
        drop(sender.send(work.await));
    });
    receiver
}
