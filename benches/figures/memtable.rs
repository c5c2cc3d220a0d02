//! The table of typed records: rates, what two threads add, and what threshold and interval cost.
//!
//! Records have three indexes, one of them unique. The persister counts and keeps nothing, so that
//! the rates are the table's, unless a line says otherwise.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::data::Random;
use benches::memtable::{BY_NAME, Item};
use engine::memtable::{Memtable, NoopPersister, Options, StorePersister, view};
use engine::store::engine::EngineStore;
use engine::wal::{self, Mode};
use engine::{Engine, Options as EngineOptions};

use crate::heap_kib;

type Done = Result<(), Box<dyn Error>>;
type Table = Memtable<Item>;

/// Records of a table in the runs of one operation each.
const COUNT: usize = 500_000;

const LONG: Duration = Duration::from_mins(5);

/// Prints all of it.
pub(crate) fn print(dir: &Path) -> Done {
    rates()?;
    few_keys()?;
    scaling()?;
    readers_beside_a_flush()?;
    thresholds(dir)?;
    intervals(dir)
}

fn never_rotated() -> Options {
    Options {
        threshold_records: usize::MAX,
        threshold_bytes: usize::MAX,
        flush_interval: LONG,
        ..Options::default()
    }
}

fn shuffled(count: usize, seed: usize) -> Vec<Item> {
    let mut items: Vec<_> = (0..count).map(|number| Item::new(number, seed)).collect();
    Random::new(8).shuffle(&mut items);
    items
}

fn filled(options: Options) -> Result<Table, Box<dyn Error>> {
    let table = Memtable::in_memory(NoopPersister::default(), options)?;
    for item in shuffled(COUNT, 0) {
        table.insert(item)?;
    }
    Ok(table)
}

fn millions(count: usize, time: Duration) -> f64 {
    // Counts are far below what a float holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "a rate to print")]
    let count = count as f64;
    count / time.as_secs_f64() / 1e6
}

/// Runs `work` for every item, and gives millions of operations a second; the best of three.
fn rate(
    make: impl Fn() -> Result<Table, Box<dyn Error>>,
    items: impl Fn() -> Vec<Item>,
    work: impl Fn(&Table, Item) -> bool,
) -> Result<f64, Box<dyn Error>> {
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let (table, items) = (make()?, items());
        let count = items.len();
        let begun = Instant::now();
        let mut done = 0;
        for item in items {
            done += usize::from(work(&table, item));
        }
        let taken = begun.elapsed();
        assert_eq!(done, count, "an operation failed");
        best = best.max(millions(count, taken));
    }
    Ok(best)
}

fn rates() -> Done {
    println!(
        "\nmemtable, {COUNT} records, three indexes (one unique), one thread, nothing logged or kept\n  \
         aims: insert 1, get 5, get by index 3, update and delete 1 M/s"
    );
    let full = || filled(never_rotated());
    let empty = || {
        Ok(Memtable::in_memory(
            NoopPersister::default(),
            never_rotated(),
        )?)
    };
    let rotating = || {
        Ok(Memtable::in_memory(
            NoopPersister::default(),
            Options::default(),
        )?)
    };
    let all = || shuffled(COUNT, 0);
    let show = |what: &str, rate: f64| println!("  {what:44} {rate:6.2} M/s");
    show(
        "insert",
        rate(empty, all, |table, item| table.insert(item).is_ok())?,
    );
    show(
        "insert, rotated and flushed as by default",
        rate(rotating, all, |table, item| table.insert(item).is_ok())?,
    );
    show(
        "put, of keys that are there",
        rate(full, all, |table, item| table.put(item).is_ok())?,
    );
    let get = |table: &Table, item: Item| matches!(black_box(table.get(&item.id)), Ok(Some(_)));
    show("get", rate(full, all, get)?);
    let warm = || {
        all()
            .into_iter()
            .filter(|item| item.id < 10_000)
            .cycle()
            .take(COUNT)
            .collect()
    };
    show(
        "get, of 10,000 records in the cache",
        rate(full, warm, get)?,
    );
    let unique =
        |table: &Table, item: Item| matches!(table.get_unique(BY_NAME, &item.name), Ok(Some(_)));
    show("get by the unique index", rate(full, all, unique)?);
    show(
        "get by the unique index, in the cache",
        rate(full, warm, unique)?,
    );
    let update = |table: &Table, item: Item| table.update(item).is_ok();
    show("update, index keys as before", rate(full, all, update)?);
    let others = || shuffled(COUNT, COUNT);
    show(
        "update, two of three index keys change",
        rate(full, others, update)?,
    );
    let delete = |table: &Table, item: Item| matches!(table.delete(&item.id), Ok(true));
    show("delete", rate(full, all, delete)?);
    Ok(())
}

