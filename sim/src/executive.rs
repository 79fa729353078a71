//! The executive: one paused tokio runtime, and the driver that moves packets when something was
//! written or the next one is due. tokio's paused clock jumps over idle time by itself; there are
//! no ticks.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    sync::{Arc, Mutex, OnceLock, Weak},
    task::Poll,
    time::Duration,
};

use journal::{Ended, Journal, Misbehavior, recorder::Fired};
use tokio::time::{Instant, sleep_until};

use crate::{
    World, WorldConfig,
    fault::FaultReport,
    logs::{Listener, LogLine},
    machine::current,
    runner::{self, Exhibit},
    world::{LockedWorld, WorldState},
};

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
    /// Wall time that went into decoding what the network saw and writing it down; 0 unless
    /// [`WorldConfig::time_journal`].
    pub journal_time: Duration,
    /// What the programs logged, in order: the last ten thousand lines, if
    /// [`WorldConfig::keep_logs`].
    pub logs: Vec<LogLine>,
}

/// Makes a world from `config`, runs `main` in it until it returns, and ends the world. Blocks
/// meanwhile; the world itself runs on a thread that belongs to the calling one, and is given up if
/// a program keeps it stuck ([`Ended::Misbehaved`]). Deterministic: the same `config` and `main`
/// give the same journal. `main` may spawn tasks of the harness with [`World::spawn`].
///
/// # Panics
/// If `main` panics. A panic of a machine's task ends the run instead ([`Ended::Panicked`]).
pub fn run<F, Fut, T>(config: WorldConfig, main: F) -> Outcome<T>
where
    F: FnOnce(World) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    runner::run(config.patience, move |exhibit| run_here(config, main, &exhibit))
}

fn run_here<F, Fut, T>(config: WorldConfig, main: F, exhibit: &Exhibit) -> Outcome<T>
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let threads = BlockingThreads::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .thread_name_fn(threads.on_spawn())
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    let listener = config.keep_logs.then(Listener::default);
    let life = async {
        let world = World::new(config);
        if let Some(listener) = &listener {
            listener.begin(&world);
        }
        threads.belong_to(&world);
        let tear_down = TearDown(world.clone());
        show(exhibit, Some(world.clone()));
        if let Some(scheduler) = &world.shared.scheduler {
            world.spawn(Arc::clone(scheduler).run());
        }
        let value = Arc::new(Mutex::new(None));
        let harness = spawn_main(&world, main(world.clone()), &value);
        let ended = drive(&world).await;
        if let Some(panic) = take_panic(harness).await {
            resume_unwind(panic);
        }
        // Before the outcome is known: a destructor that runs only now may panic.
        drop(tear_down);
        let ended = world.shared.lock().broken.clone().unwrap_or(ended);
        let value = value.lock().expect("main has ended").take();
        let mut outcome = conclude(&world, ended, value);
        outcome.logs.extend(listener.iter().flat_map(|listener| listener.take(&world)));
        outcome
    };
    let outcome = match &listener {
        Some(listener) => listener.listen(|| runtime.block_on(life)),
        None => runtime.block_on(life),
    };
    // Not dropped: that would wait for a blocking thread that a program started.
    runtime.shutdown_background();
    show(exhibit, None);
    outcome
}

/// Ends the world when it is dropped, even if the harness or a trigger panics: the world's tasks
/// hold it, and it holds them.
struct TearDown(World);

impl Drop for TearDown {
    fn drop(&mut self) {
        self.0.tear_down();
    }
}

fn show(exhibit: &Exhibit, world: Option<World>) {
    *exhibit.lock().expect("the watch does not panic") = world;
}

/// Notices when a blocking thread is asked for: tokio names it on the thread that asks.
#[derive(Clone, Default)]
struct BlockingThreads {
    world: Arc<OnceLock<Weak<LockedWorld>>>,
}

impl BlockingThreads {
    fn belong_to(&self, world: &World) {
        // A run has one world.
        drop(self.world.set(Arc::downgrade(&world.shared)));
    }

    fn on_spawn(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let Self { world } = self.clone();
        move || {
            let world = world.get().and_then(Weak::upgrade);
            if let (Some(world), Some(current)) = (world, current::get()) {
                world.lock().misbehaves(current.machine, Misbehavior::SpawnsBlocking);
            }
            "blocking".to_owned()
        }
    }
}

fn spawn_main<T: Send + 'static>(
    world: &World,
    main: impl Future<Output = T> + Send + 'static,
    value: &Arc<Mutex<Option<T>>>,
) -> tokio::task::JoinHandle<()> {
    /// Tells the driver that `main` is over, even if it panicked.
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

/// Returns the panic that ended `main`, if one did; ends `main` if it has not.
async fn take_panic(main: tokio::task::JoinHandle<()>) -> Option<Box<dyn std::any::Any + Send>> {
    main.abort();
    main.await.err().and_then(|error| error.try_into_panic().ok())
}

/// Returns what each fault did, by number.
pub(crate) fn faults_of(state: &WorldState) -> Vec<FaultReport> {
    state.recorder.reports()
}

fn conclude<T>(world: &World, ended: Ended, value: Option<T>) -> Outcome<T> {
    let (at, journal, faults, journal_time) = {
        let mut state = world.shared.lock();
        let reports = faults_of(&state);
        (state.now(), state.recorder.take_journal(), reports, state.cost.spent())
    };
    let value = value.filter(|_| ended == Ended::Finished);
    Outcome { ended, value, at, journal, faults, journal_time, logs: Vec::new() }
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
    if let Some(broken) = state.broken.clone() {
        return Some(broken);
    }
    if state.finished {
        return Some(Ended::Finished);
    }
    (state.now() >= state.config.limit).then_some(Ended::Limit)
}

/// Does the next thing that can be done now; returns `false` if there is none.
fn step(world: &World) -> bool {
    let mut state = world.shared.lock();
    if let Some(dying) = state.dying.pop_front() {
        drop(state);
        world.die(dying);
        return true;
    }
    if let Some(emission) = state.next_emission() {
        let fired = state.in_journal(|state| state.decode(emission));
        if !fired.is_empty() {
            drop(state);
            act(fired);
            state = world.shared.lock();
        }
        state.launch(emission);
        return true;
    }
    let Some(arrival) = state.next_arrival() else { return false };
    let (accepts, fired) = state.arrive(arrival);
    if !fired.is_empty() {
        drop(state);
        act(fired);
        state = world.shared.lock();
    }
    if let Some((id, side)) = accepts {
        state.accept(id, side);
    }
    true
}

fn act(fired: Vec<Fired>) {
    for Fired { action, entry } in fired {
        action(entry);
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
        // Whoever writes takes the waker: if it was armed and is gone, somebody has written.
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
