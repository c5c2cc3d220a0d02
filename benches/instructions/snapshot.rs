//! Instructions of the snapshot. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::snapshot::{
    Encode, Load, Restore, encode_check, encode_setup, load_check, load_setup, restore_check,
    restore_setup,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = encode_check)]
#[bench::n1000(levelled(encode_setup))]
fn encode(input: Encode) -> Encode {
    benches::snapshot::encode(input)
}

#[library_benchmark(teardown = load_check)]
#[bench::n1000(levelled(load_setup))]
fn load(input: Load) -> Load {
    benches::snapshot::load(input)
}

#[library_benchmark(teardown = restore_check)]
#[bench::n1000(levelled(restore_setup))]
fn restore(input: Restore) -> Restore {
    benches::snapshot::restore(input)
}

library_benchmark_group!(name = snapshot; benchmarks = encode, load, restore);
main!(library_benchmark_groups = snapshot);
