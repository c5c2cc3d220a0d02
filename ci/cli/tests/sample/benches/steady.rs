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

/// Two buffers on the heap, in an order that the working directory's length decides: a long path
/// leaves a gap before the source into which the target fits. Which of the two comes first is what
/// `memcpy` looks at, and so what a measurement environment has to make up for.
fn apart(length: usize) -> (Vec<u8>, Vec<u8>) {
    let here = std::env::current_dir().expect("a working directory");
    let gap = here.to_string_lossy().repeat(64);
    let source = vec![1; length];
    drop(black_box(gap));
    (source, vec![2; length - 1000])
}

#[library_benchmark(setup = apart)]
#[bench::kib4(4096)]
fn copy(buffers: (Vec<u8>, Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    let (source, mut target) = buffers;
    for _ in 0..100 {
        black_box(&mut target[..2000]).copy_from_slice(black_box(&source[..2000]));
    }
    (source, target)
}

library_benchmark_group!(name = steady; benchmarks = checksum, copy);
main!(library_benchmark_groups = steady);
