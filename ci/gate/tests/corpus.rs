//! The fuzz targets over their corpus, and over changed copies of it, without a fuzzer.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let files = std::fs::read_dir(corpus).expect("every target has a corpus");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read(file.expect("it can be listed").path()).expect("a file")
    };
    files.map(read).collect()
}

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() > 1, "{name} has too few seeds");
        for seed in &seeds {
            target(seed);
        }
    }
}

proptest! {
    #[test]
    fn every_target_keeps_its_promises_on_changed_copies(
        target: Index, seed: Index, changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..40_usize), 1..4)
    ) {
        let (name, target) = target.get(&targets::TARGETS);
        let mut bytes = seed.get(&seeds(name)).clone();
        for (at, byte, length) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match byte % 4 {
                0 => bytes[at] ^= 1 << (byte >> 5),
                1 => bytes[at] = byte,
                2 => bytes.truncate(at),
                _ => {
                    let end = (at + length).min(bytes.len());
                    bytes.extend_from_within(at..end);
                }
            }
        }
        target(&bytes);
    }
}
