//! What one commit costs, WAL and `synchronous=FULL`: on the simulated disk, and on a real file.

mod short;

use criterion::Criterion;
use workloads::commits;

fn main() {
    short::measure(&[commit]);
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    for (disk, commits) in
        [("simulated", commits::simulated as fn(u64) -> _), ("file", commits::on_file)]
    {
        group.bench_function(disk, |bencher| {
            bencher.iter_custom(|times| commits(times).expect("each succeeds"));
        });
    }
}
