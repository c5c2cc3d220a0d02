use std::collections::HashMap;
use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

// The hasher is seeded at random, so where keys collide would differ from run to run.
#[library_benchmark]
fn random_state() -> u64 {
    let mut map = HashMap::new();
    for key in 0..1_000_u64 {
        map.insert(black_box(key), key);
    }
    black_box((0..1_000).filter_map(|key| map.get(&black_box(key))).sum())
}

// What is found out about processors depends on affinity and control groups.
#[library_benchmark]
fn processors() -> usize {
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    (0..count * 1_000).fold(0, |sum, it| black_box(sum ^ it))
}

// So does what the C library says of them, and of memory.
#[library_benchmark]
fn configured() -> i64 {
    unsafe extern "C" {
        fn sysconf(name: i32) -> i64;
    }
    let count = unsafe { sysconf(84) * 1_000 + sysconf(85) / 1_000 };
    (0..count).fold(0, |sum, it| black_box(sum ^ it))
}

library_benchmark_group!(name = machine; benchmarks = random_state, processors, configured);
main!(library_benchmark_groups = machine);
