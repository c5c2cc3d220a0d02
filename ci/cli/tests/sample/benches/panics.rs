use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark]
#[bench::fine(1)]
#[bench::bad(0)]
fn divide(by: u32) -> u32 {
    let data: Vec<u8> = (0..100).collect();
    assert!(black_box(by) > 0, "cannot divide by nothing");
    black_box(sample::checksum(black_box(&data)) / black_box(by))
}

library_benchmark_group!(name = panics; benchmarks = divide);
main!(library_benchmark_groups = panics);
