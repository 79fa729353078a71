//! The plain program in stock `turmoil`, for comparison.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use turmoil::Sim;
use turmoil_world::host;

use crate::plain::{Plain, ask_times, name, server};

/// Turmoil's tick, its default; shorter ones are broken, longer ones delay every message.
const TICK: Duration = Duration::from_millis(1);

/// The seed of whatever is drawn.
const SEED: u64 = 1;

/// Runs idle machines for `time`.
///
/// # Errors
/// A machine failed.
pub fn idle(machines: usize, time: Duration) -> Result<(), String> {
    run_programs(vec![Plain::idle(); machines], time)
}

/// Runs machines for `time`, each asking the next one `every` so often. Returns how many requests
/// were answered.
///
/// # Errors
/// So few requests were answered that it did less work than it should, or a machine failed.
pub fn loaded(machines: usize, every: Duration, time: Duration) -> Result<u64, String> {
    let answers = Arc::new(AtomicU64::new(0));
    let program = |number| Plain::asking((number, machines), Some(every), &answers);
    run_programs((0..machines).map(program).collect(), time)?;
    // All but the last requests of each must have been answered.
    let each = (time.as_nanos() / every.as_nanos()).saturating_sub(1);
    let wanted = machines as u64 * u64::try_from(each).unwrap_or(u64::MAX);
    match answers.load(Ordering::Relaxed) {
        few if few < wanted => Err(format!("turmoil answered {few} requests of {wanted}")),
        answers => Ok(answers),
    }
}

/// Wall time of `times` requests, one after the other, of one client to one server.
///
/// # Errors
/// One was not answered.
pub fn requests(times: u64) -> Result<Duration, String> {
    let mut sim = new_sim(Duration::MAX);
    add(&mut sim, vec![Plain::idle()]);
    let took = Rc::new(Cell::new(None));
    let asked = Rc::clone(&took);
    sim.client("client", async move {
        asked.set(Some(ask_times(&host("client", SEED), &server(), times).await?));
        Ok(())
    });
    sim.run().map_err(|error| format!("turmoil: {error}"))?;
    took.get().ok_or_else(|| "turmoil ended before its client".to_owned())
}

fn run_programs(programs: Vec<Plain>, time: Duration) -> Result<(), String> {
    let mut sim = new_sim(time + time);
    add(&mut sim, programs);
    while sim.elapsed() < time {
        sim.step().map_err(|error| format!("turmoil: {error}"))?;
    }
    Ok(())
}

fn new_sim(limit: Duration) -> Sim<'static> {
    turmoil::Builder::new()
        .simulation_duration(limit)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .rng_seed(SEED)
        .build()
}

fn add(sim: &mut Sim<'_>, programs: Vec<Plain>) {
    for (number, program) in programs.into_iter().enumerate() {
        sim.host(name(number), move || {
            let program = program.clone();
            async move {
                program.start(host(&name(number), SEED)).await?;
                std::future::pending().await
            }
        });
    }
}
