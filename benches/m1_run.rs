//! What a run of three backends costs, boot to verdict, and how that grows with its messages.

mod seeds;
mod short;

use criterion::{Criterion, SamplingMode, Throughput};
use workloads::federations::three_backends;

use crate::seeds::passes;

fn main() {
    short::measure(&[runs, messages]);
}

/// Runs of ten `m1` messages, a second apart; the throughput is runs a second.
fn runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("m1-run");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    let mut run = passes(three_backends(10));
    group.bench_function("run", |bencher| bencher.iter(&mut run));
}

/// The same with fewer and more messages; the throughput is messages a second. It rises as boot
/// weighs less, and falls with whatever is quadratic in the length of the journal.
fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("m1-messages");
    group.sampling_mode(SamplingMode::Flat);
    for messages in [1, 10, 100] {
        group.throughput(Throughput::Elements(messages));
        let mut run = passes(three_backends(messages));
        group.bench_function(messages.to_string(), |bencher| bencher.iter(&mut run));
    }
}
