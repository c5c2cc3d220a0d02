//! Several threads on one store: nothing is lost, nothing is seen half.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Backend, claims, fresh};
use crate::kv::{Batch, Expect, KeyValueStore, Outcome, Version};

claims![
    swaps_of_2_to_16_threads_lose_no_update,
    batches_are_seen_whole,
    one_of_many_threads_creates_a_key,
    versions_of_all_threads_differ,
    clear_beside_writers_leaves_a_usable_store,
];

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().unwrap())
}

fn increment(store: &dyn KeyValueStore, key: &[u8]) {
    loop {
        let entry = store.entry(key).unwrap().unwrap();
        let next = (number(&entry.value) + 1).to_be_bytes();
        let expect = Expect::Version(entry.version);
        let outcome = store.compare_and_swap(key, expect, &next).unwrap();
        if matches!(outcome, Outcome::Applied { .. }) {
            return;
        }
    }
}

fn swaps_of_2_to_16_threads_lose_no_update(backend: &dyn Backend) {
    for threads in [2_usize, 4, 8, 16] {
        let (store, _) = fresh(backend);
        let rounds = 200 / backend.slowness() / threads + 5;
        store.put(b"counter", &0_u64.to_be_bytes()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..rounds).for_each(|_| increment(&*store, b"counter")));
            }
        });
        let count = number(&store.get(b"counter").unwrap().unwrap());
        assert_eq!(count, (threads * rounds) as u64, "{threads} threads");
    }
}

/// Writers put the same number into three keys; readers must never see two numbers.
fn batches_are_seen_whole(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let names: [&[u8]; 3] = [b"x/1", b"x/2", b"x/3"];
    let put = |number: u64| {
        let value = number.to_be_bytes();
        store.put_many(&names.map(|key| (key, &value[..]))).unwrap();
    };
    put(0);
    let next = AtomicU64::new(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    put(next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        for _ in 0..(400 / backend.slowness()) {
            let found = store.get_many(&names).unwrap();
            let numbers: Vec<_> = found
                .iter()
                .map(|it| number(it.as_ref().unwrap()))
                .collect();
            let equal = numbers.iter().all(|number| *number == numbers[0]);
            done.store(!equal, Ordering::Relaxed);
            assert!(equal, "half of a batch was seen: {numbers:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn one_of_many_threads_creates_a_key(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    for round in 0..10_u8 {
        let winners = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let key = [b'k', round];
                    let outcome = store.compare_and_swap(&key, Expect::Absent, b"mine");
                    if matches!(outcome.unwrap(), Outcome::Applied { .. }) {
                        winners.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
    }
}

fn versions_of_all_threads_differ(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    let puts = 50 / backend.slowness() + 5;
    let versions = std::sync::Mutex::new(Vec::<Version>::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (store, versions) = (&store, &versions);
            scope.spawn(move || {
                for _ in 0..puts {
                    let version = store.put(&[b'k', thread], b"value").unwrap();
                    versions.lock().unwrap().push(version);
                }
            });
        }
    });
    let mut versions = versions.into_inner().unwrap();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 4 * puts);
}

fn clear_beside_writers_leaves_a_usable_store(backend: &dyn Backend) {
    let (store, _) = fresh(backend);
    std::thread::scope(|scope| {
        for thread in 0..2_u8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..50_u8 {
                    let batch = Batch::default()
                        .put(&[thread, number], b"v")
                        .delete(&[thread]);
                    store.write(&batch).unwrap();
                }
            });
        }
        for _ in 0..5 {
            store.clear().unwrap();
        }
    });
    store.clear().unwrap();
    assert_eq!(store.stats().unwrap().keys, 0);
    store.put(b"key", b"value").unwrap();
    assert_eq!(store.stats().unwrap().keys, 1);
}
