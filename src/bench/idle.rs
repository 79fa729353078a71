//! What a world costs in which nothing happens but timers.

use std::time::Duration;

use workloads::{clock::cpu, servers, simulated};

use super::row::{Length, Measured};

const MACHINES: usize = 1000;
const HOUR: Duration = Duration::from_hours(1);

/// A thousand plain machines.
pub(super) fn machines(length: Length) -> Result<Measured, String> {
    let time = length.pick(HOUR, Duration::from_mins(6));
    let (ran, cpu) = cpu(|| simulated::idle(MACHINES, time));
    ran?;
    Ok(times_real_time(time, cpu))
}

/// A thousand homeservers, each of which asks one of a hundred relays for its mail.
pub(super) fn homeservers(length: Length) -> Result<Measured, String> {
    let time = length.pick(HOUR, Duration::from_mins(6));
    let (entries, cpu) = cpu(|| servers::idle(MACHINES, time));
    let entries = entries?;
    let Measured { figure, detail } = times_real_time(time, cpu);
    let detail = format!("{detail}, boot included, {entries} journal entries");
    Ok(Measured { figure, detail })
}

/// Simulated time by CPU time.
pub(super) fn times_real_time(time: Duration, cpu: Duration) -> Measured {
    Measured {
        figure: time.as_secs_f64() / cpu.as_secs_f64(),
        detail: format!("{:.3} s of CPU for {} simulated s", cpu.as_secs_f64(), time.as_secs()),
    }
}
