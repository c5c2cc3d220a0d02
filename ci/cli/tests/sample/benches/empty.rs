use std::hint::black_box;

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

// What an empty function costs that has an argument and a result.
#[library_benchmark]
#[bench::number(7)]
fn passed_on(number: u64) -> u64 {
    black_box(number)
}

// Small and honest.
#[library_benchmark]
#[bench::of_five(&[3, 1, 4, 1, 5])]
fn largest(numbers: &[u64]) -> u64 {
    let mut largest = 0;
    for number in black_box(numbers) {
        largest = largest.max(*number);
    }
    black_box(largest)
}

library_benchmark_group!(name = empty; benchmarks = nothing, passed_on, largest);
main!(library_benchmark_groups = empty);
