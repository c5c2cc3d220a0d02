//! Several threads on one table: what Callgrind cannot count, because it runs one thread at a time.
//!
//! Each run does the same number of operations, divided among its threads.

use std::thread;

use benches::data::Random;
use benches::memtable::{BY_NAME, Item};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use engine::memtable::{Memtable, NoopPersister, Options};

type Table = Memtable<Item>;

/// How many records a table holds, and how many operations a run does.
const OPERATIONS: usize = 10_000;

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// What a thread does with an item, given its number in the run.
type Work = fn(&Table, usize, &Item);

fn items() -> Vec<Item> {
    let mut items: Vec<_> = (0..OPERATIONS).map(|number| Item::new(number, 0)).collect();
    Random::new(12).shuffle(&mut items);
    items
}

/// A table with a flushing thread: empty, and rotated several times in a run; or full, and never
/// rotated, as nothing that is flushed here can be read again.
fn table(is_full: bool) -> Table {
    let options = Options {
        threshold_records: if is_full { usize::MAX } else { OPERATIONS / 4 },
        ..Options::default()
    };
    let table = Memtable::in_memory(NoopPersister::default(), options);
    let table = table.expect("the options are right");
    if is_full {
        for item in items() {
            table.insert(item).expect("its key is new");
        }
    }
    table
}

fn run(table: &Table, items: &[Item], threads: usize, work: Work) {
    thread::scope(|scope| {
        for part in items.chunks(OPERATIONS.div_ceil(threads)) {
            scope.spawn(move || {
                for (number, item) in part.iter().enumerate() {
                    work(table, number, item);
                }
            });
        }
    });
}

fn insert(table: &Table, _: usize, item: &Item) {
    table.insert(item.clone()).expect("its key is new");
}

fn get(table: &Table, _: usize, item: &Item) {
    let found = table.get(&item.id).expect("memory knows");
    assert!(found.is_some(), "it was inserted");
}

fn get_unique(table: &Table, _: usize, item: &Item) {
    let found = table.get_unique(BY_NAME, &item.name);
    assert!(found.expect("memory knows").is_some(), "it was inserted");
}

/// Half reads, half updates.
fn mixed(table: &Table, number: usize, item: &Item) {
    if number.is_multiple_of(2) {
        get(table, number, item);
    } else {
        table.update(item.clone()).expect("it was inserted");
    }
}

/// Nineteen reads to an update.
fn read_heavy(table: &Table, number: usize, item: &Item) {
    if number.is_multiple_of(20) {
        table.update(item.clone()).expect("it was inserted");
    } else {
        get(table, number, item);
    }
}

/// Adds the benchmarks to `criterion`.
pub(crate) fn concurrent(criterion: &mut Criterion) {
    let works: [(&str, bool, Work); 5] = [
        ("insert", false, insert),
        ("get", true, get),
        ("get_unique", true, get_unique),
        ("mixed", true, mixed),
        ("read_heavy", true, read_heavy),
    ];
    let items = items();
    for (what, is_full, work) in works {
        let mut group = criterion.benchmark_group(format!("memtable/concurrent_{what}"));
        group.throughput(Throughput::Elements(OPERATIONS as u64));
        for threads in THREADS {
            group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
                let setup = || table(is_full);
                let routine = |table: &mut Table| run(table, &items, threads, work);
                bencher.iter_batched_ref(setup, routine, BatchSize::LargeInput);
            });
        }
        group.finish();
    }
}
