use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| index as u8).collect()
}

#[library_benchmark]
#[bench::n100(args = (100), setup = data)]
#[bench::n1000(args = (1000), setup = data)]
fn checksum(data: Vec<u8>) -> (u32, Vec<u8>) {
    (black_box(sample::checksum(black_box(&data))), data)
}

#[library_benchmark]
fn copy() -> Vec<u8> {
    black_box(vec![black_box(1_u8); 4096]).clone()
}

library_benchmark_group!(name = steady; benchmarks = checksum, copy);
main!(library_benchmark_groups = steady);
