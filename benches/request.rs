//! What one request and its answer cost: simulated, over the real loopback, and in stock turmoil.
//!
//! The program is the same, one client that asks one server again and again on one connection; its
//! boot does not count. Turmoil's figure holds the idle ticks between request and answer.

mod short;

use criterion::Criterion;
use workloads::{loopback, simulated, stock_turmoil};

fn main() {
    short::measure(&[request]);
}

fn request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (world, requests) in [
        ("simulated", simulated::requests as fn(u64) -> _),
        ("loopback", loopback::requests),
        ("turmoil", stock_turmoil::requests),
    ] {
        group.bench_function(world, |bencher| {
            bencher.iter_custom(|times| requests(times).expect("each is answered"));
        });
    }
}
