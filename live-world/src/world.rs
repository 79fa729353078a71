//! One world: its machines, the ways between them, its faults, and its journal.
//!
//! `state`: what is behind its one lock. `machine` and `program`, `client`: what runs. `faults`: how
//! each begins and ends. `links`: what is in the way of bytes. `record`: what passes. `logs`: what
//! programs print. `net` and `tasks`: the host of a client.

mod client;
mod faults;
mod links;
mod logs;
mod machine;
mod net;
mod program;
mod record;
mod state;
mod tasks;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use checks::history::Note;
use journal::{Event, Recording};
use runs::{
    federation::OBSERVER,
    world::{Backup, DiskWatch, Watch, World},
};
use scenarios::{Scenario, scenario::FaultKind};
use sim::{Node, WorldConfig, fault::FaultId};
use tokio::{runtime::Handle, sync::watch, time::Instant};
use transport::Host;

pub(crate) use self::{links::Path, machine::Target, state::State};
use crate::{ServerKind, addresses::Addresses, authority::Authority};

/// A handle on one world. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LiveWorld(Arc<Shared>);

/// What a world is made of.
pub(crate) struct Parts {
    /// How it begins.
    pub(crate) config: WorldConfig,
    /// What is played.
    pub(crate) scenario: Arc<Scenario>,
    /// The kind of each server.
    pub(crate) kinds: BTreeMap<String, ServerKind>,
    /// Every machine that serves others.
    pub(crate) servers: Vec<Arc<str>>,
    /// Where machines are.
    pub(crate) addresses: Addresses,
    /// Who vouches for them.
    pub(crate) authority: Authority,
    /// Where the folders of machines are.
    pub(crate) folder: PathBuf,
    /// What is in the environment of every program.
    pub(crate) marker: String,
}

struct Shared {
    parts: Parts,
    began: Instant,
    runtime: Handle,
    state: Mutex<State>,
    /// Told when something may be otherwise: a way, a machine, the end.
    changed: watch::Sender<()>,
}

impl LiveWorld {
    /// Begins a world. Call it in the runtime that it lives in.
    pub(crate) fn new(parts: Parts) -> Self {
        let state = Mutex::new(State::new(parts.config.seed));
        let (began, runtime) = (Instant::now(), Handle::current());
        let world = Self(Arc::new(Shared {
            parts,
            began,
            runtime,
            state,
            changed: watch::Sender::new(()),
        }));
        let (topic, body) = Note::RealTime {}.to_parts();
        world.write(OBSERVER.into(), None, Event::Note { topic, body });
        world
    }

    /// Locks the state. The guard is never held across an await, nor while a program of ours runs.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the world began.
    pub(crate) fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Writes an entry; returns its number.
    fn write(&self, machine: Arc<str>, cause: Option<u64>, event: Event) -> u64 {
        let now = self.now();
        self.lock().recorder.write(now, machine, cause, event)
    }

    /// Returns a view of what may be otherwise, as of now.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn tell(&self) {
        self.0.changed.send_replace(());
    }

    /// Runs a task until it returns, or until the world ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.runtime.spawn(task));
    }

    /// Returns where machines are.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.parts.addresses
    }

    /// Returns who vouches for machines.
    pub(crate) fn authority(&self) -> &Authority {
        &self.0.parts.authority
    }

    /// Returns the kind of a server; none for a client.
    pub(crate) fn kind(&self, machine: &str) -> Option<&ServerKind> {
        self.0.parts.kinds.get(machine)
    }

    /// Returns how long a kernel retransmits before it resets a connection.
    pub(crate) fn user_timeout(&self) -> Duration {
        self.0.parts.config.user_timeout
    }

    /// Ends the run early: `why` says in a sentence what makes it impossible.
    pub(crate) fn give_up(&self, why: String) {
        let mut state = self.lock();
        if state.given_up.is_none() && !state.is_closed {
            state.given_up = Some(why);
        }
        drop(state);
        self.tell();
    }

    /// Resolves, with the reason, once the run has to end early.
    pub(crate) async fn given_up(&self) -> String {
        loop {
            let mut changed = self.changes();
            if let Some(why) = self.lock().given_up.clone() {
                return why;
            }
            // The sender lives as long as this handle.
            drop(changed.changed().await);
        }
    }

    /// Returns how many entries the journal has.
    pub(crate) fn entries(&self) -> u64 {
        self.lock().recorder.journal().entries().len() as u64
    }

    /// Returns how many bytes the bodies in the journal have.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().recorder.journal().bytes()
    }

    /// Returns whether everybody has joined, and operations may have begun.
    pub(crate) fn is_ready(&self) -> bool {
        self.lock().is_ready
    }

    /// Writes down why the run ends early.
    pub(crate) fn note_not_ready(&self, why: String) {
        let (topic, body) = Note::NotReady { why }.to_parts();
        self.write(OBSERVER.into(), None, Event::Note { topic, body });
    }

    /// Ends every program and every task, and returns what was written down.
    pub(crate) fn conclude(&self, ended: journal::Ended) -> Recording {
        let at = self.now();
        let mut state = self.lock();
        state.is_closed = true;
        state.recorder.close();
        let (journal, faults) = (state.recorder.take_journal(), state.recorder.reports());
        // What is left holds itself alive through its hosts and triggers.
        let left = (std::mem::take(&mut state.places), std::mem::take(&mut state.recorder.watches));
        state.listeners.clear();
        drop(state);
        drop(left);
        Recording { journal, faults, ended, at }
    }
}

impl World for LiveWorld {
    fn add_machine(&self, name: &str, node: Arc<dyn Node>) {
        if self.kind(name).is_some() {
            self.add_program(name);
        } else {
            self.add_client(name, Some(node));
        }
        self.boot(&name.into());
    }

    fn add_seat(&self, name: &str) -> Host {
        self.add_client(name, None);
        self.boot(&name.into()).expect("a seat has a host")
    }

    fn note(&self, machine: &str, cause: Option<u64>, topic: &str, body: serde_json::Value) -> u64 {
        let is_ready = topic == Note::Ready { rooms: BTreeMap::new() }.to_parts().0;
        if is_ready {
            self.lock().is_ready = true;
        }
        self.write(machine.into(), cause, Event::Note { topic: topic.to_owned(), body })
    }

    fn on_exchange(&self, watch: Watch) {
        self.lock().recorder.watches.on_exchange(watch);
    }

    /// Disk watches are among the obstacles: nobody sees what a process does to its disk.
    fn on_disk(&self, watch: DiskWatch) {
        self.lock().recorder.watches.on_disk(watch);
    }

    fn image(&self, machine: &str) -> Backup {
        self.copy_data(machine)
    }

    fn restore(&self, machine: &str, backup: Backup, cause: Option<u64>) -> FaultId {
        faults::restore(self, machine, backup, cause)
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
        self.0.parts.config.seed
    }

    fn replays_under_way(&self) -> usize {
        self.lock().replays
    }

    fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        let state = self.lock();
        let lines = state.lines.values().filter(|line| line.replays.is_none());
        let outstanding = lines.flat_map(|line| line.exchanges.outstanding.iter().copied());
        state.recorder.journal().requests(outstanding)
    }
}
