use std::collections::HashMap;
use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

// The hasher is seeded at random, so where keys collide differs from run to run.
#[library_benchmark]
fn random_state() -> u64 {
    let mut map = HashMap::new();
    for key in 0..1_000_u64 {
        map.insert(black_box(key), key);
    }
    black_box((0..1_000).filter_map(|key| map.get(&black_box(key))).sum())
}

library_benchmark_group!(name = noisy; benchmarks = random_state);
main!(library_benchmark_groups = noisy);
