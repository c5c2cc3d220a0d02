//! The table of typed records: rates, what two threads add, and what threshold and interval cost.
//!
//! Records have three indexes, one of them unique. The persister counts and keeps nothing, so that
//! the rates are the table's, unless a line says otherwise.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use benches::data::Random;
use benches::memtable::{BY_NAME, Item};
use engine::memtable::{KeyspacePersister, Memtable, NoopPersister, Options, view};
use engine::wal::{self, Mode};
use engine::{Engine, Options as EngineOptions};

use crate::limits::{Taken, timed};

type Done = Result<(), Box<dyn Error>>;
type Table = Memtable<Item>;

/// Records of a table that the caches hold, and of one that they do not. By default a generation has
/// 65,536.
const SIZES: [usize; 2] = [10_000, 100_000];

/// How often the work of several threads is repeated.
const ROUNDS: usize = 6;

/// Records of the table that several threads share.
const COUNT: usize = 50_000;

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

fn empty() -> Result<Table, Box<dyn Error>> {
    Ok(Memtable::in_memory(
        NoopPersister::default(),
        never_rotated(),
    )?)
}

fn filled(count: usize) -> Result<Table, Box<dyn Error>> {
    let table = empty()?;
    for item in shuffled(count, 0) {
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

/// Millions of operations a second: by the clock, and by the time of a processor, which other
/// programs on the machine take nothing of.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    clock: f64,
    processor: f64,
}

/// Does `work` for every item, in several rounds: the best of them by the clock, and all of them by
/// the processor's time, which the system counts in steps of milliseconds.
fn rate(
    make: impl Fn() -> Result<Table, Box<dyn Error>>,
    items: impl Fn() -> Vec<Item>,
    work: impl Fn(&Table, Item) -> bool,
) -> Result<Rate, Box<dyn Error>> {
    let (mut count, mut processor, mut clock) = (0, Duration::ZERO, Duration::MAX);
    let rounds = if items().len() > 50_000 { 2 } else { 20 };
    for _ in 0..rounds {
        let (table, items) = (make()?, items());
        count = items.len();
        let each = || {
            let done = items.into_iter().map(|item| work(&table, item));
            done.filter(|done| *done).count()
        };
        let (done, taken) = timed(each);
        assert_eq!(done, count, "an operation failed");
        processor += taken.processor;
        clock = clock.min(taken.clock);
    }
    Ok(Rate {
        clock: millions(count, clock),
        processor: millions(count * rounds, processor),
    })
}

fn rates() -> Done {
    println!(
        "\nmemtable, three indexes (one unique), one thread, nothing logged or kept\n  \
         millions of operations a second of processor (by the clock)\n  \
         aims: insert 1, get 5, get by index 3, update and delete 1"
    );
    for count in SIZES {
        println!("  {count} records");
        let full = || filled(count);
        let rotating = || {
            Ok(Memtable::in_memory(
                NoopPersister::default(),
                Options::default(),
            )?)
        };
        let all = || shuffled(count, 0);
        let others = || shuffled(count, count);
        let show = |what: &str, rate: Rate| {
            println!("    {what:42} {:6.2} ({:.2})", rate.processor, rate.clock);
        };
        let insert = |table: &Table, item: Item| table.insert(item).is_ok();
        show("insert", rate(empty, all, insert)?);
        show(
            "insert, rotated and flushed meanwhile",
            rate(rotating, all, insert)?,
        );
        let get = |table: &Table, item: Item| matches!(black_box(table.get(&item.id)), Ok(Some(_)));
        show("get", rate(full, all, get)?);
        let unique = |table: &Table, item: Item| {
            matches!(table.get_unique(BY_NAME, &item.name), Ok(Some(_)))
        };
        show("get by the unique index", rate(full, all, unique)?);
        let update = |table: &Table, item: Item| table.update(item).is_ok();
        show("update, index keys as before", rate(full, all, update)?);
        show(
            "update, two of three index keys change",
            rate(full, others, update)?,
        );
        let delete = |table: &Table, item: Item| matches!(table.delete(&item.id), Ok(true));
        show("delete", rate(full, all, delete)?);
    }
    Ok(())
}

/// An index of few keys must not slow writes down.
fn few_keys() -> Done {
    println!("\nmemtable, one key of an index shared by more and more records: update + delete");
    for count in [10_000, 50_000] {
        let same = move || -> Vec<Item> {
            let mut items = shuffled(count, 0);
            for item in &mut items {
                item.category = 1;
            }
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
        println!(
            "  {count:7} records under one key               {:6.2} M pairs/s of processor",
            rate.processor
        );
    }
    Ok(())
}

/// How much `threads` threads do together, with how much of the processors.
fn together(threads: usize, table: &Table, work: impl Fn(&Table, &Item) -> bool + Sync) -> Taken {
    let items = shuffled(COUNT, 0);
    let begun = Instant::now();
    let processor = std::thread::scope(|scope| {
        let parts = items.chunks(COUNT.div_ceil(threads)).map(|part| {
            let work = &work;
            let each = move || assert!(part.iter().all(|item| work(table, item)), "one failed");
            scope.spawn(move || timed(each).1.processor)
        });
        let threads: Vec<_> = parts.collect();
        let taken = threads.into_iter().map(ScopedJoinHandle::join);
        taken.map(|taken| taken.expect("no operation failed")).sum()
    });
    Taken {
        clock: begun.elapsed(),
        processor,
    }
}

/// An operation on a record, and whether it succeeded.
type Work = fn(&Table, &Item) -> bool;

fn scaling() -> Done {
    println!(
        "\nmemtable, {COUNT} records, threads on one table\n  \
         M/s by the clock, and how much more processor an operation takes than with one thread"
    );
    let works: [(&str, bool, Work); 5] = [
        ("insert", false, |table, item| {
            table.insert(item.clone()).is_ok()
        }),
        ("update", true, |table, item| {
            table.update(item.clone()).is_ok()
        }),
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
                table.update(item.clone()).is_ok()
            }
        }),
    ];
    for (what, is_full, work) in works {
        print!("  {what:26}");
        let mut alone = Rate::default();
        for threads in [1, 2, 4] {
            let (mut processor, mut clock) = (Duration::ZERO, Duration::MAX);
            for _ in 0..ROUNDS {
                let table = if is_full { filled(COUNT)? } else { empty()? };
                let taken = together(threads, &table, work);
                processor += taken.processor;
                clock = clock.min(taken.clock);
            }
            let best = Rate {
                clock: millions(COUNT, clock),
                processor: millions(COUNT * ROUNDS, processor),
            };
            if threads == 1 {
                alone = best;
            }
            print!(
                "   {threads}: {:5.2} (x{:.2})",
                best.clock,
                alone.processor / best.processor
            );
        }
        println!();
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
    let persister = KeyspacePersister::open(&engine, "items")?;
    let table = Memtable::open("items", engine.clone(), persister, options)?;
    Ok((engine, table))
}

