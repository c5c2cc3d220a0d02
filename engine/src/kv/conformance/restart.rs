//! A store that is opened again. Stores that end with their handle pass by not being opened.

use std::sync::Arc;
use std::time::Duration;

use super::{Backend, START_MS, claims, fresh, keys};
use crate::kv::{Expect, ManualClock, Outcome};

claims![
    everything_is_there_after_a_restart,
    versions_and_conditions_go_on_after_a_restart,
    values_expire_across_a_restart,
];

fn everything_is_there_after_a_restart(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    for number in 0..50_u8 {
        store.put(&[b'k', number], &[number; 300]).unwrap();
    }
    store.delete(&[b'k', 7]).unwrap();
    store.put(&[b'k', 8], b"changed").unwrap();
    let before = store.list(b"", None, 100).unwrap();
    let Some(store) = backend.reopen(store, Arc::new(clock.clone())) else {
        return;
    };
    assert_eq!(store.list(b"", None, 100).unwrap(), before);
    store.clear().unwrap();
    let store = backend.reopen(store, Arc::new(clock)).unwrap();
    assert!(keys(&*store, b"", 10).is_empty());
}

fn versions_and_conditions_go_on_after_a_restart(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    let kept = store.put(b"kept", b"1").unwrap();
    let deleted = store.put(b"deleted", b"1").unwrap();
    store.delete(b"deleted").unwrap();
    let Some(store) = backend.reopen(store, Arc::new(clock)) else {
        return;
    };
    let again = store.put(b"deleted", b"2").unwrap();
    assert!(again > deleted && again > kept);
    let swap = store.compare_and_swap(b"kept", Expect::Version(kept), b"2");
    assert!(matches!(swap.unwrap(), Outcome::Applied { .. }));
}

fn values_expire_across_a_restart(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let ttl = Duration::from_millis(10);
    store.put_with_ttl(b"short", b"1", ttl).unwrap();
    store.put_with_ttl(b"long", b"2", 10 * ttl).unwrap();
    let later = ManualClock::at(START_MS + 10);
    let Some(store) = backend.reopen(store, Arc::new(later)) else {
        return;
    };
    assert_eq!(keys(&*store, b"", 10), [b"long"]);
    assert_eq!(store.expiry(b"long").unwrap(), Some(Some(START_MS + 100)));
}
