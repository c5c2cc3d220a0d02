//! The catalogue is sound, and both harnesses run exactly what it lists.

use std::collections::BTreeSet;
use std::path::Path;

/// The ids that the files of `instructions/` wire up: suite from the file, subject from the
/// function, case from the attribute.
fn counted() -> BTreeSet<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions");
    let mut ids = BTreeSet::new();
    for file in std::fs::read_dir(dir).expect("the directory is there") {
        let path = file.expect("it can be listed").path();
        let suite = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a plain name");
        let text = std::fs::read_to_string(&path).expect("it can be read");
        assert!(
            text.contains(&format!("name = {suite};")),
            "{suite}: the group's name"
        );
        let mut cases = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("#[bench::") {
                assert!(rest.contains("(levelled("), "on no level heap: {line}");
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                cases.push(&rest[..end.expect("arguments")]);
            }
            if let Some(rest) = line.strip_prefix("fn ") {
                let subject = rest.split('(').next().expect("arguments");
                ids.extend(
                    cases
                        .drain(..)
                        .map(|case| format!("{suite}/{subject}/{case}")),
                );
            }
        }
    }
    ids
}

#[test]
fn every_workload_passes_its_check() {
    for workload in benches::catalogue() {
        println!("{}", workload.id());
        let mut pass = workload.prepare();
        pass.run();
        pass.check();
    }
}

#[test]
fn ids_are_well_formed_and_unique() {
    let mut seen = BTreeSet::new();
    for workload in benches::catalogue() {
        let id = workload.id();
        let parts: Vec<_> = id.split('/').collect();
        assert_eq!(parts.len(), 3, "{id} is not suite/subject/case");
        let plain = |part: &&str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(
            parts.iter().all(plain),
            "{id} has a part that is no identifier"
        );
        assert!(seen.insert(id), "{id} is listed twice");
    }
}

#[test]
fn both_harnesses_run_the_same_workloads() {
    let listed: BTreeSet<_> = benches::catalogue()
        .iter()
        .map(|workload| workload.id().to_owned())
        .collect();
    assert_eq!(counted(), listed);
}
