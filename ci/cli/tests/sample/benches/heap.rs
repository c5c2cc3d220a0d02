use std::hint::black_box;

use iai_callgrind::{
    Dhat, LibraryBenchmarkConfig, Memcheck, library_benchmark, library_benchmark_group, main,
};

#[library_benchmark]
fn boxes() -> u64 {
    let mut sum = 0;
    for number in 0..10_u64 {
        sum += *black_box(Box::new(number));
    }
    std::mem::forget(black_box(Box::new([0_u64; 8])));
    black_box(sum)
}

library_benchmark_group!(name = heap; benchmarks = boxes);
main!(
    config = LibraryBenchmarkConfig::default().tool(Dhat::default()).tool(Memcheck::default());
    library_benchmark_groups = heap
);
