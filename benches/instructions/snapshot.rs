//! Instructions of the snapshot. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::snapshot::{
    Encode, Load, Lookup, Restore, Saved, Size, encode_check, encode_setup, load_check, load_setup,
    lookup_check, lookup_setup, open_check, open_setup, restore_check, restore_setup, save_check,
    save_setup,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = encode_check)]
#[bench::n1000(levelled(|| encode_setup(Size::Usual)))]
#[bench::tiny(levelled(|| encode_setup(Size::Tiny)))]
#[bench::large(levelled(|| encode_setup(Size::Large)))]
fn encode(input: Encode) -> Encode {
    benches::snapshot::encode(input)
}

#[library_benchmark(teardown = load_check)]
#[bench::n1000(levelled(|| load_setup(Size::Usual)))]
#[bench::tiny(levelled(|| load_setup(Size::Tiny)))]
#[bench::large(levelled(|| load_setup(Size::Large)))]
fn load(input: Load) -> Load {
    benches::snapshot::load(input)
}

#[library_benchmark(teardown = restore_check)]
#[bench::n1000(levelled(|| restore_setup(Size::Usual)))]
#[bench::tiny(levelled(|| restore_setup(Size::Tiny)))]
fn restore(input: Restore) -> Restore {
    benches::snapshot::restore(input)
}

#[library_benchmark(teardown = lookup_check)]
#[bench::hit(levelled(|| lookup_setup(true)))]
#[bench::miss(levelled(|| lookup_setup(false)))]
fn get(input: Lookup) -> Lookup {
    benches::snapshot::lookup(input)
}

#[library_benchmark(teardown = save_check)]
#[bench::n1000(levelled(save_setup))]
fn save(input: Saved) -> Saved {
    benches::snapshot::save_all(input)
}

#[library_benchmark(teardown = open_check)]
#[bench::passed_over(levelled(open_setup))]
fn open(input: Saved) -> Saved {
    benches::snapshot::open(input)
}

library_benchmark_group!(
    name = snapshot;
    benchmarks = encode, load, restore, get, save, open
);
main!(library_benchmark_groups = snapshot);
