//! The tasks of a client: they end with its machine, and stand still while that is paused.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use transport::{
    BoxFuture,
    host::{TaskHandle, Tasks},
};

use super::LiveWorld;

/// Tasks of one boot of a client's machine. A panic of one ends the run.
pub(super) struct ClientTasks {
    world: LiveWorld,
    machine: Arc<str>,
    running: Mutex<JoinSet<()>>,
    gate: Arc<Mutex<Gate>>,
}

/// What holds tasks that stand still.
#[derive(Default)]
struct Gate {
    is_paused: bool,
    waiting: Vec<Waker>,
}

impl ClientTasks {
    pub(super) fn new(world: &LiveWorld, machine: &Arc<str>) -> Self {
        let (world, machine) = (world.clone(), Arc::clone(machine));
        Self { world, machine, running: Mutex::default(), gate: Arc::default() }
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        locked(&self.running).abort_all();
    }

    pub(super) fn pause(&self, is_paused: bool) {
        let mut gate = locked(&self.gate);
        gate.is_paused = is_paused;
        let waiting = if is_paused { Vec::new() } else { std::mem::take(&mut gate.waiting) };
        drop(gate);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn spawn_boxed(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let (world, machine) = (self.world.clone(), Arc::clone(&self.machine));
        let task =
            Gated { task: AssertUnwindSafe(task).catch_unwind(), gate: Arc::clone(&self.gate) };
        let mut running = locked(&self.running);
        while running.try_join_next().is_some() {}
        let handle = running.spawn_on(
            async move {
                if task.await.is_err() {
                    world.give_up(format!("a task of the client {machine} panicked"));
                }
            },
            &self.world.0.runtime,
        );
        TaskHandle::new(move || handle.abort())
    }
}

impl Tasks for ClientTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        self.spawn_boxed(task)
    }
}

/// A task that is not polled while its machine is paused.
struct Gated<F> {
    task: F,
    gate: Arc<Mutex<Gate>>,
}

impl<F: Future + Unpin> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut gate = locked(&self.gate);
        if gate.is_paused {
            gate.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(gate);
        Pin::new(&mut self.task).poll(context)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
