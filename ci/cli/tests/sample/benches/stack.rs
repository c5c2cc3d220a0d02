use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

static SOURCE: [u8; 8192] = [7; 8192];

// How `memcpy` goes about it depends on the distance between the two within a page, and so on
// where the stack begins.
#[library_benchmark]
fn copy() -> u32 {
    let mut target = [0_u8; 2000];
    let mut sum = 0;
    for start in (0..4096).step_by(512) {
        black_box(&mut target).copy_from_slice(black_box(&SOURCE[start..start + 2000]));
        sum += u32::from(black_box(&target)[0]);
    }
    sum
}

library_benchmark_group!(name = stack; benchmarks = copy);
main!(library_benchmark_groups = stack);
