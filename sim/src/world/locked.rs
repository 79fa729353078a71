//! The world behind its lock, and the tasks that run in it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockResult,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    thread::ThreadId,
};

use tokio::runtime::RuntimeMetrics;
use transport::{BoxFuture, host::TaskHandle};

use super::{WorldConfig, WorldState};
use crate::{
    Ended, Misbehavior,
    machine::{
        Carrier, Shell, Slot, Task,
        current::{self, Current},
    },
    pulse::Pulse,
    scheduler::Scheduler,
};

/// The world behind its lock.
pub(crate) struct LockedWorld {
    state: Mutex<WorldState>,
    /// What the watch over the run reads.
    pub(crate) pulse: Pulse,
    /// What polls the tasks of machines, unless the schedule is fixed.
    pub(crate) scheduler: Option<Arc<Scheduler>>,
    /// The thread of the run.
    thread: ThreadId,
    /// How many tasks the runtime knows.
    tasks: RuntimeMetrics,
    /// How many of them this world has spawned for machines so far.
    spawned: AtomicUsize,
}

impl LockedWorld {
    pub(crate) fn new(config: WorldConfig) -> Arc<Self> {
        Arc::new(Self {
            scheduler: Scheduler::new(config.schedule, config.seed),
            state: Mutex::new(WorldState::new(config)),
            pulse: Pulse::default(),
            thread: std::thread::current().id(),
            tasks: tokio::runtime::Handle::current().metrics(),
            spawned: AtomicUsize::new(0),
        })
    }

    /// Locks the world, if nobody else has: for the watch over a run that may be stuck.
    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, WorldState>> {
        self.state.try_lock()
    }

    /// Polls a task of `machine` by `poll`, and notes what that shows about its program: whether it
    /// spins, and whether it spawned tasks that the world knows nothing of.
    pub(crate) fn observe<T>(&self, machine: usize, poll: impl FnOnce() -> T) -> T {
        if self.pulse.begin(machine, || self.lock().now()) {
            self.lock().misbehaves(machine, Misbehavior::NeverSettles);
        }
        // A task that ends or is aborted meanwhile is let go by the runtime later, not here.
        let strangers = || {
            let spawned = self.spawned.load(Ordering::Relaxed);
            self.tasks.num_alive_tasks().wrapping_sub(spawned)
        };
        let before = strangers();
        let value = poll();
        if strangers() != before {
            self.lock().misbehaves(machine, Misbehavior::SpawnsTask);
        }
        self.pulse.end();
        value
    }

    /// Counts a task that is spawned with the world's knowledge.
    pub(crate) fn count_spawned(&self) {
        self.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the tasks of a process, in the order in which they were spawned.
    ///
    /// # Panics
    /// If one of them lives on. (One that ends its own machine is gone when its poll returns.)
    pub(crate) fn end_all(&self, tasks: &BTreeMap<u64, Task>, current: Current) {
        self.pulse.begin(current.machine, || self.lock().now());
        for task in tasks.values() {
            if let Err(panic) = task.slot.end(current) {
                self.panicked(current.machine, panic);
            }
            task.carrier.abort();
        }
        self.pulse.end();
        let own = current::get().is_some_and(|polled| polled.machine == current.machine);
        let living = tasks.values().filter(|task| !task.slot.is_gone()).count();
        assert!(living <= usize::from(own), "{living} tasks outlive machine {}", current.machine);
    }

    /// Ends the run because a task of `machine` panicked.
    fn panicked(&self, machine: usize, message: String) {
        let mut state = self.lock();
        let machine = state.machines[machine].name.to_string();
        state.breaks(Ended::Panicked { machine, message });
    }

    /// Notes that a task of `machine` is woken.
    pub(crate) fn woken(&self, machine: usize) {
        if std::thread::current().id() != self.thread {
            self.lock().misbehaves(machine, Misbehavior::WokenFromOutside);
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, WorldState> {
        // Whoever panics while holding it has changed nothing: it named a machine that is not
        // there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a task waiting while its machine is paused, and for good once that is about to go
    /// down. Returns whether it waits.
    pub(crate) fn wait_while_paused(&self, current: Current, waker: &Waker) -> bool {
        let mut state = self.lock();
        let machine = &mut state.machines[current.machine];
        if machine.doomed && machine.incarnation == current.incarnation {
            return true;
        }
        let Some(fault) = machine.paused_by.leader() else { return false };
        if machine.incarnation != current.incarnation {
            return false;
        }
        machine.waiting.push(waker.clone());
        state.hit(fault, []);
        true
    }

    /// Notes that a task has returned or panicked.
    pub(crate) fn task_ended(&self, current: Current, id: u64, result: Result<(), String>) {
        let mut state = self.lock();
        let machine = &mut state.machines[current.machine];
        if machine.incarnation == current.incarnation {
            machine.tasks.remove(&id);
        }
        drop(state);
        if let Err(message) = result {
            self.panicked(current.machine, message);
        }
    }

    /// Has a shell polled whenever it is woken.
    fn carry(&self, id: u64, shell: Shell) -> Carrier {
        if let Some(scheduler) = &self.scheduler {
            scheduler.spawn(id, shell);
            return Carrier::Scheduler(Arc::clone(scheduler), id);
        }
        #[expect(clippy::disallowed_methods, reason = "this is what every other spawn leads to")]
        let handle = tokio::spawn(shell).abort_handle();
        self.count_spawned();
        Carrier::Runtime(handle)
    }

    /// Runs `future` as a task of the process (`machine`, `incarnation`); drops it if that process
    /// is gone.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        (machine, incarnation): (usize, u64),
        future: BoxFuture<'static, ()>,
    ) -> TaskHandle {
        let current = Current { machine, incarnation, cause: current::cause(), serving: false };
        let mut state = self.lock();
        if !state.machines[machine].runs(incarnation) {
            drop(state);
            current::scope(current, || drop(future));
            return TaskHandle::new(|| {});
        }
        let id = state.next_task;
        state.next_task += 1;
        let slot = Slot::new(future);
        let shell = Shell::new(Arc::clone(self), id, Arc::clone(&slot), current);
        let carrier = self.carry(id, shell);
        let task = Task { slot: Arc::clone(&slot), carrier: carrier.clone() };
        state.machines[machine].tasks.insert(id, task);
        let world = Arc::downgrade(self);
        TaskHandle::new(move || {
            let ended = slot.end(current);
            carrier.abort();
            if let Some(world) = world.upgrade() {
                world.task_ended(current, id, ended);
            }
        })
    }
}