fn thresholds(dir: &Path) -> Done {
    const WRITES: usize = 100_000;
    const KEYS: usize = 25_000;
    println!(
        "\nmemtable, threshold: {WRITES} puts of {KEYS} keys, logged and persisted by one engine (buffered, on disk)\n  \
         {:>9}  {:>8}  {:>9}  {:>17}  {:>11}  {:>10}",
        "threshold", "puts/s", "rotations", "records persisted", "longest put", "reopened in"
    );
    for threshold in [100, 1_000, 5_000, 20_000, 100_000] {
        let path = dir.join("threshold");
        let options = Options {
            threshold_records: threshold,
            flush_interval: LONG,
            stall_timeout: LONG,
            ..Options::default()
        };
        let (engine, table) = durable(&path, options)?;
        let mut random = Random::new(10);
        let mut longest = Duration::ZERO;
        let begun = Instant::now();
        for _ in 0..WRITES {
            let item = Item::new(random.below(KEYS), 0);
            let put = Instant::now();
            table.put(item)?;
            longest = longest.max(put.elapsed());
        }
        let taken = begun.elapsed();
        let status = table.status();
        // As after a crash: what is not flushed is replayed.
        engine.durable()?;
        drop(table);
        engine.close()?;
        drop(engine);
        // The flushing thread has the directory locked until its last attempt has failed.
        let (engine, table, reopened) = (0..1000)
            .find_map(|_| {
                let begun = Instant::now();
                let opened = durable(&path, options).ok();
                if opened.is_none() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened.map(|(engine, table)| (engine, table, begun.elapsed()))
            })
            .ok_or("the directory stays locked")?;
        println!(
            "  {threshold:>9}  {:>7.0}k  {:>9}  {:>17}  {longest:>11.1?}  {reopened:>11.1?}",
            millions(WRITES, taken) * 1e3,
            status.flushed + status.immutables as u64,
            status.persisted,
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
    let lasts = Duration::from_secs(3);
    println!(
        "\nmemtable, flush interval: 5,000 puts a second of {KEYS} keys for {lasts:?}, persisted by an engine (buffered)\n  \
         {:>9}  {:>8}  {:>18}  {:>16}",
        "interval", "flushes", "records persisted", "per 100 puts"
    );
    for interval in [20, 100, 500, 1_500].map(Duration::from_millis) {
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
