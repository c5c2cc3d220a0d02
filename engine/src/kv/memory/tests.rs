//! What only this backend promises.

use super::*;
use crate::kv::ManualClock;

#[test]
fn short_lived_values_are_reclaimed_by_later_ones() {
    let clock = ManualClock::at(1);
    let store = MemoryStore::new(Arc::new(clock.clone()));
    for number in 0..20_000_u32 {
        let ttl = Duration::from_millis(10);
        store
            .put_with_ttl(&number.to_be_bytes(), b"value", ttl)
            .unwrap();
        clock.advance(Duration::from_millis(1));
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.keys, 9);
    assert!(stats.expired < 500, "{} are still there", stats.expired);
    assert_eq!(store.purge_expired().unwrap(), stats.expired);
    assert_eq!(store.order.read().from(b"", None).count(), 9);
}

#[test]
fn values_without_an_expiry_never_ask_the_clock() {
    #[derive(Debug)]
    struct NoClock;
    impl Clock for NoClock {
        fn now_ms(&self) -> u64 {
            panic!("nobody has an expiry")
        }
    }
    let store = MemoryStore::new(Arc::new(NoClock));
    store.put(b"key", b"value").unwrap();
    store.put(b"key", b"another").unwrap();
    assert!(store.exists(b"key").unwrap());
    assert_eq!(store.list(b"", None, 10).unwrap().entries.len(), 1);
    assert_eq!(store.stats().unwrap().keys, 1);
    assert!(store.delete(b"key").unwrap());
}

#[test]
fn values_do_not_keep_the_memory_of_what_they_were_sliced_from() {
    let store = MemoryStore::default();
    let large = Bytes::from(vec![7; 1 << 20]);
    let mut batch = Batch::default();
    batch.push(Write::Put {
        key: large.slice(0..4),
        value: large.slice(4..8),
        ttl: None,
    });
    store.write(&batch).unwrap();
    drop(batch);
    assert!(large.is_unique());
}
