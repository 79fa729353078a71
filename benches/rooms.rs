//! What a federation costs as it grows: as many rooms of three as backends, boot to verdict.
//!
//! The throughput counts messages. A backend has as much to do in a large federation as in a small
//! one, so that it is flat as long as the cost is linear.

mod seeds;
mod short;

use criterion::{Criterion, SamplingMode, Throughput};
use workloads::federations::rooms_of_three;

use crate::seeds::passes;

/// For how long each user sends a message a second.
const SECONDS: u64 = 5;

fn main() {
    short::measure(&[rooms]);
}

fn rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rooms");
    group.sampling_mode(SamplingMode::Flat);
    for backends in [3, 10, 30, 100] {
        group.throughput(Throughput::Elements(backends as u64 * SECONDS));
        let mut run = passes(rooms_of_three(backends, SECONDS));
        group.bench_function(backends.to_string(), |bencher| bencher.iter(&mut run));
    }
}
