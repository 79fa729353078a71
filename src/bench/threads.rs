//! Two threads against one.

use std::{ops::ControlFlow, thread::available_parallelism, time::Duration};

use explore::workers;
use workloads::{clock::wall, federations::pass};

use super::{
    federation::ten_messages,
    row::{Length, Measured},
};

/// The same runs on two threads and on one, in wall time. The best of several tries counts, because
/// whatever else the machine does slows the two threads first.
pub(super) fn two_against_one(length: Length) -> Result<Measured, String> {
    let (runs, tries) = (length.pick(60, 6), length.pick(5, 1));
    let mut best = None::<(f64, Duration, Duration)>;
    for _ in 0..tries {
        let (one, two) = (run_all(runs, 1)?, run_all(runs, 2)?);
        let ratio = one.as_secs_f64() / two.as_secs_f64();
        if best.is_none_or(|(before, ..)| ratio > before) {
            best = Some((ratio, one, two));
        }
    }
    let (figure, one, two) = best.ok_or("nothing was run")?;
    let mut detail = format!(
        "{runs} runs in {:.3} s on one thread, {:.3} s on two, best of {tries}",
        one.as_secs_f64(),
        two.as_secs_f64(),
    );
    if available_parallelism().is_ok_and(|cores| cores.get() == 1) {
        detail.push_str("; there is only one core, so nothing to gain");
    }
    Ok(Measured { figure, detail })
}

fn run_all(runs: usize, threads: usize) -> Result<Duration, String> {
    let scenario = ten_messages();
    let mut problem = None;
    let run = |seed: usize| pass(&scenario, seed as u64 + 1);
    let keep = |passed: Result<(), String>| match passed {
        Ok(()) => ControlFlow::Continue(()),
        Err(why) => {
            problem = Some(why);
            ControlFlow::Break(())
        }
    };
    let (done, time) = wall(|| workers::in_order(runs, threads, run, keep));
    done.map_err(|error| format!("failed to start a thread: {error}"))?;
    problem.map_or(Ok(time), Err)
}
