use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};
use sample::points::{Points, far_apart};

fn points() -> Points {
    Points::new(20_000)
}

#[library_benchmark]
#[bench::n20000(setup = points)]
fn sum(points: Points) -> (u64, Points) {
    (black_box(far_apart(&points)), points)
}

library_benchmark_group!(name = caches; benchmarks = sum);
main!(library_benchmark_groups = caches);
