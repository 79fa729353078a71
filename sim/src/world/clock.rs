//! The wall clock of a machine: simulated time, and what is wrong with it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, Weak},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{LockedWorld, WorldState};
use crate::{
    fault::{ClockFault, FaultId, Shift},
    machine::current,
};

/// A wall clock that showed the world's epoch when the world began and runs with simulated time,
/// but for what faults do to it. It outlives every incarnation of its machine.
pub(crate) struct Clock {
    epoch: SystemTime,
    start: Instant,
    world: Weak<LockedWorld>,
    /// Index of the machine.
    machine: usize,
    faults: Mutex<Faults>,
}

/// What is wrong with a clock.
#[derive(Default)]
struct Faults {
    /// How far it has been set so far.
    set: Offset,
    /// What is in force, by fault, and since when.
    in_force: BTreeMap<FaultId, (ClockFault, Duration)>,
}

/// Nanoseconds ahead of the right time.
type Offset = i128;

impl Clock {
    pub(crate) fn new(state: &WorldState, world: Weak<LockedWorld>, machine: usize) -> Self {
        let faults = Mutex::default();
        Self { epoch: state.config.epoch, start: state.start(), world, machine, faults }
    }

    /// Begins a fault. A jump happens at once.
    pub(crate) fn begin(&self, fault: FaultId, what: ClockFault) {
        let mut faults = self.faults.lock().expect("nothing panics while it holds a clock");
        if let ClockFault::Jump(shift) = what {
            faults.set = faults.set.saturating_add(offset(shift));
        }
        faults.in_force.insert(fault, (what, self.start.elapsed()));
    }

    /// Ends a fault.
    pub(crate) fn end(&self, fault: FaultId) {
        let mut faults = self.faults.lock().expect("nothing panics while it holds a clock");
        faults.in_force.remove(&fault);
    }

    /// Returns how far the clock is ahead at `elapsed`, and the faults in force.
    fn wrong(&self, elapsed: Duration) -> (Offset, Vec<FaultId>) {
        let faults = self.faults.lock().expect("nothing panics while it holds a clock");
        let ahead = faults.in_force.values().map(|(what, since)| match what {
            ClockFault::Skew(shift) => offset(*shift),
            ClockFault::Jump(_) => 0,
            ClockFault::Drift(rate) => gained(*rate, elapsed.saturating_sub(*since)),
        });
        let in_force = faults.in_force.keys().copied().collect();
        (faults.set.saturating_add(ahead.sum()), in_force)
    }
}

impl transport::host::Clock for Clock {
    fn now(&self) -> SystemTime {
        let elapsed = self.start.elapsed();
        let right = self.epoch + elapsed;
        let (ahead, faults) = self.wrong(elapsed);
        let own = || current::get().is_some_and(|current| current.machine == self.machine);
        if let (false, true, Some(world)) = (faults.is_empty(), own(), self.world.upgrade()) {
            let mut state = world.lock();
            let request = state.recorder.request_behind(current::cause());
            for fault in faults {
                state.hit(fault.number(), request);
            }
        }
        let by = nanoseconds(ahead.unsigned_abs());
        let shown = if ahead < 0 { right.checked_sub(by) } else { right.checked_add(by) };
        shown.unwrap_or(right)
    }
}

fn offset(shift: Shift) -> Offset {
    match shift {
        Shift::Ahead(by) => i128::try_from(by.as_nanos()).unwrap_or(Offset::MAX),
        Shift::Behind(by) => -i128::try_from(by.as_nanos()).unwrap_or(Offset::MAX),
    }
}

/// Returns what a clock that runs `rate` times as fast gains in `time`.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range saturates")]
fn gained(rate: f64, time: Duration) -> Offset {
    ((rate - 1.0) * time.as_secs_f64() * 1e9) as Offset
}

fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}
