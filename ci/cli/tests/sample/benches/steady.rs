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

/// Leaves the working directory's path on the heap, so that its length decides where the copy's
/// memory lies: what a chamber has to make up for.
fn located(length: usize) -> Vec<u8> {
    let here = std::env::current_dir().expect("a working directory");
    black_box(Box::leak(here.into_boxed_path()));
    vec![1; length]
}

#[library_benchmark(setup = located)]
#[bench::kib4(4096)]
fn copy(data: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    (black_box(&data).clone(), data)
}

library_benchmark_group!(name = steady; benchmarks = checksum, copy);
main!(library_benchmark_groups = steady);
