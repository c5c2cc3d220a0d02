use icgate_core::model::functions::FunctionTable;
use icgate_core::model::metric::Metric;

use super::*;

fn measurement(instructions: u64) -> Measurement {
    Measurement {
        metric_noise: std::collections::BTreeMap::new(),
        id: "a/b/c".parse().unwrap(),
        metrics: [(Metric::Instructions, instructions)].into(),
        functions: FunctionTable::new(Vec::new(), instructions),
        noise: 0,
        lines: Vec::new(),
        calls: icgate_core::model::call_graph::CallGraph::default(),
    }
}

fn key(number: usize) -> Key {
    format!("{number:064x}")
}

#[test]
fn what_was_kept_is_found_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("cache"));
    assert!(matches!(cache.measurement(&key(1)), Found::Nothing));
    cache.keep_measurement(&key(1), &measurement(7)).unwrap();
    let Found::Value(found) = cache.measurement(&key(1)) else {
        panic!("it was kept")
    };
    assert_eq!(found, measurement(7));
    assert!(matches!(cache.measurement(&key(2)), Found::Nothing));
}

#[test]
fn every_damage_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().to_owned());
    cache.keep_measurement(&key(1), &measurement(7)).unwrap();
    let path = directory.path().join("measurements").join(key(1));
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(
            matches!(cache.measurement(&key(1)), Found::Damaged(_)),
            "{at}"
        );
        fs::write(&path, &good[..at]).unwrap();
        assert!(
            matches!(cache.measurement(&key(1)), Found::Damaged(_)),
            "{at}"
        );
    }
    fs::write(&path, &good).unwrap();
    assert!(matches!(cache.measurement(&key(1)), Found::Value(_)));
}

#[test]
fn what_was_used_last_is_pruned_last() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().to_owned());
    for number in 0..8 {
        cache
            .keep_measurement(&key(number), &measurement(7))
            .unwrap();
        let path = directory.path().join("measurements").join(key(number));
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
    }
    let one = fs::metadata(directory.path().join("measurements").join(key(0)))
        .unwrap()
        .len();
    assert!(
        matches!(cache.measurement(&key(0)), Found::Value(_)),
        "used now"
    );
    let left = |cache: &Cache| {
        let found = |number: &usize| cache.measurement_path(&key(*number)).exists();
        (0..8).filter(found).collect::<Vec<_>>()
    };
    cache.prune_to(8 * one);
    assert_eq!(left(&cache).len(), 8, "as much as is allowed stays");
    cache.prune_to(8 * one - 1);
    assert_eq!(left(&cache), [0, 6, 7]);
}
