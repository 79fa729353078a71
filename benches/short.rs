//! How every benchmark measures: a few short samples, because one iteration does a lot by itself.

use std::time::Duration;

use criterion::Criterion;

/// The allocator of the command, so that the figures are those of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, unless the command line says how in another way.
pub(crate) fn measure(benchmarks: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .configure_from_args();
    for benchmark in benchmarks {
        benchmark(&mut criterion);
    }
    criterion.final_summary();
}
