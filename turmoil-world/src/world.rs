//! A turmoil simulation as a run of a scenario sees it.
//!
//! What a run does to the simulation itself (add a host, crash it, bounce it) waits in a queue for
//! the driver, which alone has the `turmoil::Sim`, between two steps. What it does to links acts at
//! once. The journal is written by taps on the streams: `line` decodes, `stream` and `net` tap.

mod faults;
mod line;
mod net;
mod seat;
mod state;
mod stream;
mod swizzle;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use journal::Event;
use runs::{
    federation::OBSERVER,
    world::{Backup, DiskWatch, Watch, World},
};
use scenarios::{Scenario, scenario::FaultKind};
use sim::{Node, WorldConfig, fault::FaultId};
use transport::Host;

pub(crate) use self::faults::links;
pub(crate) use self::state::{Command, TurmoilState};
pub(crate) use self::swizzle::ChangedLinks;
use self::{net::TappedNet, seat::LateTasks, state::Place};
use crate::Machine;

/// A handle on one simulation. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TurmoilWorld(Arc<Mutex<TurmoilState>>);

/// A process: its machine, and the number of its boot.
pub(crate) type Owner = (Arc<str>, u64);

impl TurmoilWorld {
    pub(crate) fn new(config: WorldConfig) -> Self {
        Self(Arc::new(Mutex::new(TurmoilState::new(config))))
    }

    /// Locks the state. Never hold the lock while anything of turmoil or of a node runs.
    pub(crate) fn lock(&self) -> MutexGuard<'_, TurmoilState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str, node: Option<Arc<dyn Node>>) -> Arc<str> {
        let observer = Arc::new(faults::Observer { world: self.clone(), machine: name.into() });
        let installation = node.as_ref().map(|node| node.installation()).unwrap_or_default();
        let mut state = self.lock();
        let machine = Machine::observed(name, state.config.seed, observer);
        machine.disk().restore(&installation);
        let name: Arc<str> = name.into();
        let place = Place::new(machine, node);
        let before = state.places.insert(Arc::clone(&name), place);
        assert!(before.is_none(), "two machines are called `{name}`");
        state.commands.push_back(Command::Add(Arc::clone(&name)));
        name
    }

    /// Returns the host of the next boot of a machine, and what it runs.
    fn start(&self, name: &Arc<str>, tasks: &Arc<LateTasks>) -> (Host, Option<Arc<dyn Node>>) {
        let mut state = self.lock();
        let now = state.now;
        let place = state.place_mut(name);
        place.incarnation += 1;
        place.is_up = true;
        place.restart = None;
        place.supervisor.started(now);
        let (incarnation, node) = (place.incarnation, place.node.clone());
        let machine = Arc::clone(&place.machine);
        let event = Event::Booted { incarnation };
        state.write(Arc::clone(name), None, event);
        drop(state);
        let net = TappedNet { world: self.clone(), owner: (Arc::clone(name), incarnation) };
        (machine.host_with(Arc::new(net), Arc::clone(tasks) as _), node)
    }

    /// The software of a machine: what turmoil runs at each boot.
    pub(crate) async fn run(self, name: Arc<str>) {
        let seat = self.lock().place_mut(&name).seat.take();
        if let Some((_, tasks)) = seat {
            tasks.bind();
        } else {
            let tasks = Arc::new(LateTasks::new(self.clone(), &name));
            tasks.bind();
            let (host, node) = self.start(&name, &tasks);
            if let Some(node) = node {
                self.run_node(&name, &*node, host).await;
            }
        }
        // Turmoil drops the tasks of a host whose software has returned.
        std::future::pending::<()>().await;
    }

    async fn run_node(&self, name: &Arc<str>, node: &dyn Node, host: Host) {
        let run = std::panic::AssertUnwindSafe(node.run(host)).catch_unwind();
        match run.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.lock().failed(name, error),
            Err(panic) => self.lock().panicked(name, &*panic),
        }
    }

    /// Returns whether this process is gone, or about to be taken away.
    fn is_dead(&self, owner: &Owner) -> bool {
        let state = self.lock();
        state.places.get(&owner.0).is_none_or(|it| !it.is_up || it.incarnation != owner.1)
    }
}

impl World for TurmoilWorld {
    fn add_machine(&self, name: &str, node: Arc<dyn Node>) {
        self.add(name, Some(node));
    }

    fn add_seat(&self, name: &str) -> Host {
        let name = self.add(name, None);
        let tasks = Arc::new(LateTasks::new(self.clone(), &name));
        let (host, _) = self.start(&name, &tasks);
        if &*name == OBSERVER {
            // The play runs on it, and asks for it: this is that host.
            tasks.bind();
        } else {
            self.lock().place_mut(&name).seat = Some((host.clone(), tasks));
        }
        host
    }

    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64 {
        self.lock().write(machine.into(), cause, Event::Note { topic: topic.to_owned(), body })
    }

    fn on_exchange(&self, watch: Watch) {
        self.lock().recorder.watches.on_exchange(watch);
    }

    /// Disk watches are among the obstacles: turmoil cannot stop a process inside an operation.
    fn on_disk(&self, watch: DiskWatch) {
        self.lock().recorder.watches.on_disk(watch);
    }

    fn image(&self, machine: &str) -> Backup {
        Backup::Disk(self.lock().place_mut(machine).machine.disk().snapshot())
    }

    fn restore(&self, machine: &str, backup: Backup, cause: Option<u64>) -> FaultId {
        faults::restore(self, machine, &backup.into_disk(), cause)
    }

    fn begin(&self, scenario: &Scenario, fault: &FaultKind, cause: Option<u64>) -> FaultId {
        faults::begin(self, scenario, fault, cause)
    }

    fn repair(&self, fault: FaultId) {
        faults::repair(self, fault.number());
    }

    fn repair_all(&self) {
        let count = self.lock().recorder.faults();
        for fault in 1..=count {
            faults::repair(self, fault);
        }
    }

    fn is_in_force(&self, fault: FaultId) -> bool {
        self.lock().recorder.is_in_force(fault.number())
    }

    fn touch(&self, fault: FaultId) {
        self.lock().recorder.hit(fault.number(), []);
    }

    fn seed(&self) -> u64 {
        self.lock().config.seed
    }

    fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        self.lock().requests_in_flight()
    }
}
