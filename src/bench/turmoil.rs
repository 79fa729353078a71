//! The same plain machines in stock `turmoil`, for comparison.

use std::time::Duration;

use workloads::{clock::cpu, simulated, stock_turmoil};

use super::row::{Length, Measured};

/// How often each machine asks.
const EVERY: Duration = Duration::from_secs(1);
/// The simulated world runs longer, so that its CPU time is more than the clock's error.
const LONGER: u32 = 20;

/// Three machines.
pub(super) fn three(length: Length) -> Result<Measured, String> {
    compare(3, Duration::from_secs(length.pick(60, 10)))
}

/// Thirty machines.
pub(super) fn thirty(length: Length) -> Result<Measured, String> {
    compare(30, Duration::from_secs(length.pick(20, 4)))
}

/// A hundred machines.
pub(super) fn hundred(length: Length) -> Result<Measured, String> {
    compare(100, Duration::from_secs(length.pick(8, 3)))
}

fn compare(machines: usize, time: Duration) -> Result<Measured, String> {
    let (answers, theirs) = cpu(|| stock_turmoil::loaded(machines, EVERY, time));
    answers?;
    let (answers, ours) = cpu(|| simulated::loaded(machines, Some(EVERY), time * LONGER));
    answers?;
    let a_second = |cpu: Duration, time: Duration| cpu.as_secs_f64() / time.as_secs_f64() * 1e3;
    let (them, us) = (a_second(theirs, time), a_second(ours, time * LONGER));
    Ok(Measured {
        figure: them / us,
        detail: format!("{them:.2} ms of CPU a simulated second against {us:.3} ms"),
    })
}
