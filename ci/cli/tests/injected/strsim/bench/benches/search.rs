use std::hint::black_box;

use bench::text;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(setup = text)]
#[bench::words(8)]
fn find(text: String) -> (usize, String) {
    let found = memchr::memmem::find_iter(black_box(text.as_bytes()), b"zz ").count();
    let spaces = memchr::memchr_iter(b'~', black_box(text.as_bytes())).count();
    (found + spaces, text)
}

#[library_benchmark(setup = text)]
#[bench::words(8)]
fn count(text: String) -> (usize, String) {
    let mut counts = hashbrown::HashMap::<&str, u32>::new();
    for word in black_box(&*text).split(' ') {
        *counts.entry(word).or_insert(0) += 1;
    }
    let distinct = counts.len();
    drop(counts);
    (distinct, text)
}

library_benchmark_group!(name = search; benchmarks = find, count);
main!(library_benchmark_groups = search);
