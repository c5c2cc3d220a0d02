//! Values that expire, on a clock that the case turns; and once on the real one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Backend, START_MS, claims, fresh, keys};
use crate::kv::{Batch, Expect, KvError, Outcome, Stats, SystemClock, TTL_MAX, TtlError};

claims![
    value_is_gone_at_its_moment,
    expired_value_is_absent_for_every_call,
    put_takes_the_expiry_away,
    time_to_live_can_be_changed,
    expired_key_can_be_put_again_and_swapped_as_absent,
    purge_reclaims_what_expired_and_nothing_else,
    zero_and_overflowing_times_are_refused,
    longest_time_to_live_is_kept,
    value_expires_in_real_time,
];

const MS: Duration = Duration::from_millis(1);

fn value_is_gone_at_its_moment(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    store.put_with_ttl(b"key", b"value", 10 * MS).unwrap();
    assert_eq!(store.expiry(b"key").unwrap(), Some(Some(START_MS + 10)));
    clock.advance(9 * MS);
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
    clock.advance(MS);
    assert_eq!(store.get(b"key").unwrap(), None);
}

fn expired_value_is_absent_for_every_call(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    store.put(b"a/stays", b"1").unwrap();
    store.put_with_ttl(b"a/goes", b"2", 10 * MS).unwrap();
    clock.advance(10 * MS);
    assert!(!store.exists(b"a/goes").unwrap());
    assert_eq!(store.entry(b"a/goes").unwrap(), None);
    assert_eq!(store.expiry(b"a/goes").unwrap(), None);
    assert_eq!(store.get_many(&[b"a/goes"]).unwrap(), [None]);
    assert_eq!(keys(&*store, b"a/", 1), [b"a/stays"]);
    let stats = store.stats().unwrap();
    assert_eq!((stats.keys, stats.bytes), (1, 8));
    assert!(!store.set_ttl(b"a/goes", None).unwrap());
    let present = Batch::default().expect(b"a/goes", Expect::Present);
    let conflict = Outcome::Conflict {
        condition: 0,
        actual: None,
    };
    assert_eq!(store.write(&present).unwrap(), conflict);
    assert!(!store.delete(b"a/goes").unwrap());
}

fn put_takes_the_expiry_away(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    store.put_with_ttl(b"key", b"1", 10 * MS).unwrap();
    store.put(b"key", b"2").unwrap();
    assert_eq!(store.expiry(b"key").unwrap(), Some(None));
    clock.advance(20 * MS);
    assert_eq!(store.get(b"key").unwrap().unwrap(), "2");
    store.put_with_ttl(b"key", b"3", 10 * MS).unwrap();
    store.put_with_ttl(b"key", b"4", 30 * MS).unwrap();
    clock.advance(20 * MS);
    assert_eq!(store.get(b"key").unwrap().unwrap(), "4");
}

fn time_to_live_can_be_changed(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    let before = store.put(b"key", b"value").unwrap();
    assert!(store.set_ttl(b"key", Some(10 * MS)).unwrap());
    let entry = store.entry(b"key").unwrap().unwrap();
    assert_eq!(entry.expires_ms, Some(START_MS + 10));
    assert_eq!(entry.value, "value");
    assert!(entry.version > before);
    assert!(store.set_ttl(b"key", None).unwrap());
    clock.advance(20 * MS);
    assert_eq!(store.expiry(b"key").unwrap(), Some(None));
    assert!(!store.set_ttl(b"absent", Some(MS)).unwrap());
    assert!(!store.exists(b"absent").unwrap());
}

fn expired_key_can_be_put_again_and_swapped_as_absent(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    let first = store.put_with_ttl(b"key", b"1", 10 * MS).unwrap();
    clock.advance(10 * MS);
    let swap = |expect| store.compare_and_swap(b"key", expect, b"2").unwrap();
    assert!(matches!(
        swap(Expect::Version(first)),
        Outcome::Conflict { .. }
    ));
    let Outcome::Applied { version, .. } = swap(Expect::Absent) else {
        panic!("an expired value is absent");
    };
    assert!(version > first);
    assert_eq!(store.get(b"key").unwrap().unwrap(), "2");
    clock.advance(1000 * MS);
    assert_eq!(store.get(b"key").unwrap().unwrap(), "2");
}

fn purge_reclaims_what_expired_and_nothing_else(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    for number in 0..40_u8 {
        let ttl = if number % 2 == 0 { 10 * MS } else { 100 * MS };
        store.put_with_ttl(&[number + 1], b"value", ttl).unwrap();
    }
    store.put(b"stays", b"value").unwrap();
    assert_eq!(store.purge_expired().unwrap(), 0);
    clock.advance(10 * MS);
    let expired = store.stats().unwrap().expired;
    // A store may reclaim some by itself between the calls.
    assert!(store.purge_expired().unwrap() <= expired);
    assert_eq!(store.purge_expired().unwrap(), 0);
    let expected = Stats {
        keys: 21,
        bytes: 20 * 6 + 10,
        expired: 0,
    };
    assert_eq!(store.stats().unwrap(), expected);
    assert_eq!(keys(&*store, b"", 7).len(), 21);
}

fn zero_and_overflowing_times_are_refused(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"value").unwrap();
    let put = |ttl| store.put_with_ttl(b"key", b"other", ttl).unwrap_err();
    assert!(matches!(put(Duration::ZERO), KvError::Ttl(TtlError::Zero)));
    for ttl in [TTL_MAX + MS, Duration::MAX] {
        assert!(matches!(put(ttl), KvError::Ttl(TtlError::TooLong { .. })));
    }
    let zero = store.set_ttl(b"key", Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(zero, KvError::Ttl(TtlError::Zero)));
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
}

fn longest_time_to_live_is_kept(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    store.put_with_ttl(b"key", b"value", TTL_MAX).unwrap();
    clock.advance(TTL_MAX.checked_sub(MS).unwrap());
    assert!(store.exists(b"key").unwrap());
    clock.advance(MS);
    assert!(!store.exists(b"key").unwrap());
}

/// Waits for what has to happen, and for no fixed time.
fn value_expires_in_real_time(backend: &dyn Backend) {
    let store = backend.empty(Arc::new(SystemClock));
    store.put(b"stays", b"value").unwrap();
    let begun = Instant::now();
    let ttl = Duration::from_millis(200);
    store.put_with_ttl(b"key", b"value", ttl).unwrap();
    // A value never lives shorter than asked for, as far as this thread can know.
    while store.exists(b"key").unwrap() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "the value stays for good"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(begun.elapsed() + Duration::from_millis(20) >= ttl);
    store.purge_expired().unwrap();
    assert_eq!(keys(&*store, b"", 10), [b"stays"]);
}
