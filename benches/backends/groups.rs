//! Criterion's five groups, on one backend.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use benches::data;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use engine::kv::{Batch, KeyValueStore};

use crate::backend::Backend;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// The sizes of values, and what they are called.
pub(crate) const SIZES: [(&str, usize); 3] = [("100B", 100), ("10KB", 10 << 10), ("1MB", 1 << 20)];
/// How many keys are there before a group.
const KEYS: usize = 10_000;
/// How many samples are taken. Of short ones some meet no other program.
const SAMPLES: usize = 40;
/// The same where each write waits for the disk.
const SYNCED_SAMPLES: usize = 10;
/// How many operations a bulk has.
const BULK: usize = 1000;

/// The keys that benchmarks go round in.
struct Ring {
    keys: Vec<Vec<u8>>,
    next: usize,
}

impl Ring {
    fn new(prefix: &str, count: usize) -> Self {
        let key = |number| format!("{prefix}/{number:08}").into_bytes();
        let mut keys: Vec<_> = (0..count).map(key).collect();
        data::Random::new(6).shuffle(&mut keys);
        Self { keys, next: 0 }
    }

    fn next(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.keys.len();
        &self.keys[self.next]
    }
}

fn fill(store: &dyn KeyValueStore, keys: &[Vec<u8>], value: &[u8]) {
    for chunk in keys.chunks((8 << 20) / (value.len() + 100)) {
        let pairs: Vec<_> = chunk.iter().map(|key| (&key[..], value)).collect();
        for pairs in pairs.chunks(1000) {
            store.put_many(pairs).expect("the store takes them");
        }
    }
}

/// Runs all groups.
pub(crate) fn run(criterion: &mut Criterion, backend: &Backend) {
    let store = &*backend.store;
    single(criterion, backend.name, store);
    let ring = Ring::new("many", KEYS);
    fill(store, &ring.keys, &data::Random::new(5).bytes(100));
    batch(criterion, backend.name, store);
    concurrent(criterion, backend.name, store, &ring.keys);
    patterns(criterion, backend.name, store);
    ttl(criterion, backend.name, store);
    store.clear().expect("the store can be cleared");
}

/// A group of a backend.
fn group<'a>(criterion: &'a mut Criterion, title: &str, name: &str) -> Group<'a> {
    let is_synced = name.contains("strict") || name.contains("full");
    let mut group = criterion.benchmark_group(title);
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(if is_synced { SYNCED_SAMPLES } else { SAMPLES });
    group
}

fn single(criterion: &mut Criterion, name: &str, store: &dyn KeyValueStore) {
    let mut group = group(criterion, "single_operations", name);
    for (size, len) in SIZES {
        let value = data::Random::new(5).bytes(len);
        // 64 MB of the largest, as many as a cache holds of the smallest.
        let mut ring = Ring::new(size, if len > 1 << 16 { 64 } else { 1000 });
        fill(store, &ring.keys, &value);
        group.bench_function(
            BenchmarkId::new("single_put", format!("{name}/{size}")),
            |it| {
                it.iter(|| store.put(ring.next(), &value).expect("a put"));
            },
        );
        group.bench_function(
            BenchmarkId::new("single_get", format!("{name}/{size}")),
            |it| {
                it.iter(|| black_box(store.get(ring.next())).expect("a get"));
            },
        );
    }
    let mut ring = Ring::new("100B", 1000);
    group.bench_function(BenchmarkId::new("single_exists", name), |it| {
        it.iter(|| store.exists(ring.next()).expect("an answer"));
    });
    let keys = Ring::new("deleted", BULK).keys;
    group.bench_function(BenchmarkId::new("single_delete", name), |it| {
        it.iter_custom(|count| {
            let mut left = usize::try_from(count).unwrap_or(usize::MAX);
            let mut time = Duration::ZERO;
            while left > 0 {
                let keys = &keys[..left.min(BULK)];
                fill(store, keys, &[1; 100]);
                let begun = Instant::now();
                for key in keys {
                    assert!(store.delete(key).expect("a deletion"));
                }
                time += begun.elapsed();
                left -= keys.len();
            }
            time
        });
    });
    group.finish();
}