/// An index of few keys must not slow writes down.
fn few_keys() -> Done {
    println!("\nmemtable, one key of an index shared by more and more records: update + delete");
    for count in [1_000, 10_000, 100_000, 500_000] {
        let same = move || -> Vec<Item> {
            let mut items = shuffled(count, 0);
            items.iter_mut().for_each(|item| item.category = 1);
            items
        };
        let make = || {
            let table = Memtable::in_memory(NoopPersister::default(), never_rotated())?;
            for item in same() {
                table.insert(item)?;
            }
            Ok(table)
        };
        let both = |table: &Table, mut item: Item| {
            let id = item.id;
            item.category = 2;
            table.update(item).is_ok() && matches!(table.delete(&id), Ok(true))
        };
        let rate = rate(make, same, both)?;
        println!("  {count:7} records under one key               {rate:6.2} M pairs/s");
    }
    Ok(())
}

/// How much `threads` threads do together, in millions a second.
fn together(threads: usize, table: &Table, work: impl Fn(&Table, Item) -> bool + Sync) -> f64 {
    let items = shuffled(COUNT, 0);
    let parts: Vec<_> = items
        .chunks(COUNT.div_ceil(threads))
        .map(<[_]>::to_vec)
        .collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for part in parts {
            let work = &work;
            scope.spawn(move || {
                for item in part {
                    assert!(work(table, item), "an operation failed");
                }
            });
        }
    });
    millions(COUNT, begun.elapsed())
}

fn scaling() -> Done {
    println!("\nmemtable, threads on one table, M/s together (and against one thread)");
    let full = || filled(never_rotated());
    let empty = || -> Result<Table, Box<dyn Error>> {
        Ok(Memtable::in_memory(
            NoopPersister::default(),
            never_rotated(),
        )?)
    };
    type Work = fn(&Table, Item) -> bool;
    let works: [(&str, bool, Work); 5] = [
        ("insert", false, |table, item| table.insert(item).is_ok()),
        ("update", true, |table, item| table.update(item).is_ok()),
        ("get", true, |table, item| {
            matches!(table.get(&item.id), Ok(Some(_)))
        }),
        ("get by the unique index", true, |table, item| {
            matches!(table.get_unique(BY_NAME, &item.name), Ok(Some(_)))
        }),
        ("half get, half update", true, |table, item| {
            if item.id % 2 == 0 {
                matches!(table.get(&item.id), Ok(Some(_)))
            } else {
                table.update(item).is_ok()
            }
        }),
    ];
    for (what, is_full, work) in works {
        let mut rates = Vec::new();
        for threads in [1, 2, 4] {
            let mut best: f64 = 0.0;
            for _ in 0..3 {
                let table = if is_full { full()? } else { empty()? };
                best = best.max(together(threads, &table, work));
            }
            rates.push(best);
        }
        println!(
            "  {what:28} 1: {:5.2}   2: {:5.2} (x{:.2})   4: {:5.2} (x{:.2})",
            rates[0],
            rates[1],
            rates[1] / rates[0],
            rates[2],
            rates[2] / rates[0]
        );
    }
    Ok(())
}

/// The longest waits of a reader while a writer rotates and flushes all the time.
fn readers_beside_a_flush() -> Done {
    let options = Options {
        threshold_records: 20_000,
        ..Options::default()
    };
    let table = Memtable::in_memory(NoopPersister::default(), options)?;
    let is_over = AtomicBool::new(false);
    let mut waits = Vec::with_capacity(4_000_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for item in shuffled(COUNT, 0) {
                assert!(table.put(item).is_ok(), "the flush keeps up");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut random = Random::new(9);
        while !is_over.load(Ordering::Relaxed) {
            let id = i64::try_from(random.below(COUNT)).unwrap_or(0);
            let begun = Instant::now();
            black_box(table.get(&id).is_ok());
            waits.push(begun.elapsed());
        }
    });
    waits.sort_unstable();
    let at = |share: usize| waits[(waits.len() - 1) / 1000 * share];
    println!(
        "\nmemtable, a reader beside a writer that rotates {} times: p50 {:.1?}, p99.9 {:.1?}, longest {:.1?}",
        table.status().flushed,
        at(500),
        at(999),
        waits.last().copied().unwrap_or_default()
    );
    Ok(())
}

