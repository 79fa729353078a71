//! The world behind its lock, and the tasks that run in it.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
};

use transport::{BoxFuture, host::TaskHandle};

use super::{State, WorldConfig};
use crate::machine::{
    Shell, Slot, Task,
    current::{self, Current},
};

/// The world behind its lock.
pub(crate) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(config: WorldConfig) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(config)) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the world's lock")
    }

    /// Keeps a task of a paused machine waiting.
    pub(crate) fn wait_while_paused(&self, current: Current, waker: &Waker) -> bool {
        let mut state = self.lock();
        let machine = &mut state.machines[current.machine];
        let waits = machine.paused_by.is_some() && machine.incarnation == current.incarnation;
        if let (true, Some(fault)) = (waits, machine.paused_by) {
            machine.waiting.push(waker.clone());
            state.hit(fault, []);
        }
        waits
    }

    /// A task has returned or panicked.
    pub(crate) fn task_ended(&self, current: Current, id: u64, result: Result<(), String>) {
        let mut state = self.lock();
        let machine = &mut state.machines[current.machine];
        if machine.incarnation == current.incarnation {
            machine.tasks.remove(&id);
        }
        if let Err(message) = result {
            let name = state.machines[current.machine].name.to_string();
            state.panicked.get_or_insert((name, message));
            state.wake_driver();
        }
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
        #[expect(clippy::disallowed_methods, reason = "this is what every other spawn leads to")]
        let abort = tokio::spawn(shell).abort_handle();
        let task = Task { slot: Arc::clone(&slot), abort: abort.clone() };
        state.machines[machine].tasks.insert(id, task);
        let world = Arc::downgrade(self);
        TaskHandle::new(move || {
            slot.end(current);
            abort.abort();
            if let Some(world) = world.upgrade() {
                world.task_ended(current, id, Ok(()));
            }
        })
    }
}
