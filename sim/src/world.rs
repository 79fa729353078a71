//! The world: machines, and everything that can be done to them.

mod breaking;
mod clock;
mod cost;
mod locked;
mod observer;
mod power;
mod state;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use transport::{BoxFuture, Host};

use self::observer::Observer;
pub(crate) use self::{
    clock::Clock,
    locked::LockedWorld,
    state::{Death, Dying, Emission, Remedy, Way, WorldState},
};
use journal::{Event, Schedule};

use crate::{
    LinkConfig,
    disk::{Disk, DiskImage},
    fault::{DiskWatch, Operation, Watch},
    host,
    machine::{Machine, current},
    scheduler::giving_way,
};

/// What runs on a machine: anybody's server. A world starts it at each boot, and after it has
/// failed when a [`journal::Supervisor`] says so, with a fresh host on the same disk; the node
/// reaches everything else through that host alone.
///
/// Every `async` function that takes a [`Host`] is one: `Arc::new(|host: Host| serve(host))`.
pub trait Node: Send + Sync + 'static {
    /// Runs the node: returns when it ends by itself (a server does not), with its error's text
    /// if it failed. Background tasks live on after `Ok`.
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>>;

    /// Returns what the disk of a new machine holds before its first boot; nothing, unless the node
    /// says otherwise. A machine whose disk is wiped boots without it.
    fn installation(&self) -> DiskImage {
        DiskImage::default()
    }
}

impl<F, Fut> Node for F
where
    F: Fn(Host) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    fn run(&self, host: Host) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(self(host))
    }
}

/// How a world begins.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// What repeats a run.
    pub seed: u64,
    /// Every link, until changed.
    pub link: LinkConfig,
    /// How long a kernel retransmits before it resets a connection (TCP user timeout).
    pub user_timeout: Duration,
    /// Wall-clock time of every machine when the world begins.
    pub epoch: SystemTime,
    /// Simulated time after which a run is ended.
    pub limit: Duration,
    /// Entries of the journal after which a run is ended.
    pub max_entries: u64,
    /// In which order the tasks of all machines run.
    pub schedule: Schedule,
    /// Wall time that one poll of a program may take before its run is given up. Far more than any
    /// program needs, and the only wall time that a run knows: it decides nothing but when to give
    /// up one that would hang.
    pub patience: Duration,
    /// Whether to measure how long the journal takes ([`crate::Outcome::journal_time`]). Changes
    /// nothing in the run.
    pub time_journal: bool,
    /// Whether to keep what programs log ([`crate::Outcome::logs`]). Changes nothing in the run.
    pub keep_logs: bool,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            link: LinkConfig::default(),
            user_timeout: Duration::from_secs(120),
            // 2020-01-01T00:00:00Z, which is as good as any fixed time.
            epoch: SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800),
            limit: Duration::from_secs(24 * 3600),
            max_entries: MAX_ENTRIES,
            schedule: Schedule::Fixed,
            patience: Duration::from_secs(20),
            time_journal: false,
            keep_logs: false,
        }
    }
}

/// Entries of the journal after which a run is ended, unless its world says otherwise: a hundred
/// backends over an hour write a tenth of that, and more would not fit in memory for long.
pub const MAX_ENTRIES: u64 = 2_000_000;

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// Never booted, crashed, or killed.
    Down,
    /// Running.
    Up,
    /// Not scheduled; its kernel acknowledges.
    Paused,
}

/// A handle on the world. Cheap to clone. Machines are named; naming one that does not exist is a
/// bug of the caller and panics.
#[derive(Clone)]
pub struct World {
    pub(crate) shared: Arc<LockedWorld>,
}

impl World {
    pub(crate) fn new(config: WorldConfig) -> Self {
        Self { shared: LockedWorld::new(config) }
    }

    /// Adds a machine, down, that runs `node` when it is booted. Its name is its host name.
    pub fn add_machine(&self, name: &str, node: Arc<dyn Node>) {
        self.add(name, Some(node));
    }

    /// Adds a machine without a node, up at once: the seat of a client. Its tasks are what is
    /// spawned on the returned host. A seat that is crashed or killed comes back empty.
    pub fn add_seat(&self, name: &str) -> Host {
        let index = self.add(name, None);
        self.start(index)
    }

    fn add(&self, name: &str, node: Option<Arc<dyn Node>>) -> usize {
        let mut state = self.shared.lock();
        assert!(!state.by_name.contains_key(name), "two machines are called `{name}`");
        let index = state.machines.len();
        let clock = Arc::new(Clock::new(&state, Arc::downgrade(&self.shared), index));
        let observer = Arc::new(Observer { world: Arc::downgrade(&self.shared), machine: index });
        let disk = Disk::new(state.config.seed, name, Arc::clone(&clock) as _, observer);
        let installation = node.as_ref().map(|node| node.installation()).unwrap_or_default();
        disk.restore(&installation);
        state.machines.push(Machine::new(name, node, disk, clock));
        let name = state.machines[index].name.clone();
        state.by_name.insert(name, index);
        index
    }

    /// Starts a machine that is down: a fresh process on the disk as it was left. One that faults
    /// hold down starts when the last of them ends; one that is paused starts, and is not polled.
    /// Does nothing to one that is up.
    pub fn boot(&self, machine: &str) {
        let index = {
            let mut state = self.shared.lock();
            let index = state.machine(machine);
            state.machines[index].is_wanted = true;
            index
        };
        self.start_if_free(index);
    }

