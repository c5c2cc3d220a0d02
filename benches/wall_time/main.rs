//! Wall time of every workload of the catalogue, and of several threads on one table. Shown, never
//! checked.

mod memtable;

use criterion::{BatchSize, Criterion};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for workload in benches::catalogue() {
        criterion.bench_function(workload.id(), |bencher| {
            let setup = || workload.prepare();
            bencher.iter_batched_ref(setup, |pass| pass.run(), BatchSize::LargeInput);
        });
    }
    memtable::concurrent(&mut criterion);
    criterion.final_summary();
}
