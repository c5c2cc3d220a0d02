//! Lists by prefix: order, paging, prefixes that look like patterns, writes meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Backend, claims, fresh, keys};
use crate::kv::{KeyValueStore, PAGE_BYTES_MAX, VALUE_BYTES_MAX};

claims![
    list_is_in_byte_order,
    list_holds_only_keys_with_the_prefix,
    prefix_that_looks_like_a_pattern_is_plain,
    unicode_prefix_is_its_bytes,
    prefix_of_highest_bytes_has_an_end,
    pages_join_to_the_whole_list,
    page_begins_after_a_key_that_went,
    limit_of_zero_counts_as_one,
    page_of_large_values_ends_early,
    keys_that_stay_are_listed_once_while_others_come_and_go,
];

fn put_all(store: &dyn KeyValueStore, keys: &[&[u8]]) {
    for key in keys {
        store.put(key, key).unwrap();
    }
}

fn list_is_in_byte_order(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let mut all: [&[u8]; 9] = [
        b"b", b"a", b"\xff", b"aa", b"a\x00", b"a\xff", b"\x00", b"B", b"\x7f",
    ];
    put_all(&*store, &all);
    all.sort_unstable();
    assert_eq!(keys(&*store, b"", 100), all);
    let page = store.list(b"", None, 100).unwrap();
    assert!(page.entries.iter().all(|(key, entry)| *key == entry.value));
    assert_eq!(page.next, None);
}

fn list_holds_only_keys_with_the_prefix(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    put_all(&*store, &[b"a", b"ab", b"abc", b"abd", b"ac", b"b"]);
    assert_eq!(keys(&*store, b"ab", 10), [&b"ab"[..], b"abc", b"abd"]);
    assert_eq!(keys(&*store, b"abd", 10), [b"abd"]);
    assert!(keys(&*store, b"x", 10).is_empty());
    assert!(keys(&*store, b"abcd", 10).is_empty());
    assert!(
        store
            .list(b"ab", Some(b"z"), 10)
            .unwrap()
            .entries
            .is_empty()
    );
    let from_before = store.list(b"ab", Some(b"A"), 10).unwrap();
    assert_eq!(from_before.entries.len(), 3);
}

fn prefix_that_looks_like_a_pattern_is_plain(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let all: [&[u8]; 12] = [
        b"*", b"?", b"[", b"]", b"\\", b"%", b"_", b"^", b"-", b"[a-z]x", b"a", b"{x}",
    ];
    put_all(&*store, &all);
    for key in all {
        let mut expected: Vec<_> = all.iter().filter(|it| it.starts_with(key)).collect();
        expected.sort_unstable();
        assert_eq!(
            keys(&*store, key, 10),
            expected.iter().map(|it| it.to_vec()).collect::<Vec<_>>()
        );
    }
}

fn unicode_prefix_is_its_bytes(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let all = ["茶", "茶/煎茶", "茶/紅茶", "tée", "te\u{301}e", "Ж", "🍵"];
    for key in all {
        store.put(key.as_bytes(), b"value").unwrap();
    }
    let mut tea = vec!["茶", "茶/煎茶", "茶/紅茶"];
    tea.sort_unstable();
    let tea: Vec<_> = tea.into_iter().map(|it| it.as_bytes().to_vec()).collect();
    assert_eq!(keys(&*store, "茶".as_bytes(), 2), tea);
    // A part of a character is a prefix too.
    assert_eq!(keys(&*store, &"茶".as_bytes()[..2], 2), tea);
    // Two ways to write one letter are two keys.
    assert_eq!(keys(&*store, "té".as_bytes(), 9).len(), 1);
}

fn prefix_of_highest_bytes_has_an_end(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    put_all(
        &*store,
        &[b"\xff", b"\xff\xff", b"\xff\xff\x01", b"\xfe", b"\xfe\xff"],
    );
    assert_eq!(keys(&*store, b"\xff", 2).len(), 3);
    assert_eq!(keys(&*store, b"\xff\xff", 1).len(), 2);
    assert_eq!(keys(&*store, b"\xfe", 1).len(), 2);
}

fn pages_join_to_the_whole_list(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let all: Vec<_> = (0..103)
        .map(|it| format!("key/{it:04}").into_bytes())
        .collect();
    for key in &all {
        store.put(key, b"value").unwrap();
    }
    store.put(b"key0", b"outside").unwrap();
    for limit in [1, 2, 7, 102, 103, 104] {
        assert_eq!(keys(&*store, b"key/", limit), all, "pages of {limit}");
    }
    let page = store.list(b"key/", None, 103).unwrap();
    assert_eq!(page.next, None, "the last page says that it is the last");
}

fn page_begins_after_a_key_that_went(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    put_all(&*store, &[b"a", b"b", b"c"]);
    let page = store.list(b"", None, 2).unwrap();
    store.delete(b"b").unwrap();
    let rest = store.list(b"", page.next.as_deref(), 2).unwrap();
    assert_eq!(rest.entries.len(), 1);
    assert_eq!(rest.entries[0].0, "c");
}

fn limit_of_zero_counts_as_one(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    put_all(&*store, &[b"a", b"b"]);
    let page = store.list(b"", None, 0).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.next.unwrap(), "a");
    assert_eq!(store.list(b"", None, usize::MAX).unwrap().entries.len(), 2);
}

fn page_of_large_values_ends_early(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let large = vec![5; VALUE_BYTES_MAX];
    for number in 0..5 {
        store.put(&[b'k', number], &large).unwrap();
    }
    let page = store.list(b"", None, 100).unwrap();
    let bytes: usize = page.entries.iter().map(|(_, it)| it.value.len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX + VALUE_BYTES_MAX, "{bytes}");
    assert!(page.next.is_some());
    assert_eq!(keys(&*store, b"", 100).len(), 5);
}

/// While keys come and go, those that stay must be seen once each, in order.
fn keys_that_stay_are_listed_once_while_others_come_and_go(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let stay: BTreeSet<_> = (0..60)
        .map(|it| format!("stay/{it:03}").into_bytes())
        .collect();
    for key in &stay {
        store.put(key, b"value").unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let key = format!("stay/{:03}x", round % 60).into_bytes();
                store.put(&key, b"comes").unwrap();
                store.delete(&key).unwrap();
            }
        });
        for limit in [3, 7, 20] {
            let seen = keys(&*store, b"stay/", limit);
            let sorted: BTreeSet<_> = seen.iter().cloned().collect();
            let again: Vec<_> = sorted.iter().cloned().collect();
            done.store(limit == 20, Ordering::Relaxed);
            assert_eq!(seen, again, "in order, and none twice");
            assert!(sorted.is_superset(&stay), "none is missing");
        }
    });
}
