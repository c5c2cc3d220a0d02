//! Instructions of the store. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::kv::{
    Keys, Points, Rebuild, Scan, delete_check, get_check, points_setup, put_check, rebuild_check,
    rebuild_setup, scan_check, scan_setup,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = put_check)]
#[bench::new(levelled(|| points_setup(Keys::New)))]
#[bench::update(levelled(|| points_setup(Keys::Present)))]
fn put(input: Points) -> Points {
    benches::kv::put(input)
}

#[library_benchmark(teardown = get_check)]
#[bench::hit(levelled(|| points_setup(Keys::Present)))]
#[bench::miss(levelled(|| points_setup(Keys::New)))]
fn get(input: Points) -> Points {
    benches::kv::get(input)
}

#[library_benchmark(teardown = delete_check)]
#[bench::hit(levelled(|| points_setup(Keys::Present)))]
fn delete(input: Points) -> Points {
    benches::kv::delete(input)
}

#[library_benchmark(teardown = get_check)]
#[bench::hit(levelled(|| points_setup(Keys::Present)))]
fn exists(input: Points) -> Points {
    benches::kv::exists(input)
}

#[library_benchmark(teardown = scan_check)]
#[bench::n10(levelled(|| scan_setup(10)))]
#[bench::n1000(levelled(|| scan_setup(1000)))]
fn prefix_scan(input: Scan) -> Scan {
    benches::kv::prefix_scan(input)
}

#[library_benchmark(teardown = rebuild_check)]
#[bench::n1000(levelled(rebuild_setup))]
fn rebuild(input: Rebuild) -> Rebuild {
    benches::kv::rebuild(input)
}

library_benchmark_group!(
    name = kv;
    benchmarks = put, get, delete, exists, prefix_scan, rebuild
);
main!(library_benchmark_groups = kv);
