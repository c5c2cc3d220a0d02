//! The fuzz targets over their corpus, and over changed copies of it, without a fuzzer.

use std::path::Path;

use engine::random::SplitMix64;

#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

fn below(bound: usize, random: &mut SplitMix64) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or_default()
}

fn change(bytes: &mut Vec<u8>, random: &mut SplitMix64) {
    for _ in 0..=below(3, random) {
        if bytes.is_empty() {
            return;
        }
        let at = below(bytes.len(), random);
        match below(4, random) {
            0 => bytes[at] ^= 1 << below(8, random),
            1 => bytes[at] = [0, 1, 2, 0x7f, 0xff][below(5, random)],
            2 => bytes.truncate(at),
            _ => {
                let end = (at + below(40, random)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
        }
    }
}

#[test]
fn every_target_keeps_its_promises_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut random = SplitMix64::new(0);
    for (name, target) in targets::TARGETS {
        let mut files = 0;
        for file in std::fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let seed = std::fs::read(file.expect("it can be listed").path()).expect("a file");
            target(&seed);
            for _ in 0..400 {
                let mut changed = seed.clone();
                change(&mut changed, &mut random);
                target(&changed);
            }
            files += 1;
        }
        assert!(files > 1, "{name} has too few seeds");
    }
}
