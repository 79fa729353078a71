//! Whole scenarios: boot, clients, homeservers, checks, verdict.

use std::time::Duration;

use scenarios::Scenario;
use workloads::{
    clock::cpu,
    federations::{pass, rooms_of_three, three_backends},
};

use super::{
    idle::times_real_time,
    row::{Length, Measured},
};

/// Three backends, one `m1` message a second.
pub(super) fn one_m1_a_second(length: Length) -> Result<Measured, String> {
    let messages = length.pick(600, 30);
    let cpu = run_once(&three_backends(messages), 1)?;
    Ok(times_real_time(Duration::from_secs(messages), cpu))
}

/// A hundred backends, each sending once a second into a room of three.
pub(super) fn hundred_senders(length: Length) -> Result<Measured, String> {
    let (backends, seconds) = (100, length.pick(60, 5));
    let cpu = run_once(&rooms_of_three(backends, seconds), 1)?;
    let mut measured = times_real_time(Duration::from_secs(seconds), cpu);
    measured.detail.push_str(", setup and checks included");
    Ok(measured)
}

/// Runs of the scenario with ten messages, one after another.
pub(super) fn runs_a_second(length: Length) -> Result<Measured, String> {
    let (scenario, runs) = (ten_messages(), length.pick(100, 5));
    // Makes the prepared disks, and is not counted: every further run has them.
    pass(&scenario, 0)?;
    let mut spent = Duration::ZERO;
    for seed in 1..=runs {
        spent += run_once(&scenario, seed)?;
    }
    let each = spent.as_secs_f64() / f64::from(u32::try_from(runs).unwrap_or(u32::MAX));
    Ok(Measured {
        figure: 1.0 / each,
        detail: format!("{:.2} ms of CPU a run, mean of {runs} seeds", each * 1e3),
    })
}

/// The scenario that many rows run: three backends, ten `m1` messages.
pub(super) fn ten_messages() -> Scenario {
    three_backends(10)
}

/// Runs it; the CPU time from boot to verdict.
fn run_once(scenario: &Scenario, seed: u64) -> Result<Duration, String> {
    let (passed, cpu) = cpu(|| pass(scenario, seed));
    passed.map(|()| cpu)
}
