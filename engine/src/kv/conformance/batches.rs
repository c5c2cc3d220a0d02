//! Batches, conditions and compare-and-swap.

use std::time::Duration;

use super::{Backend, START_MS, claims, fresh, keys};
use crate::kv::{Batch, Expect, KeyValueStore, KvError, Outcome, TtlError, Version};

claims![
    empty_batch_is_applied,
    batch_applies_all_writes_in_order,
    batch_with_unmet_condition_writes_nothing,
    conflict_names_condition_and_version,
    conditions_see_the_state_before_the_batch,
    swap_needs_the_current_version,
    absent_and_present_are_conditions,
    batch_with_one_bad_write_writes_nothing,
    batches_sent_together_are_answered_one_by_one,
];

/// The outcome must be that of writes that were done.
fn applied(outcome: Outcome) -> (Version, u64) {
    match outcome {
        Outcome::Applied { version, removed } => (version, removed),
        Outcome::Conflict { .. } => panic!("{outcome:?}"),
    }
}

fn version(store: &dyn KeyValueStore, key: &[u8]) -> Version {
    store.entry(key).unwrap().unwrap().version
}

fn empty_batch_is_applied(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    assert_eq!(applied(store.write(&Batch::default()).unwrap()).1, 0);
    let only_condition = Batch::default().expect(b"key", Expect::Absent);
    applied(store.write(&only_condition).unwrap());
    assert_eq!(keys(&*store, b"", 10), Vec::<Vec<u8>>::new());
}

fn batch_applies_all_writes_in_order(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let old = store.put(b"old", b"1").unwrap();
    let batch = Batch::default()
        .put(b"a", b"first")
        .delete(b"old")
        .put(b"b", b"2")
        .put(b"a", b"second")
        .put(b"gone", b"x")
        .delete(b"gone")
        .delete(b"never")
        .put_with_ttl(b"short", b"s", Duration::from_millis(5));
    let (version, removed) = applied(store.write(&batch).unwrap());
    assert_eq!(removed, 2);
    assert_eq!(store.get(b"a").unwrap().unwrap(), "second");
    assert_eq!(keys(&*store, b"", 10), [&b"a"[..], b"b", b"short"]);
    for key in [&b"a"[..], b"b", b"short"] {
        let its_own = store.entry(key).unwrap().unwrap().version;
        assert!(old < its_own && its_own <= version);
    }
    assert_eq!(store.expiry(b"short").unwrap(), Some(Some(START_MS + 5)));
}

fn batch_with_unmet_condition_writes_nothing(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"there", b"1").unwrap();
    let batch = Batch::default()
        .expect(b"there", Expect::Present)
        .put(b"new", b"2")
        .delete(b"there")
        .expect(b"absent", Expect::Present);
    let outcome = store.write(&batch).unwrap();
    assert_eq!(
        outcome,
        Outcome::Conflict {
            condition: 1,
            actual: None
        }
    );
    assert_eq!(keys(&*store, b"", 10), [b"there"]);
}

fn conflict_names_condition_and_version(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let current = store.put(b"key", b"1").unwrap();
    for expect in [Expect::Absent, Expect::Version(Version(current.0 + 7))] {
        let outcome = store.compare_and_swap(b"key", expect, b"2").unwrap();
        let expected = Outcome::Conflict {
            condition: 0,
            actual: Some(current),
        };
        assert_eq!(outcome, expected);
    }
    assert_eq!(store.get(b"key").unwrap().unwrap(), "1");
}

fn conditions_see_the_state_before_the_batch(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let batch = Batch::default()
        .put(b"key", b"1")
        .expect(b"key", Expect::Absent);
    applied(store.write(&batch).unwrap());
    let outcome = store.write(&batch).unwrap();
    assert!(matches!(outcome, Outcome::Conflict { condition: 0, .. }));
}

fn swap_needs_the_current_version(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let first = store.put(b"key", b"1").unwrap();
    let swap = |version, value: &[u8]| {
        let expect = Expect::Version(version);
        store.compare_and_swap(b"key", expect, value).unwrap()
    };
    let (second, _) = applied(swap(first, b"2"));
    assert!(second > first);
    assert_eq!(version(&*store, b"key"), second);
    assert!(matches!(swap(first, b"3"), Outcome::Conflict { .. }));
    // The same bytes again are another version.
    let third = store.put(b"key", b"2").unwrap();
    assert!(matches!(swap(second, b"3"), Outcome::Conflict { .. }));
    applied(swap(third, b"3"));
    store.delete(b"key").unwrap();
    let absent = Outcome::Conflict {
        condition: 0,
        actual: None,
    };
    assert_eq!(swap(third, b"4"), absent);
}

fn absent_and_present_are_conditions(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let swap = |expect| store.compare_and_swap(b"key", expect, b"value").unwrap();
    assert!(matches!(swap(Expect::Present), Outcome::Conflict { .. }));
    applied(swap(Expect::Absent));
    assert!(matches!(swap(Expect::Absent), Outcome::Conflict { .. }));
    applied(swap(Expect::Present));
}

fn batch_with_one_bad_write_writes_nothing(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let good = Batch::default().put(b"good", b"1");
    let empty = store.write(&good.clone().put(b"", b"2")).unwrap_err();
    assert!(matches!(empty, KvError::EmptyKey), "{empty}");
    let zero = good.clone().put_with_ttl(b"key", b"2", Duration::ZERO);
    let zero = store.write(&zero).unwrap_err();
    assert!(matches!(zero, KvError::Ttl(TtlError::Zero)), "{zero}");
    let long = vec![0; crate::kv::VALUE_BYTES_MAX + 1];
    let large = store.write(&good.clone().put(b"key", &long)).unwrap_err();
    assert!(matches!(large, KvError::ValueTooLarge { .. }), "{large}");
    let condition = good.expect(b"", Expect::Absent);
    assert!(matches!(store.write(&condition), Err(KvError::EmptyKey)));
    assert!(!store.exists(b"good").unwrap());
}

fn batches_sent_together_are_answered_one_by_one(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let put = |key: &[u8]| Batch::default().expect(key, Expect::Absent).put(key, b"v");
    let zero = Batch::default().put_with_ttl(b"zero", b"v", Duration::ZERO);
    let empty = Batch::default().put(b"", b"");
    let batches = [
        put(b"a"),
        put(b"b"),
        put(b"a"),
        empty,
        put(b"c"),
        zero,
        put(b"d"),
    ];
    let outcomes = store.write_each(&batches);
    assert_eq!(outcomes.len(), 7);
    for applied in [0, 1, 4, 6] {
        assert!(matches!(outcomes[applied], Ok(Outcome::Applied { .. })));
    }
    assert!(matches!(outcomes[2], Ok(Outcome::Conflict { .. })));
    assert!(matches!(outcomes[3], Err(KvError::EmptyKey)));
    assert!(matches!(outcomes[5], Err(KvError::Ttl(TtlError::Zero))));
    assert_eq!(keys(&*store, b"", 10), [b"a", b"b", b"c", b"d"]);
    assert!(version(&*store, b"a") < version(&*store, b"b"));
    assert!(store.write_each(&[]).is_empty());
}