    /// Starts a machine that is down, was once started, and that no fault holds down.
    fn start_if_free(&self, index: usize) {
        {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            if machine.running || !machine.is_wanted || !machine.downed_by.is_empty() {
                return;
            }
        }
        let host = self.start(index);
        let (node, incarnation) = {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            (machine.node.clone(), machine.incarnation)
        };
        let Some(node) = node else { return };
        let shared = Arc::clone(&self.shared);
        let root = Box::pin(async move {
            if let Err(error) = node.run(host).await {
                let mut state = shared.lock();
                // One that is dead by then ends without a word.
                if state.machines[index].runs(incarnation) && !state.machines[index].doomed {
                    state.write(index, None, Event::Exited { error });
                    state.doom(Dying { machine: index, death: Death::Exit });
                }
            }
        });
        self.shared.spawn((index, incarnation), root);
    }

    /// Powers a machine on and makes the host of its next incarnation.
    fn start(&self, index: usize) -> Host {
        let mut state = self.shared.lock();
        let (seed, now) = (state.config.seed, state.now());
        let machine = &mut state.machines[index];
        let clock = Arc::clone(&machine.clock);
        machine.powered = true;
        machine.running = true;
        machine.doomed = false;
        machine.is_wanted = true;
        machine.supervisor.started(now);
        machine.incarnation += 1;
        let (name, incarnation) = (machine.name.clone(), machine.incarnation);
        let mut disk = machine.disk.mount();
        if let Some(scheduler) = &self.shared.scheduler {
            disk = giving_way(disk, scheduler);
        }
        state.write(index, None, Event::Booted { incarnation });
        let entropy = format!("entropy {name} {incarnation}");
        host::host(&self.shared, (index, incarnation), disk, clock, (seed, &entropy))
    }

    /// Runs a task of the harness, which belongs to no machine and ends with the run.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.shared.count_spawned();
        #[expect(clippy::disallowed_methods, reason = "the harness belongs to no machine")]
        tokio::spawn(task)
    }

    /// Watches for an exchange.
    pub fn on_exchange(&self, watch: Watch) {
        self.shared.lock().recorder.watches.on_exchange(watch);
    }

    /// Watches for an operation of a disk.
    pub fn on_disk(&self, watch: DiskWatch) {
        let mut state = self.shared.lock();
        let disk = Arc::clone(&state.machines[state.machine(&watch.machine)].disk);
        let is_write = watch.operation == Operation::Written;
        state.recorder.watches.on_disk(watch);
        drop(state);
        if is_write {
            disk.watch_writes(true);
        }
    }

    /// Returns the files of a machine's disk as its processes read them at this moment: a backup.
    pub fn image(&self, machine: &str) -> DiskImage {
        let state = self.shared.lock();
        let disk = Arc::clone(&state.machines[state.machine(machine)].disk);
        drop(state);
        disk.snapshot()
    }

    /// Returns whether the machine runs.
    pub fn state(&self, machine: &str) -> MachineState {
        let state = self.shared.lock();
        let machine = &state.machines[state.machine(machine)];
        match (machine.running, machine.paused_by.is_empty()) {
            (false, _) => MachineState::Down,
            (true, false) => MachineState::Paused,
            (true, true) => MachineState::Up,
        }
    }

    /// Returns the seed, which repeats the run.
    pub fn seed(&self) -> u64 {
        self.shared.lock().config.seed
    }

    /// Returns the simulated time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().now()
    }

    /// Writes a note into the journal; returns its number.
    pub fn note(
        &self,
        machine: &str,
        cause: Option<u64>,
        topic: &str,
        body: serde_json::Value,
    ) -> u64 {
        let event = Event::Note { topic: topic.to_owned(), body };
        let mut state = self.shared.lock();
        let name = state
            .by_name
            .get_key_value(machine)
            .map_or_else(|| machine.into(), |(name, _)| name.clone());
        state.write_as(name, cause.or_else(current::cause), event)
    }

    /// Returns how many entries the journal has.
    pub fn journal_len(&self) -> u64 {
        self.shared.lock().recorder.journal().entries().len() as u64
    }

    /// Returns the requests in flight over the network: sent, and neither answered nor lost; no
    /// replays. Each comes with its machine, method and target, in the order in which they were
    /// sent.
    pub fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        let state = self.shared.lock();
        let connections = state.connections.iter().filter(|connection| connection.replay.is_none());
        let outstanding =
            connections.flat_map(|connection| connection.exchanges.outstanding.iter().copied());
        state.recorder.journal().requests(outstanding)
    }

    /// Returns how many repeated requests the network still has to deliver, or to have answered.
    /// Those that only read (RFC 9110, 9.2.1) change nothing, and do not count.
    pub fn replays_under_way(&self) -> usize {
        let state = self.shared.lock();
        state.connections.iter().filter(|connection| connection.replays_a_change()).count()
    }

    /// Returns how many tasks of the machine's process are alive. 0 after a crash.
    pub fn live_tasks(&self, machine: &str) -> usize {
        let state = self.shared.lock();
        state.machines[state.machine(machine)].tasks.len()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