/// A table whose log and persister are one engine on disk.
fn durable(dir: &Path, options: Options) -> Result<(Engine, Table), Box<dyn Error>> {
    let mode = Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: u64::MAX,
    };
    let log = wal::Options {
        mode,
        ..wal::Options::default()
    };
    let engine_options = EngineOptions {
        log,
        checkpoint_bytes: None,
        checkpoint_interval: None,
        views: vec![view()],
        ..EngineOptions::default()
    };
    let (engine, _) = Engine::open(dir, engine_options)?;
    let store = Arc::new(EngineStore::of(&engine, "items")?);
    let persister = StorePersister::open(store, b"")?;
    let table = Memtable::open("items", engine.clone(), persister, options)?;
    Ok((engine, table))
}

fn thresholds(dir: &Path) -> Done {
    const WRITES: usize = 200_000;
    const KEYS: usize = 50_000;
    println!(
        "\nmemtable, threshold: {WRITES} puts of {KEYS} keys, logged and persisted by one engine (buffered, on disk)\n  \
         {:>9}  {:>8}  {:>10}  {:>12}  {:>11}  {:>13}  {:>10}",
        "threshold", "puts/s", "rotations", "records", "longest put", "heap at most", "reopened"
    );
    println!(
        "  {:>9}  {:>8}  {:>10}  {:>12}  {:>11}  {:>13}  {:>10}",
        "", "", "", "persisted", "", "", ""
    );
    for threshold in [100, 1_000, 10_000, 50_000, 100_000] {
        let path = dir.join("threshold");
        let options = Options {
            threshold_records: threshold,
            flush_interval: LONG,
            stall_timeout: LONG,
            ..Options::default()
        };
        let before = heap_kib();
        let (engine, table) = durable(&path, options)?;
        let mut random = Random::new(10);
        let (mut longest, mut heap) = (Duration::ZERO, 0);
        let begun = Instant::now();
        for number in 0..WRITES {
            let item = Item::new(random.below(KEYS), 0);
            let put = Instant::now();
            table.put(item)?;
            longest = longest.max(put.elapsed());
            if number % 10_000 == 0 {
                heap = heap.max(heap_kib().saturating_sub(before));
            }
        }
        let taken = begun.elapsed();
        let status = table.status();
        // As after a crash: what is not flushed is replayed.
        engine.durable()?;
        drop(table);
        engine.close()?;
        drop(engine);
        let begun = Instant::now();
        let (engine, table) = durable(&path, options)?;
        let reopened = begun.elapsed();
        println!(
            "  {threshold:>9}  {:>7.0}k  {:>10}  {:>11}k  {:>11.1?}  {:>9} MiB  {:>10.1?}",
            millions(WRITES, taken) * 1e3,
            status.flushed + status.immutables as u64,
            status.persisted / 1000,
            longest,
            heap >> 10,
            reopened
        );
        table.close(LONG)?;
        drop(table);
        engine.close()?;
        drop(engine);
        std::fs::remove_dir_all(path)?;
    }
    Ok(())
}

fn intervals(dir: &Path) -> Done {
    const KEYS: usize = 1_000;
    let lasts = Duration::from_secs(4);
    println!(
        "\nmemtable, flush interval: 5,000 puts a second of {KEYS} keys for {lasts:?}, persisted by an engine (buffered)\n  \
         {:>9}  {:>8}  {:>18}  {:>16}",
        "interval", "flushes", "records persisted", "per 100 puts"
    );
    for interval in [20, 100, 500, 2_000].map(Duration::from_millis) {
        let path = dir.join("interval");
        let options = Options {
            flush_interval: interval,
            ..Options::default()
        };
        let (engine, table) = durable(&path, options)?;
        let mut random = Random::new(11);
        let begun = Instant::now();
        let mut puts: u64 = 0;
        while begun.elapsed() < lasts {
            for _ in 0..50 {
                table.put(Item::new(random.below(KEYS), 0))?;
                puts += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = table.status();
        println!(
            "  {interval:>9.0?}  {:>8}  {:>18}  {:>16}",
            status.flushed,
            status.persisted,
            status.persisted * 100 / puts.max(1)
        );
        table.close(LONG)?;
        drop(table);
        engine.close()?;
        drop(engine);
        std::fs::remove_dir_all(path)?;
    }
    Ok(())
}
