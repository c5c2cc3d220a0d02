//! The fuzz targets over their corpus, and over changed copies of it, without a fuzzer.

use std::path::Path;

#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// A xorshift generator: the same changes in every run.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 32).unwrap_or_default()
}

fn change(bytes: &mut Vec<u8>, state: &mut u64) {
    for _ in 0..=next(state) % 3 {
        if bytes.is_empty() {
            return;
        }
        let at = next(state) % bytes.len();
        match next(state) % 4 {
            0 => bytes[at] ^= 1 << (next(state) % 8),
            1 => bytes[at] = [0, 1, 2, 0x7f, 0xff][next(state) % 5],
            2 => bytes.truncate(at),
            _ => {
                let end = (at + next(state) % 40).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
        }
    }
}

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for (name, target) in targets::TARGETS {
        let mut files = 0;
        for file in std::fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let seed = std::fs::read(file.expect("it can be listed").path()).expect("a file");
            target(&seed);
            for _ in 0..400 {
                let mut changed = seed.clone();
                change(&mut changed, &mut state);
                target(&changed);
            }
            files += 1;
        }
        assert!(files > 1, "{name} has too few seeds");
    }
}
