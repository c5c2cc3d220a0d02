//! Wall time of every workload of the catalogue. Shown, never checked.

use criterion::{BatchSize, Criterion};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for workload in benches::catalogue() {
        criterion.bench_function(workload.id(), |bencher| {
            let setup = || workload.prepare();
            bencher.iter_batched_ref(setup, |pass| pass.run(), BatchSize::LargeInput);
        });
    }
    criterion.final_summary();
}