fn batch(criterion: &mut Criterion, name: &str, store: &dyn KeyValueStore) {
    let mut group = group(criterion, "batch_operations", name);
    group.throughput(Throughput::Elements(BULK as u64));
    let keys = Ring::new("bulk", BULK).keys;
    let value = [7; 100];
    let pairs: Vec<_> = keys.iter().map(|key| (&key[..], &value[..])).collect();
    let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
    let batches: Vec<_> = keys
        .iter()
        .map(|key| Batch::default().put(key, &value))
        .collect();
    group.bench_function(BenchmarkId::new("bulk_put", name), |it| {
        it.iter(|| {
            for key in &keys {
                store.put(key, &value).expect("a put");
            }
        });
    });
    group.bench_function(BenchmarkId::new("bulk_get", name), |it| {
        it.iter(|| {
            for key in &keys {
                black_box(store.get(key)).expect("a get");
            }
        });
    });
    group.bench_function(BenchmarkId::new("batch_put", name), |it| {
        it.iter(|| store.put_many(&pairs).expect("a batch"));
    });
    group.bench_function(BenchmarkId::new("batch_get", name), |it| {
        it.iter(|| store.get_many(&keys).expect("values"));
    });
    group.bench_function(BenchmarkId::new("pipelined_put", name), |it| {
        it.iter(|| {
            let outcomes = store.write_each(&batches);
            assert!(outcomes.iter().all(Result::is_ok));
        });
    });
    group.finish();
}

fn concurrent(criterion: &mut Criterion, name: &str, store: &dyn KeyValueStore, keys: &[Vec<u8>]) {
    let mut group = group(criterion, "concurrent_access", name);
    group.throughput(Throughput::Elements(BULK as u64));
    for threads in [1, 2] {
        let id = BenchmarkId::new("concurrent_reads", format!("{name}/{threads}"));
        group.bench_function(id, |it| {
            it.iter_custom(|count| {
                on_threads(threads, count, |thread, number| {
                    let key = &keys[(thread * 4999 + number * 7) % keys.len()];
                    black_box(store.get(key)).expect("a get").expect("a value");
                })
            });
        });
    }
    let value = [7; 100];
    group.bench_function(BenchmarkId::new("mixed_workload", name), |it| {
        it.iter_custom(|count| {
            on_threads(2, count, |thread, number| {
                let key = &keys[(thread * 4999 + number * 7) % keys.len()];
                if number % 5 == 0 {
                    store.put(key, &value).expect("a put");
                } else {
                    black_box(store.get(key)).expect("a get").expect("a value");
                }
            })
        });
    });
    group.finish();
}

/// The time of `rounds` times a thousand operations, shared by `threads` threads: from the first that
/// begins to the last that ends.
fn on_threads(threads: usize, rounds: u64, operation: impl Fn(usize, usize) + Sync) -> Duration {
    let each = usize::try_from(rounds).unwrap_or(usize::MAX) * BULK / threads;
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |thread| {
            let (barrier, operation) = (&barrier, &operation);
            move || {
                barrier.wait();
                let begun = Instant::now();
                (0..each).for_each(|number| operation(thread, number));
                (begun, Instant::now())
            }
        };
        let running: Vec<_> = (0..threads).map(|it| scope.spawn(run(it))).collect();
        let ran = running.into_iter().map(ScopedJoinHandle::join);
        let ran: Vec<_> = ran.map(|it| it.expect("no operation fails")).collect();
        let begun = ran.iter().map(|(begun, _)| *begun).min();
        let ended = ran.iter().map(|(_, ended)| *ended).max();
        begun
            .zip(ended)
            .map_or(Duration::ZERO, |(begun, ended)| ended - begun)
    })
}

fn patterns(criterion: &mut Criterion, name: &str, store: &dyn KeyValueStore) {
    let mut group = group(criterion, "key_patterns", name);
    for (count, prefix) in [
        (10, "many/0000100"),
        (100, "many/000010"),
        (1000, "many/00001"),
    ] {
        group.bench_function(
            BenchmarkId::new("prefix_scan", format!("{name}/{count}")),
            |it| {
                it.iter(|| {
                    let page = store.list(prefix.as_bytes(), None, count).expect("a page");
                    assert_eq!(page.entries.len(), count);
                });
            },
        );
    }
    group.finish();
}

fn ttl(criterion: &mut Criterion, name: &str, store: &dyn KeyValueStore) {
    let mut group = group(criterion, "ttl_operations", name);
    let mut ring = Ring::new("ttl", 1000);
    let (value, ttl) = ([7; 100], Duration::from_hours(1));
    fill(store, &ring.keys, &value);
    group.bench_function(BenchmarkId::new("put_without_ttl", name), |it| {
        it.iter(|| store.put(ring.next(), &value).expect("a put"));
    });
    group.bench_function(BenchmarkId::new("put_with_ttl", name), |it| {
        it.iter(|| store.put_with_ttl(ring.next(), &value, ttl).expect("a put"));
    });
    group.finish();
}
