//! At the limits and one past them.

use super::{Backend, claims, fresh, keys};
use crate::kv::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Batch, Expect, KEY_BYTES_MAX, KvError, VALUE_BYTES_MAX,
};

claims![
    empty_key_is_refused_by_every_call,
    key_over_the_limit_is_refused_by_every_call,
    largest_key_and_value_are_kept,
    value_over_the_limit_is_refused,
    largest_batch_is_applied,
    batch_over_the_limits_is_refused,
    too_many_keys_at_once_are_refused,
];

fn empty_key_is_refused_by_every_call(backend: &dyn Backend) {
    refused(backend, b"", |error| matches!(error, KvError::EmptyKey));
}

fn key_over_the_limit_is_refused_by_every_call(backend: &dyn Backend) {
    let key = vec![b'k'; KEY_BYTES_MAX + 1];
    refused(
        backend,
        &key,
        |error| matches!(error, KvError::KeyTooLarge { bytes } if *bytes == KEY_BYTES_MAX + 1),
    );
}

fn refused(backend: &dyn Backend, key: &[u8], is_expected: impl Fn(&KvError) -> bool) {
    let (store, _) = fresh(backend);
    let second = std::time::Duration::from_secs(1);
    let calls = [
        store.get(key).err(),
        store.entry(key).err(),
        store.exists(key).err(),
        store.expiry(key).err(),
        store.get_many(&[b"good", key]).err(),
        store.put(key, b"value").err(),
        store.put_with_ttl(key, b"value", second).err(),
        store
            .put_many(&[(b"good", b"value"), (key, b"value")])
            .err(),
        store.delete(key).err(),
        store.set_ttl(key, None).err(),
        store.compare_and_swap(key, Expect::Absent, b"value").err(),
    ];
    for (call, error) in calls.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("call {call} took the key"));
        assert!(is_expected(&error), "call {call}: {error}");
    }
    assert!(keys(&*store, b"", 10).is_empty());
}

fn largest_key_and_value_are_kept(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let all = || (0..=250_u8).cycle();
    let key: Vec<u8> = all().take(KEY_BYTES_MAX).collect();
    let value: Vec<u8> = all().take(VALUE_BYTES_MAX).collect();
    store.put(&key, &value).unwrap();
    assert!(store.get(&key).unwrap().unwrap() == value);
    assert_eq!(
        store.stats().unwrap().bytes,
        (key.len() + value.len()) as u64
    );
    // A key as long, that differs in its last byte.
    let mut other = key.clone();
    other[KEY_BYTES_MAX - 1] ^= 1;
    assert!(!store.exists(&other).unwrap());
    assert_eq!(keys(&*store, &key, 10).len(), 1);
    assert!(store.delete(&key).unwrap());
}

fn value_over_the_limit_is_refused(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"value").unwrap();
    let value = vec![0; VALUE_BYTES_MAX + 1];
    let error = store.put(b"key", &value).unwrap_err();
    assert!(
        matches!(error, KvError::ValueTooLarge { bytes } if bytes == value.len()),
        "{error}"
    );
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
}

fn largest_batch_is_applied(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let key = |number: usize| format!("key/{number:06}").into_bytes();
    let mut batch = Batch::default();
    for number in 0..BATCH_ITEMS_MAX {
        batch = batch.put(&key(number), b"value");
    }
    store.write(&batch).unwrap();
    assert_eq!(store.stats().unwrap().keys, BATCH_ITEMS_MAX as u64);
    let names: Vec<_> = (0..BATCH_ITEMS_MAX).map(key).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let found = store.get_many(&names).unwrap();
    assert!(found.iter().flatten().count() == BATCH_ITEMS_MAX);
    // Two of the largest values fit, where their keys do.
    let half = vec![1; BATCH_BYTES_MAX / 2 - 1];
    store.put_many(&[(b"a", &half), (b"b", &half)]).unwrap();
}

fn batch_over_the_limits_is_refused(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let mut batch = Batch::default().expect(b"key", Expect::Absent);
    for _ in 0..BATCH_ITEMS_MAX {
        batch = batch.put(b"key", b"value");
    }
    let error = store.write(&batch).unwrap_err();
    assert!(
        matches!(error, KvError::BatchTooLarge { items, .. } if items == BATCH_ITEMS_MAX + 1),
        "{error}"
    );
    let half = vec![1; BATCH_BYTES_MAX / 2];
    let error = store.put_many(&[(b"a", &half), (b"b", &half)]).unwrap_err();
    assert!(
        matches!(error, KvError::BatchTooLarge { bytes, .. } if bytes == BATCH_BYTES_MAX + 2),
        "{error}"
    );
    assert!(keys(&*store, b"", 10).is_empty());
}

fn too_many_keys_at_once_are_refused(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let keys: Vec<&[u8]> = vec![b"key"; BATCH_ITEMS_MAX + 1];
    let error = store.get_many(&keys).unwrap_err();
    assert!(matches!(error, KvError::BatchTooLarge { .. }), "{error}");
    assert_eq!(store.get_many(&keys[1..]).unwrap().len(), BATCH_ITEMS_MAX);
}
