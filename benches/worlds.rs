//! What a world of plain machines costs: idle, loaded, with many connections, with a long journal,
//! and in stock turmoil.
//!
//! The throughput counts machines times simulated seconds. Where each machine does the same in each
//! second it is flat as long as the cost is linear, and falls with whatever is quadratic. Divided by
//! the machines, it is simulated seconds per second.

mod short;

use std::{fmt::Display, time::Duration};

use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime as Clock,
};
use workloads::{simulated, stock_turmoil};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

fn main() {
    short::measure(&[idle, loaded, connections, journal, idle_in_turmoil, loaded_in_turmoil]);
}

/// Machines to which nothing happens for an hour. What is left is their boot.
fn idle(criterion: &mut Criterion) {
    let mut group = group(criterion, "idle");
    for machines in [3, 10, 100, 1000] {
        let run = || simulated::idle(machines, HOUR);
        measure(&mut group, machines, (machines, HOUR), run);
    }
}

/// Machines that each ask the next one once a second.
fn loaded(criterion: &mut Criterion) {
    let mut group = group(criterion, "loaded");
    let time = 20 * SECOND;
    for machines in [3, 10, 100, 1000] {
        let run = || simulated::loaded(machines, Some(SECOND), time);
        measure(&mut group, machines, (machines, time), run);
    }
}

/// Machines that all ask the same one once a second, which has a connection with each of them.
fn connections(criterion: &mut Criterion) {
    let mut group = group(criterion, "connections");
    let time = 20 * SECOND;
    for clients in [10, 100, 1000] {
        let run = || simulated::one_server(clients, SECOND, time);
        measure(&mut group, clients, (clients, time), run);
    }
}

/// Ten machines that each ask the next one once a second, for longer and longer.
fn journal(criterion: &mut Criterion) {
    let mut group = group(criterion, "journal");
    for seconds in [10, 100, 1000] {
        let time = seconds * SECOND;
        let run = || simulated::loaded(10, Some(SECOND), time);
        measure(&mut group, format_args!("{seconds}s"), (10, time), run);
    }
}

/// Idle machines in stock turmoil, which does not skip idle time.
fn idle_in_turmoil(criterion: &mut Criterion) {
    let mut group = group(criterion, "turmoil-idle");
    for (machines, time) in [(3, 10 * SECOND), (10, 5 * SECOND), (100, SECOND)] {
        let run = || stock_turmoil::idle(machines, time);
        measure(&mut group, machines, (machines, time), run);
    }
}

/// Machines in stock turmoil that each ask the next one once a second.
fn loaded_in_turmoil(criterion: &mut Criterion) {
    let mut group = group(criterion, "turmoil-loaded");
    for (machines, time) in [(3, 10 * SECOND), (10, 5 * SECOND), (100, 2 * SECOND)] {
        let run = || stock_turmoil::loaded(machines, SECOND, time);
        measure(&mut group, machines, (machines, time), run);
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, Clock> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

fn measure<T>(
    group: &mut BenchmarkGroup<'_, Clock>,
    parameter: impl Display,
    (machines, time): (usize, Duration),
    run: impl Fn() -> Result<T, String>,
) {
    group.throughput(Throughput::Elements(machines as u64 * time.as_secs()));
    group.bench_function(parameter.to_string(), |bencher| {
        bencher.iter(|| run().expect("the world ends as it should"));
    });
}
