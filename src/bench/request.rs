//! One request and its answer through the simulated network, against real loopback TCP.

use std::time::Duration;

use workloads::{clock::cpu, loopback, simulated};

use super::row::{Length, Measured};

const MACHINES: usize = 3;

/// The program is the same: three machines, each asking the next one without a pause.
pub(super) fn simulated_against_loopback(length: Length) -> Result<Measured, String> {
    let time = Duration::from_millis(length.pick(2000, 300));
    let real = micros_each(|| loopback::loaded(MACHINES, time))?;
    let time = Duration::from_secs(length.pick(200, 30));
    let simulated = micros_each(|| simulated::loaded(MACHINES, None, time))?;
    Ok(Measured {
        figure: simulated / real,
        detail: format!("{simulated:.1} us of CPU a request against {real:.1} us"),
    })
}

/// CPU time of an answer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn micros_each(load: impl FnOnce() -> Result<u64, String>) -> Result<f64, String> {
    let (answers, cpu) = cpu(load);
    Ok(cpu.as_secs_f64() * 1e6 / answers? as f64)
}
