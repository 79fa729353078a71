//! A request and its answer over the simulated network, against real TCP over the loopback.

use std::time::Duration;

use workloads::{clock::cpu, loopback, simulated};

use super::{
    row::{Length, Measured},
    turns::{Round, median},
};

const MACHINES: usize = 3;

/// Both run the same program: three machines, each of which asks the next one without pause.
pub(super) fn simulated_against_loopback(length: Length) -> Result<Measured, String> {
    let (rounds, seconds) = length.pick((5, 40), (1, 30));
    let simulated_time = Duration::from_secs(seconds);
    let real_time = Duration::from_millis(300);
    let round = median(
        rounds,
        || micros_each(|| simulated::loaded(MACHINES, None, simulated_time)),
        || micros_each(|| loopback::loaded(MACHINES, real_time)),
    )?;
    let Round { inner: simulated, outer: real } = round;
    let each = format!("{simulated:.1} us of CPU per request against {real:.1} us");
    Ok(Measured { figure: round.ratio(), detail: format!("{each}, median of {rounds}") })
}

/// Returns the CPU time of an answer, in microseconds.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn micros_each(load: impl FnOnce() -> Result<u64, String>) -> Result<f64, String> {
    let (answers, cpu) = cpu(load);
    Ok(cpu.as_secs_f64() * 1e6 / answers? as f64)
}
