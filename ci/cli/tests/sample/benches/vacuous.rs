use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark]
fn nothing() {
    // Neither input nor result is kept alive, so nothing of this is left.
    let mut sum = 0_u64;
    for number in 0..1000 {
        sum += number * number;
    }
    let _ = sum;
}

library_benchmark_group!(name = vacuous; benchmarks = nothing);
main!(library_benchmark_groups = vacuous);
