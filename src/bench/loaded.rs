//! Simulated worlds of plain machines: nothing but the executive, the network and HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sim::{Ended, WorldConfig};

use super::{
    clock::cpu,
    plain::{Plain, name},
};

/// What a world of plain machines cost.
pub(super) struct Cost {
    /// CPU time.
    pub(super) cpu: Duration,
    /// Requests that were answered.
    pub(super) answers: u64,
}

/// Runs `machines` plain machines for `time`, each asking the next one `every` so often.
///
/// # Errors
/// Nothing was answered, or a machine failed.
pub(super) fn run(
    machines: usize,
    every: Option<Duration>,
    time: Duration,
) -> Result<Cost, String> {
    let answers = Arc::new(AtomicU64::new(0));
    let programs: Vec<_> =
        (0..machines).map(|number| Plain::asking((number, machines), every, &answers)).collect();
    let cpu = run_programs(programs, time)?;
    match answers.load(Ordering::Relaxed) {
        0 => Err("no request was answered".to_owned()),
        answers => Ok(Cost { cpu, answers }),
    }
}

/// Runs a machine for each program for `time`; the CPU time.
pub(super) fn run_programs(programs: Vec<Plain>, time: Duration) -> Result<Duration, String> {
    let config = WorldConfig { seed: 1, limit: time + time, ..WorldConfig::default() };
    let (outcome, cpu) = cpu(|| {
        sim::run(config, move |world| async move {
            for (number, program) in programs.into_iter().enumerate() {
                world.add_machine(&name(number), Arc::new(program));
                world.boot(&name(number));
            }
            tokio::time::sleep(time).await;
        })
    });
    match outcome.ended {
        Ended::Finished => Ok(cpu),
        other => Err(format!("the world ended otherwise than it should: {other:?}")),
    }
}
