//! The plain program in the simulated world: nothing but the executive, the network and HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sim::{Ended, World, WorldConfig};

use crate::plain::{Plain, ask_times, name, server};

/// Longer than any number of requests takes.
const LONG: Duration = Duration::from_hours(24 * 365);

/// Runs idle machines for `time`.
///
/// # Errors
/// A machine failed.
pub fn idle(machines: usize, time: Duration) -> Result<(), String> {
    run_programs(vec![Plain::idle(); machines], time)
}

/// Runs machines for `time`, each asking the next one `every` so often, or without a pause. Returns
/// how many requests were answered.
///
/// # Errors
/// Nothing was answered, or a machine failed.
pub fn loaded(machines: usize, every: Option<Duration>, time: Duration) -> Result<u64, String> {
    answered(time, |answers| {
        (0..machines).map(|number| Plain::asking((number, machines), every, answers)).collect()
    })
}

/// Runs one machine, and `clients` more that each ask it `every` so often, for `time`. Returns how
/// many requests were answered.
///
/// # Errors
/// Nothing was answered, or a machine failed.
pub fn one_server(clients: usize, every: Duration, time: Duration) -> Result<u64, String> {
    answered(time, |answers| {
        let client =
            || Plain { peer: Some(server()), ..Plain::asking((0, 1), Some(every), answers) };
        std::iter::once(Plain::idle()).chain(std::iter::repeat_with(client).take(clients)).collect()
    })
}

/// Wall time of `times` requests, one after the other, of one client to one server.
///
/// # Errors
/// One was not answered.
pub fn requests(times: u64) -> Result<Duration, String> {
    in_world(LONG, move |world| {
        add(&world, vec![Plain::idle()]);
        let client = world.add_seat("client");
        async move { ask_times(&client, &server(), times).await }
    })?
}

/// Runs `play` in a world of seed 1 and returns what it gave.
pub(crate) fn in_world<T, F>(
    limit: Duration,
    play: impl FnOnce(World) -> F + Send + 'static,
) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let config = WorldConfig { seed: 1, limit, ..WorldConfig::default() };
    let outcome = sim::run(config, play);
    match (outcome.ended, outcome.value) {
        (Ended::Finished, Some(value)) => Ok(value),
        (other, _) => Err(format!("the world ended otherwise than it should: {other:?}")),
    }
}

fn answered(
    time: Duration,
    programs: impl FnOnce(&Arc<AtomicU64>) -> Vec<Plain>,
) -> Result<u64, String> {
    let answers = Arc::new(AtomicU64::new(0));
    run_programs(programs(&answers), time)?;
    match answers.load(Ordering::Relaxed) {
        0 => Err("no request was answered".to_owned()),
        answers => Ok(answers),
    }
}

fn run_programs(programs: Vec<Plain>, time: Duration) -> Result<(), String> {
    in_world(time + time, move |world| async move {
        add(&world, programs);
        tokio::time::sleep(time).await;
    })
}

fn add(world: &World, programs: Vec<Plain>) {
    for (number, program) in programs.into_iter().enumerate() {
        world.add_machine(&name(number), Arc::new(program));
        world.boot(&name(number));
    }
}
