//! Runs the tasks of all machines under a [`Schedule`] that is not fixed: one poll at a time, of a
//! task that the schedule picks among those that are ready. (Under the fixed schedule tokio does
//! that, first come, first served.)
//!
//! - `order`: which task is next, and for how long one gives way.
//! - `disk`: databases whose callers give way around each job.

mod disk;
mod order;

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::{Context, Poll, Wake, Waker},
};

use journal::Schedule;
use tokio::time::sleep;

pub(crate) use self::disk::giving_way;
use self::order::Order;
use crate::machine::Shell;

/// The tasks of all machines, and which of them is next.
pub(crate) struct Scheduler {
    state: Mutex<State>,
}

struct State {
    order: Order,
    /// By the number under which the world spawned them.
    tasks: BTreeMap<u64, Scheduled>,
    /// Those that were woken, each once, the earliest first.
    ready: Vec<u64>,
    /// The one that is polled.
    running: Option<u64>,
    /// Wakes whoever polls them.
    runner: Option<Waker>,
}

struct Scheduled {
    /// Taken out while it is polled.
    shell: Option<Shell>,
    waker: Waker,
}

impl Scheduler {
    /// Returns the scheduler of a world; none if the schedule is fixed.
    pub(crate) fn new(schedule: Schedule, seed: u64) -> Option<Arc<Self>> {
        let state = State {
            order: Order::new(schedule, seed)?,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            running: None,
            runner: None,
        };
        Some(Arc::new(Self { state: Mutex::new(state) }))
    }

    /// Polls tasks as long as the world exists.
    pub(crate) async fn run(self: Arc<Self>) {
        poll_fn(|context| self.step(context)).await;
    }

    /// Adds a task that is ready.
    pub(crate) fn spawn(self: &Arc<Self>, id: u64, shell: Shell) {
        let waker = Waker::from(Arc::new(Ready { scheduler: Arc::downgrade(self), id }));
        let mut state = self.lock();
        state.order.add(id);
        state.tasks.insert(id, Scheduled { shell: Some(shell), waker });
        state.wake(id);
    }

    /// Removes a task, unless it has ended.
    pub(crate) fn remove(&self, id: u64) {
        let mut state = self.lock();
        let removed = state.tasks.remove(&id);
        state.ready.retain(|ready| *ready != id);
        state.order.remove(id);
        drop(state);
        // Not under the lock: what it drops may wake others.
        drop(removed);
    }

    /// Has the task that is polled give way to whatever else is ready, at times for longer.
    pub(crate) async fn give_way(&self) {
        let pause = {
            let mut state = self.lock();
            let running = state.running;
            running.and_then(|id| state.order.pause(id))
        };
        match pause {
            Some(pause) => sleep(pause).await,
            None => yield_once().await,
        }
    }

    /// Polls the next task, and asks to be called again while one is ready.
    fn step(&self, context: &Context<'_>) -> Poll<()> {
        let Some((id, mut shell, waker)) = self.begin(context) else { return Poll::Pending };
        let polled = Pin::new(&mut shell).poll(&mut Context::from_waker(&waker));
        if self.end(id, polled.is_ready(), shell) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn begin(&self, context: &Context<'_>) -> Option<(u64, Shell, Waker)> {
        let state = &mut *self.lock();
        state.runner = Some(context.waker().clone());
        if state.ready.is_empty() {
            return None;
        }
        let id = state.ready.remove(state.order.pick(&state.ready));
        let task = state.tasks.get_mut(&id)?;
        state.running = Some(id);
        task.shell.take().map(|shell| (id, shell, task.waker.clone()))
    }

    /// Puts a task back that has not ended. Returns whether a task is ready.
    fn end(&self, id: u64, has_ended: bool, shell: Shell) -> bool {
        if has_ended {
            self.remove(id);
        }
        let mut state = self.lock();
        state.running = None;
        // One that was removed while it was polled is dropped, after the lock.
        let rest = match state.tasks.get_mut(&id) {
            Some(task) => task.shell.replace(shell),
            None => Some(shell),
        };
        let is_ready = !state.ready.is_empty();
        drop(state);
        drop(rest);
        is_ready
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

impl State {
    fn wake(&mut self, id: u64) {
        if self.tasks.contains_key(&id) && !self.ready.contains(&id) {
            self.ready.push(id);
            if let Some(runner) = &self.runner {
                runner.wake_by_ref();
            }
        }
    }
}

/// Wakes one task.
struct Ready {
    scheduler: Weak<Scheduler>,
    id: u64,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        if let Some(scheduler) = self.scheduler.upgrade() {
            scheduler.lock().wake(self.id);
        }
    }
}

/// Lets whatever is ready go first, once. (tokio's own lets simulated time pass first.)
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
