//! The same plain machines in stock `turmoil`, for comparison.

use std::time::Duration;

use workloads::{simulated, stock_turmoil};

use super::{
    row::{Length, Measured},
    turns::{Round, cpu_by, median},
};

/// How long each machine waits between two requests.
const EVERY: Duration = Duration::from_secs(1);
/// How many times as long the simulated world runs, so that its CPU time exceeds the clock's error.
const LONGER: u32 = 20;

/// Three machines.
pub(super) fn three(length: Length) -> Result<Measured, String> {
    compare(3, length.pick((5, 20), (1, 10)))
}

/// Thirty machines.
pub(super) fn thirty(length: Length) -> Result<Measured, String> {
    compare(30, length.pick((3, 10), (1, 4)))
}

/// A hundred machines.
pub(super) fn hundred(length: Length) -> Result<Measured, String> {
    compare(100, length.pick((3, 4), (1, 3)))
}

fn compare(machines: usize, (rounds, seconds): (u32, u64)) -> Result<Measured, String> {
    let time = Duration::from_secs(seconds);
    let longer = time * LONGER;
    let theirs = || stock_turmoil::loaded(machines, EVERY, time).map(drop);
    let ours = || simulated::loaded(machines, Some(EVERY), longer).map(drop);
    let round = median(
        rounds,
        || cpu_by(time.as_secs_f64(), theirs),
        || cpu_by(longer.as_secs_f64(), ours),
    )?;
    let Round { inner: theirs, outer: ours } = round;
    Ok(Measured {
        figure: round.ratio(),
        detail: format!(
            "{:.2} ms of CPU per simulated second against {:.3} ms, median of {rounds}",
            theirs * 1e3,
            ours * 1e3,
        ),
    })
}
