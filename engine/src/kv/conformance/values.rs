//! Single keys: put, get, delete, exists, versions, clear, close.

use super::{Backend, START_MS, claims, fresh, keys};
use crate::kv::{Batch, Entry, Expect, KvError, Stats, Version};

claims![
    absent_key_has_nothing,
    value_is_read_as_it_was_put,
    put_replaces_value,
    empty_value_is_a_value,
    deletion_removes_and_says_whether,
    versions_rise_across_deletion_and_clear,
    binary_keys_and_values_are_kept,
    clear_removes_everything,
    stats_count_keys_and_bytes,
    many_are_read_in_their_order,
    closed_store_refuses_every_call,
    second_close_does_nothing,
    flush_keeps_everything,
];

fn absent_key_has_nothing(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    assert_eq!(store.get(b"key").unwrap(), None);
    assert_eq!(store.entry(b"key").unwrap(), None);
    assert_eq!(store.expiry(b"key").unwrap(), None);
    assert!(!store.exists(b"key").unwrap());
    assert!(!store.delete(b"key").unwrap());
    assert_eq!(store.get_many(&[b"a", b"b"]).unwrap(), [None, None]);
    assert_eq!(store.stats().unwrap(), Stats::default());
    assert_eq!(store.list(b"", None, 10).unwrap().entries, []);
}

fn value_is_read_as_it_was_put(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let version = store.put(b"key", b"value").unwrap();
    let expected = Entry {
        value: "value".into(),
        version,
        expires_ms: None,
    };
    assert_eq!(store.entry(b"key").unwrap(), Some(expected));
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
    assert_eq!(store.expiry(b"key").unwrap(), Some(None));
    assert!(store.exists(b"key").unwrap());
    assert!(!store.exists(b"ke").unwrap() && !store.exists(b"keys").unwrap());
}

fn put_replaces_value(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    for value in ["a", "", "longer than before", "short"] {
        store.put(b"key", value.as_bytes()).unwrap();
        assert_eq!(store.get(b"key").unwrap().unwrap(), value);
    }
    assert_eq!(store.stats().unwrap().keys, 1);
}

fn empty_value_is_a_value(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"").unwrap();
    assert!(store.exists(b"key").unwrap());
    assert_eq!(store.get(b"key").unwrap().unwrap(), "");
    assert_eq!(store.get_many(&[b"key"]).unwrap(), [Some("".into())]);
    assert!(store.delete(b"key").unwrap());
}

fn deletion_removes_and_says_whether(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"value").unwrap();
    store.put(b"other", b"value").unwrap();
    assert!(store.delete(b"key").unwrap());
    assert!(!store.delete(b"key").unwrap());
    assert!(!store.exists(b"key").unwrap());
    assert_eq!(keys(&*store, b"", 10), [b"other"]);
}

fn versions_rise_across_deletion_and_clear(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let mut last = Version(0);
    for step in 0..4 {
        let version = store.put(b"key", b"same").unwrap();
        assert!(version > last, "{version:?} after {last:?}");
        assert_eq!(store.entry(b"key").unwrap().unwrap().version, version);
        last = version;
        match step {
            0 => assert!(store.delete(b"key").unwrap()),
            1 => store.clear().unwrap(),
            _ => {}
        }
    }
    let stale = Expect::Version(Version(last.0 - 1));
    let outcome = store.compare_and_swap(b"key", stale, b"lost").unwrap();
    assert!(matches!(outcome, crate::kv::Outcome::Conflict { .. }));
}

fn binary_keys_and_values_are_kept(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let all: Vec<u8> = (0..=255).collect();
    for byte in 0..=255 {
        store.put(&[byte], &[byte, 0, byte]).unwrap();
        store.put(&[byte, 0], b"longer").unwrap();
    }
    store.put(&all, &all).unwrap();
    for byte in 0..=255 {
        assert_eq!(store.get(&[byte]).unwrap().unwrap(), [byte, 0, byte][..]);
    }
    assert_eq!(store.get(&all).unwrap().unwrap(), all);
    let mut expected: Vec<Vec<u8>> = (0..=255).flat_map(|it| [vec![it], vec![it, 0]]).collect();
    expected.push(all);
    expected.sort();
    assert_eq!(keys(&*store, b"", 100), expected);
}

fn clear_removes_everything(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.clear().unwrap();
    for number in 0..50_u8 {
        store.put(&[number + 1], b"value").unwrap();
    }
    store.clear().unwrap();
    assert_eq!(store.stats().unwrap(), Stats::default());
    assert!(!store.exists(&[1]).unwrap());
    store.put(&[1], b"again").unwrap();
    assert_eq!(keys(&*store, b"", 10), [[1]]);
}

fn stats_count_keys_and_bytes(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"one", b"12345").unwrap();
    store.put(b"two", b"").unwrap();
    store.put(b"one", b"123").unwrap();
    let expected = Stats {
        keys: 2,
        bytes: 9,
        expired: 0,
    };
    assert_eq!(store.stats().unwrap(), expected);
}

fn many_are_read_in_their_order(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let before = store.put(b"b", b"0").unwrap();
    let pairs: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")];
    let version = store.put_many(&pairs).unwrap();
    let found = store.get_many(&[b"c", b"x", b"a", b"c"]).unwrap();
    let expected = [Some("3"), None, Some("1"), Some("3")].map(|it| it.map(Into::into));
    assert_eq!(found, expected);
    assert_eq!(store.get_many(&[]).unwrap(), []);
    let versions = [b"a", b"b", b"c"].map(|key| store.entry(key).unwrap().unwrap().version);
    assert!(versions.iter().all(|it| before < *it && *it <= version));
}

fn closed_store_refuses_every_call(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"value").unwrap();
    store.close().unwrap();
    let calls = [
        store.get(b"key").err(),
        store.entry(b"key").err(),
        store.exists(b"key").err(),
        store.get_many(&[b"key"]).err(),
        store.put(b"key", b"value").err(),
        store.put_many(&[(b"key", b"value")]).err(),
        store.delete(b"key").err(),
        store.set_ttl(b"key", None).err(),
        store.list(b"", None, 10).err(),
        store.clear().err(),
        store.purge_expired().err(),
        store.stats().err(),
        store.flush().err(),
    ];
    let batches = [(); 2].map(|()| Batch::default().put(b"key", b"value"));
    let together = store.write_each(&batches).into_iter().map(Result::err);
    for (call, error) in calls.into_iter().chain(together).enumerate() {
        assert!(
            matches!(error, Some(KvError::Closed { .. })),
            "call {call}: {error:?}"
        );
    }
}

fn second_close_does_nothing(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    store.put(b"key", b"value").unwrap();
    store.close().unwrap();
    store.close().unwrap();
}

fn flush_keeps_everything(backend: &dyn Backend) {
    let (store, clock) = fresh(backend);
    store.flush().unwrap();
    store.put(b"key", b"value").unwrap();
    store.flush().unwrap();
    store.flush().unwrap();
    assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
    assert_eq!(crate::kv::Clock::now_ms(&clock), START_MS);
}
