use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark]
fn work() -> u32 {
    black_box(sample::checksum(black_box(&[1; 100])))
}

library_benchmark_group!(name = twice; benchmarks = work);
main!(library_benchmark_groups = twice, twice);
