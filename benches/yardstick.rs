//! What one run's share of the yardstick costs, and each kind of its work: how a machine spends it.

mod short;

use criterion::Criterion;
use workloads::yardstick::{self, COMMITS, DATABASES, HEADS, SIGNATURES, VERIFICATIONS};

fn main() {
    short::measure(&[yardstick]);
}

fn yardstick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yardstick");
    let works: [(_, fn() -> _); 5] = [
        ("signatures", || yardstick::sign(SIGNATURES)),
        ("verifications", || yardstick::verify(VERIFICATIONS)),
        ("commits", || (0..DATABASES).try_for_each(|_| yardstick::commit(COMMITS))),
        ("heads", || yardstick::parse(HEADS)),
        ("run", || yardstick::runs(1)),
    ];
    for (name, work) in works {
        group.bench_function(name, |bencher| bencher.iter(|| work().expect("it is done")));
    }
}
