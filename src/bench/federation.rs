//! Whole scenarios: boot, clients, homeservers, checks, verdict.

use std::time::Duration;

use scenarios::Scenario;
use workloads::federations::{
    pass, pass_in_turmoil, pass_recorded, rooms_of_three, three_backends,
};

use super::{
    idle::simulated_seconds,
    row::{Length, Measured, number},
    turns::{Round, cpu_by, median, per_yardstick},
};

/// How many runs stand between two parts of a yardstick.
const RUNS_A_ROUND: u32 = 10;

/// The first seed in stock turmoil. No run in the simulated world uses that seed or a later one.
const THEIR_SEEDS: u64 = 1000;

/// Three backends and an `m1` message each second, in the simulated world and in stock turmoil.
pub(super) fn one_m1_a_second(length: Length) -> Result<Measured, String> {
    let (rounds, messages) = length.pick((5, 60), (1, 5));
    let scenario = three_backends(messages);
    // This run makes the prepared disks, which every later run uses, and is not counted.
    pass(&ten_messages(), 0)?;
    let mut seed = seeds_from(1);
    let mut theirs = seeds_from(THEIR_SEEDS);
    let time = Duration::from_secs(messages).as_secs_f64();
    let Round { inner: turmoil, outer: ours } = median(
        rounds,
        || cpu_by(time, || pass_in_turmoil(&scenario, theirs())),
        || cpu_by(time, || pass_recorded(&scenario, seed())),
    )?;
    Ok(Measured {
        figure: turmoil / ours,
        detail: format!(
            "{} x real time, stock turmoil {} x, boot to record; median of {rounds}",
            number(1.0 / ours),
            number(1.0 / turmoil),
        ),
    })
}

/// A hundred backends, each of which sends once a second into a room of three.
pub(super) fn hundred_senders(length: Length) -> Result<Measured, String> {
    let (rounds, part) = length.pick((3, 50), (1, 5));
    let (backends, seconds) = (100, length.pick(60, 5));
    let scenario = rooms_of_three(backends, seconds);
    let mut next = seeds_from(1);
    let run = || pass(&scenario, next());
    let time = Duration::from_secs(seconds).as_secs_f64();
    let mut measured = simulated_seconds(per_yardstick((rounds, part), time, run)?);
    measured.detail.push_str("; setup and checks included");
    Ok(measured)
}

/// Runs of the scenario with ten messages, one after the other.
pub(super) fn runs_a_yardstick(length: Length) -> Result<Measured, String> {
    let (scenario, rounds) = (ten_messages(), length.pick(15, 1));
    // This run makes the prepared disks, which every later run uses, and is not counted.
    pass(&scenario, 0)?;
    let mut next = seeds_from(1);
    let runs = || (0..RUNS_A_ROUND).try_for_each(|_| pass(&scenario, next()));
    let Round { inner: run, outer: yardstick } =
        per_yardstick((rounds, RUNS_A_ROUND / 2), f64::from(RUNS_A_ROUND), runs)?;
    Ok(Measured {
        figure: yardstick / run,
        detail: format!(
            "{} runs per CPU second, {:.2} ms each; a yardstick {yardstick:.3} s; median of \
             {rounds}",
            number(1.0 / run),
            run * 1e3,
        ),
    })
}

/// Returns the scenario that several rows run: three backends, ten `m1` messages.
pub(super) fn ten_messages() -> Scenario {
    three_backends(10)
}

/// Returns a new seed for each run: what a thread has learned from one seed must not make another
/// run cheap.
fn seeds_from(first: u64) -> impl FnMut() -> u64 {
    let mut seeds = first..;
    move || seeds.next().unwrap_or_default()
}
