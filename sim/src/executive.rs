//! The executive: one paused tokio runtime, and the driver that moves packets when something was
//! written or the next one is due. tokio's paused clock jumps over idle time by itself; there are
//! no ticks.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{World, WorldConfig, fault::FaultReport, journal::Journal, world::Fired};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `main` returned.
    Finished,
    /// The simulated-time limit passed first.
    Limit,
    /// A task of a machine panicked.
    Panicked {
        /// The machine.
        machine: String,
        /// The panic's message.
        message: String,
    },
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome<T> {
    /// Why it ended.
    pub ended: Ended,
    /// What `main` returned; unset unless [`Ended::Finished`].
    pub value: Option<T>,
    /// Simulated time at the end.
    pub at: Duration,
    /// Everything that happened.
    pub journal: Journal,
    /// Every fault, by number.
    pub faults: Vec<FaultReport>,
}

/// Makes a world of `config`, runs `main` in it on this thread until it returns, and ends the world.
/// Deterministic: the same `config` and `main` give the same journal. `main` may spawn tasks of the
/// harness with [`World::spawn`].
///
/// # Panics
/// If `main` panics. A panic of a machine's task ends the run instead ([`Ended::Panicked`]).
pub fn run<F, Fut, T>(config: WorldConfig, main: F) -> Outcome<T>
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    let outcome = runtime.block_on(async {
        let world = World::new(config);
        let value = Arc::new(Mutex::new(None));
        let harness = spawn_main(&world, main(world.clone()), &value);
        let ended = drive(&world).await;
        if let Some(panic) = take_panic(harness).await {
            world.tear_down();
            resume_unwind(panic);
        }
        let value = value.lock().expect("main has ended").take();
        conclude(&world, ended, value)
    });
    drop(runtime);
    outcome
}

fn spawn_main<T: Send + 'static>(
    world: &World,
    main: impl Future<Output = T> + Send + 'static,
    value: &Arc<Mutex<Option<T>>>,
) -> tokio::task::JoinHandle<()> {
    /// Tells the driver that `main` is over, also when it panicked.
    struct Finish(World);
    impl Drop for Finish {
        fn drop(&mut self) {
            let mut state = self.0.shared.lock();
            state.finished = true;
            state.wake_driver();
        }
    }
    let (value, finish) = (Arc::clone(value), Finish(world.clone()));
    #[expect(clippy::disallowed_methods, reason = "the harness belongs to no machine")]
    tokio::spawn(async move {
        let result = main.await;
        *value.lock().expect("nobody else writes") = Some(result);
        drop(finish);
    })
}

/// The panic that ended `main`, if one did; ends `main` if it has not.
async fn take_panic(main: tokio::task::JoinHandle<()>) -> Option<Box<dyn std::any::Any + Send>> {
    main.abort();
    main.await.err().and_then(|error| error.try_into_panic().ok())
}

fn conclude<T>(world: &World, ended: Ended, value: Option<T>) -> Outcome<T> {
    let (at, journal, faults) = {
        let mut state = world.shared.lock();
        let reports = state.faults.iter().map(|fault| fault.report.clone()).collect();
        (state.now(), std::mem::take(&mut state.journal), reports)
    };
    world.tear_down();
    let value = value.filter(|_| ended == Ended::Finished);
    Outcome { ended, value, at, journal, faults }
}

/// Moves packets until the run is over.
async fn drive(world: &World) -> Ended {
    loop {
        if let Some(ended) = over(world) {
            return ended;
        }
        if !step(world) {
            wait(world).await;
        }
    }
}

fn over(world: &World) -> Option<Ended> {
    let state = world.shared.lock();
    if let Some((machine, message)) = state.panicked.clone() {
        return Some(Ended::Panicked { machine, message });
    }
    if state.finished {
        return Some(Ended::Finished);
    }
    (state.now() >= state.config.limit).then_some(Ended::Limit)
}

/// Does the next thing that can be done now; `false` if there is none.
fn step(world: &World) -> bool {
    let mut state = world.shared.lock();
    if let Some(machine) = state.dying.pop_front() {
        drop(state);
        world.die(machine);
        return true;
    }
    if let Some(emission) = state.next_emission() {
        let fired = state.decode(emission);
        if !fired.is_empty() {
            drop(state);
            act(world, fired);
            state = world.shared.lock();
        }
        state.launch(emission);
        return true;
    }
    let Some(arrival) = state.next_arrival() else { return false };
    let (accepts, fired) = state.arrive(arrival);
    if !fired.is_empty() {
        drop(state);
        act(world, fired);
        state = world.shared.lock();
    }
    if let Some((id, side)) = accepts {
        state.accept(id, side);
    }
    true
}

fn act(world: &World, fired: Vec<Fired>) {
    for Fired { action, entry } in fired {
        action(world, entry);
    }
}

/// Waits until something is written, the next thing is due, or the limit is reached.
async fn wait(world: &World) {
    let until = {
        let state = world.shared.lock();
        let limit: Instant = state.limit();
        state.next_due().map_or(limit, |due| due.min(limit))
    };
    let mut armed = false;
    let written = poll_fn(|context| {
        // The waker is taken by whoever writes; armed and gone means that somebody did.
        let mut state = world.shared.lock();
        if armed && state.driver.is_none() {
            return Poll::Ready(());
        }
        armed = true;
        state.driver = Some(context.waker().clone());
        Poll::Pending
    });
    tokio::select! {
        biased;
        () = written => {}
        () = sleep_until(until) => {}
    }
    world.shared.lock().driver = None;
}
