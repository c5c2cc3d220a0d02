//! The catalogue is valid, and the baselines list the same ids.

use std::collections::BTreeSet;
use std::path::Path;

use benches::workload::Workload;

fn listed() -> Vec<&'static str> {
    benches::catalogue().iter().map(Workload::id).collect()
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
    for id in listed() {
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

/// A suite that is missing in `catalogue()` or has no executable shows here too: the gate records
/// what the executables run.
#[test]
fn every_benchmark_of_the_catalogue_has_a_baseline_and_back() {
    let platform = Path::new(env!("CARGO_MANIFEST_DIR")).join("../baselines/x86_64-linux-gnu");
    let mut recorded = BTreeSet::new();
    for file in std::fs::read_dir(platform).expect("there are baselines") {
        let path = file.expect("the folder can be listed").path();
        let text = std::fs::read_to_string(&path).expect("a baseline is text");
        let suite: serde_json::Value = serde_json::from_str(&text).expect("a baseline is JSON");
        let benchmarks = suite["benchmarks"].as_array().expect("a list");
        let id = |benchmark: &serde_json::Value| benchmark["id"].as_str().map(str::to_owned);
        recorded.extend(benchmarks.iter().map(|it| id(it).expect("an id")));
    }
    let listed: BTreeSet<_> = listed().into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = listed.difference(&recorded).collect();
    let stale: Vec<_> = recorded.difference(&listed).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "without a baseline: {missing:?}; without a workload: {stale:?}; fix: make update-baseline"
    );
}
