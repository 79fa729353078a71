//! A task of a machine: every poll, and the drop, makes the machine current.
//!
//! The executive owns the future, not tokio: a crash can take it away at once, in a fixed order,
//! while tokio would drop it at a time of its own.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use transport::BoxFuture;

use super::current::{self, Current};
use crate::world::LockedWorld;

/// The future of a task, where the executive can reach it.
pub(crate) struct Slot {
    state: Mutex<SlotState>,
}

enum SlotState {
    /// Waiting to be polled.
    Idle(BoxFuture<'static, ()>),
    /// Taken out while it is polled.
    Polling,
    /// To be dropped as soon as the poll under way returns.
    Doomed,
    /// Dropped or returned.
    Gone,
}

impl Slot {
    pub(crate) fn new(future: BoxFuture<'static, ()>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(SlotState::Idle(future)) })
    }

    fn set(&self, state: SlotState) -> SlotState {
        std::mem::replace(&mut *self.state.lock().expect("never held over a panic"), state)
    }

    /// Ends the task: drops its future here and now, with its machine current. Fails with the
    /// message of a panic if that panics.
    pub(crate) fn end(&self, current: Current) -> Result<(), String> {
        match self.set(SlotState::Gone) {
            SlotState::Idle(future) => return drop_caught(future, current),
            SlotState::Polling | SlotState::Doomed => {
                self.set(SlotState::Doomed);
            }
            SlotState::Gone => {}
        }
        Ok(())
    }

    /// Returns whether the future is gone.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(*self.state.lock().expect("never held over a panic"), SlotState::Gone)
    }

    /// Polls the future once.
    fn poll(&self, current: Current, waker: &Waker) -> (Current, Poll<Result<(), String>>) {
        let future = match self.set(SlotState::Polling) {
            SlotState::Idle(future) => future,
            other => {
                self.set(other);
                return (current, Poll::Ready(Ok(())));
            }
        };
        let (current, polled) = current::scope(current, || poll_caught(future, waker));
        match polled {
            Ok((future, Poll::Pending)) => {
                if let SlotState::Doomed = self.set(SlotState::Idle(future)) {
                    return (current, Poll::Ready(self.end(current)));
                }
                (current, Poll::Pending)
            }
            Ok((future, Poll::Ready(()))) => {
                self.set(SlotState::Gone);
                (current, Poll::Ready(drop_caught(future, current)))
            }
            Err(panic) => {
                self.set(SlotState::Gone);
                (current, Poll::Ready(Err(message(&*panic))))
            }
        }
    }
}

type Polled = Result<(BoxFuture<'static, ()>, Poll<()>), Box<dyn Any + Send>>;

fn poll_caught(mut future: BoxFuture<'static, ()>, waker: &Waker) -> Polled {
    catch_unwind(AssertUnwindSafe(move || {
        let polled = future.as_mut().poll(&mut Context::from_waker(waker));
        (future, polled)
    }))
}

fn drop_caught(future: BoxFuture<'static, ()>, current: Current) -> Result<(), String> {
    let drop = || catch_unwind(AssertUnwindSafe(|| drop(future)));
    current::scope(current, drop).1.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The waker that a task's future gets: it passes on to the task the cause of whoever wakes it.
struct CausalWaker {
    world: Weak<LockedWorld>,
    machine: usize,
    inner: Mutex<Waker>,
    /// The cause of whoever woke it last; 0 for none.
    cause: AtomicU64,
}

impl Wake for CausalWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match current::get() {
            Some(Current { cause: Some(cause), .. }) => self.cause.store(cause, Ordering::Relaxed),
            Some(_) => {}
            // The driver, a timer or the harness; or somebody who does not belong to the world.
            None => {
                if let Some(world) = self.world.upgrade() {
                    world.woken(self.machine);
                }
            }
        }
        self.inner.lock().expect("never held over a panic").wake_by_ref();
    }
}

/// What tokio or the scheduler runs: polls a slot while its machine is up and not paused.
pub(crate) struct Shell {
    world: Arc<LockedWorld>,
    id: u64,
    slot: Arc<Slot>,
    current: Current,
    waker: Option<(Arc<CausalWaker>, Waker)>,
}

impl Shell {
    pub(crate) fn new(world: Arc<LockedWorld>, id: u64, slot: Arc<Slot>, current: Current) -> Self {
        Self { world, id, slot, current, waker: None }
    }

    /// Returns the waker for the future, over the `waker` of whoever polls this.
    fn waker(&mut self, waker: &Waker) -> Waker {
        if let Some((causal, own)) = &self.waker {
            let mut inner = causal.inner.lock().expect("never held over a panic");
            if !inner.will_wake(waker) {
                inner.clone_from(waker);
            }
            return own.clone();
        }
        let causal = Arc::new(CausalWaker {
            world: Arc::downgrade(&self.world),
            machine: self.current.machine,
            inner: Mutex::new(waker.clone()),
            cause: AtomicU64::new(0),
        });
        let own = Waker::from(Arc::clone(&causal));
        self.waker = Some((causal, own.clone()));
        own
    }

    /// Takes over the cause of whoever woke this task, unless it is serving a request.
    fn inherit_cause(&mut self) {
        let Some((causal, _)) = &self.waker else { return };
        let cause = causal.cause.swap(0, Ordering::Relaxed);
        if cause != 0 && !self.current.serving {
            self.current.cause = Some(cause);
        }
    }
}

impl Future for Shell {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.world.wait_while_paused(this.current, context.waker()) {
            return Poll::Pending;
        }
        let waker = this.waker(context.waker());
        this.inherit_cause();
        let (slot, current) = (&this.slot, this.current);
        let (current, polled) = this.world.observe(current.machine, || slot.poll(current, &waker));
        this.current = current;
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                this.world.task_ended(this.current, this.id, result);
                Poll::Ready(())
            }
        }
    }
}
