use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

// The clock is the machine's, and nothing pins it.
#[library_benchmark]
fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (0..10_000 + u64::from(now.subsec_nanos()) % 9_973).fold(0, |sum, it| black_box(sum ^ it))
}

library_benchmark_group!(name = noisy; benchmarks = clock);
main!(library_benchmark_groups = noisy);
