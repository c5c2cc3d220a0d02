use std::hint::black_box;

use bench::pairs;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

type Pairs = Vec<(String, String)>;

fn over(pairs: &Pairs, distance: impl Fn(&str, &str) -> usize) -> usize {
    pairs.iter().map(|(a, b)| distance(black_box(a), black_box(b))).sum()
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn hamming(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::hamming(a, b).unwrap_or(0)), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn jaro(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::jaro(a, b) as usize), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn jaro_winkler(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::jaro_winkler(a, b) as usize), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn levenshtein(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::levenshtein(a, b)), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn osa(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::osa_distance(a, b)), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
#[bench::greek('\u{3b1}')]
fn damerau(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::damerau_levenshtein(a, b)), pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn generic_damerau(pairs: Pairs) -> (usize, Pairs) {
    let sum = over(&pairs, |a, b| {
        strsim::generic_damerau_levenshtein(a.as_bytes(), b.as_bytes())
    });
    (sum, pairs)
}

#[library_benchmark(setup = pairs)]
#[bench::latin('a')]
fn sorensen(pairs: Pairs) -> (usize, Pairs) {
    (over(&pairs, |a, b| strsim::sorensen_dice(a, b) as usize), pairs)
}

library_benchmark_group!(
    name = distance;
    benchmarks = hamming, jaro, jaro_winkler, levenshtein, osa, damerau, generic_damerau, sorensen
);
main!(library_benchmark_groups = distance);
