use std::hint::black_box;

use gungraun::prelude::*;

fn numbers(length: u64) -> Vec<u64> {
    (0..length).collect()
}

#[library_benchmark]
#[bench::n100(args = (100), setup = numbers)]
#[bench::n1000(args = (1000), setup = numbers)]
fn squares(numbers: Vec<u64>) -> (u64, Vec<u64>) {
    (black_box(sample_gungraun::sum_of_squares(black_box(&numbers))), numbers)
}

#[library_benchmark]
#[benches::lengths(args = [200, 300], setup = numbers)]
fn twice(numbers: Vec<u64>) -> u64 {
    let sum = sample_gungraun::sum_of_squares(black_box(&numbers));
    sum.wrapping_add(sample_gungraun::sum_of_squares(black_box(&numbers)))
}

library_benchmark_group!(name = sums, benchmarks = squares);
library_benchmark_group!(name = repeated, benchmarks = twice);
main!(library_benchmark_groups = [sums, repeated]);
