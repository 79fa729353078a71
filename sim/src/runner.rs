//! The thread on which worlds run, and the watch over it: a node that blocks the thread, or waits
//! for something outside the world, ends its run and not the program.
//!
//! A thread cannot be stopped from outside. One that is stuck is left behind with its world, and
//! the next run gets a new one.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, PoisonError, TryLockError, mpsc},
    thread,
    time::Duration,
};

use crate::{
    Ended, Misbehavior, Outcome, World, executive::faults_of, pulse::Reading, world::WorldState,
};

/// The stack of a runner. A whole federation is polled on it, unoptimized in tests.
const STACK: usize = 32 << 20;

/// Wall time between two looks at a run.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// All polls of one instant may together take this many times the patience with one poll.
const INSTANT_PATIENCE: u32 = 10;

/// Attempts to read the journal of a world that is stuck; its lock is only ever held for a moment.
const MAX_READS: u32 = 50;

/// Where a run puts its world, for the watch to look at.
pub(crate) type Exhibit = Arc<Mutex<Option<World>>>;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that takes one job after another; it ends when this is dropped.
struct Runner {
    jobs: mpsc::Sender<Job>,
}

thread_local! {
    /// The runner of this thread, kept because what a run has learned (parsed keys, say) stays with
    /// the thread.
    static RUNNER: RefCell<Option<Runner>> = const { RefCell::new(None) };
}

impl Runner {
    fn new() -> Self {
        let (jobs, received) = mpsc::channel::<Job>();
        let work = move || received.into_iter().for_each(|job| job());
        thread::Builder::new()
            .name("fedsim world".to_owned())
            .stack_size(STACK)
            .spawn(work)
            .expect("the system has room for one more thread");
        Self { jobs }
    }
}

/// Does `work` on this thread's runner and watches over the world that it exhibits.
pub(crate) fn run<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce(Exhibit) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let runner = RUNNER.take().unwrap_or_else(Runner::new);
    let exhibit = Exhibit::default();
    let (sender, done) = mpsc::channel();
    let shown = Arc::clone(&exhibit);
    let job: Job = Box::new(move || {
        // Nobody listens any more to a run that was given up.
        drop(sender.send(catch_unwind(AssertUnwindSafe(|| work(shown)))));
    });
    runner.jobs.send(job).expect("a runner outlives its jobs");
    match watch(&done, &exhibit, patience) {
        Watched::Done(result) => {
            RUNNER.set(Some(runner));
            result.unwrap_or_else(|panic| resume_unwind(panic))
        }
        Watched::Stuck(world, machine, how) => give_up(&world, machine, how),
    }
}

enum Watched<T> {
    Done(Result<Outcome<T>, Box<dyn Any + Send>>),
    Stuck(World, usize, Misbehavior),
}

fn watch<T>(
    done: &mpsc::Receiver<Result<Outcome<T>, Box<dyn Any + Send>>>,
    exhibit: &Exhibit,
    patience: Duration,
) -> Watched<T> {
    let mut lookout = Lookout::default();
    loop {
        match done.recv_timeout(LOOK_INTERVAL.min(patience)) {
            Ok(result) => return Watched::Done(result),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                unreachable!("a job answers, even when it panics")
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let world = exhibit.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(world) = world else { continue };
        let reading = world.shared.pulse.read();
        if let Some(how) = lookout.look(reading, LOOK_INTERVAL.min(patience), patience) {
            return Watched::Stuck(world, reading.machine, how);
        }
    }
}

/// What the watch remembers. It counts its looks, not the wall clock: where the whole process was
/// held up, so was the watch.
#[derive(Default)]
struct Lookout {
    last: Option<Reading>,
    /// Wall time since a poll began.
    poll: Duration,
    /// Wall time since simulated time moved.
    instant: Duration,
}

impl Lookout {
    fn look(
        &mut self,
        reading: Reading,
        since: Duration,
        patience: Duration,
    ) -> Option<Misbehavior> {
        let last = self.last.replace(reading);
        let same = |is: fn(Reading) -> u128| last.is_some_and(|last| is(last) == is(reading));
        self.poll = if same(|it| it.polls.into()) { self.poll + since } else { Duration::ZERO };
        let moved = !same(|it| it.instant.as_nanos());
        self.instant = if moved { Duration::ZERO } else { self.instant + since };
        if self.poll >= patience {
            let how = if reading.polling { Misbehavior::Blocks } else { Misbehavior::StandsStill };
            return Some(how);
        }
        // Idle time passes without polls, so only a run that polls can be held up like this.
        let polls = self.poll < since;
        (polls && self.instant >= patience * INSTANT_PATIENCE).then_some(Misbehavior::NeverSettles)
    }
}

/// Salvages what it can from a stuck world, and leaves the rest behind.
fn give_up<T>(world: &World, machine: usize, how: Misbehavior) -> Outcome<T> {
    let at = world.shared.pulse.read().instant;
    let mut outcome = Outcome {
        ended: Ended::Misbehaved { machine: "a machine".to_owned(), how },
        value: None,
        at,
        journal: journal::Journal::default(),
        faults: Vec::new(),
        journal_time: Duration::ZERO,
        logs: Vec::new(),
    };
    for _ in 0..MAX_READS {
        match world.shared.try_lock() {
            Ok(mut state) => {
                take(&mut state, machine, how, &mut outcome);
                break;
            }
            Err(TryLockError::Poisoned(_)) => break,
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    outcome
}

fn take<T>(state: &mut WorldState, machine: usize, how: Misbehavior, outcome: &mut Outcome<T>) {
    let machine = state.machines.get(machine).map_or("a machine", |it| &*it.name).to_owned();
    outcome.ended = Ended::Misbehaved { machine, how };
    outcome.journal = state.recorder.take_journal();
    outcome.faults = faults_of(state);
    // Should it ever go on, it writes nothing more, and ends.
    state.recorder.close();
    state.finished = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn reading(polls: u64, polling: bool, instant: u64) -> Reading {
        Reading { polls, machine: 0, polling, instant: Duration::from_secs(instant) }
    }

    #[test]
    fn a_poll_that_does_not_return_is_reported_after_the_patience_and_not_before() {
        let mut lookout = Lookout::default();
        let looks: Vec<_> =
            (0..4).map(|_| lookout.look(reading(1, true, 0), SECOND, 3 * SECOND)).collect();
        assert_eq!(looks, [None, None, None, Some(Misbehavior::Blocks)]);
    }

    #[test]
    fn a_run_that_polls_and_moves_is_left_alone() {
        let mut lookout = Lookout::default();
        for n in 0..1000 {
            assert_eq!(lookout.look(reading(n, true, n / 5), SECOND, 3 * SECOND), None);
        }
    }

    #[test]
    fn slow_polls_without_end_at_one_instant_are_reported() {
        let mut lookout = Lookout::default();
        let reported = (0..100).find_map(|n| lookout.look(reading(n, true, 0), SECOND, 3 * SECOND));
        assert_eq!(reported, Some(Misbehavior::NeverSettles));
    }
}
