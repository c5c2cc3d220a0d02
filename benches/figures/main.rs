//! The engine's figures with mode, size, and what was warm or synced, next to the limits of the
//! machine, measured in the same run.
//!
//! Wall time is shown, never checked. `FIGURES_MIB` sets the size of the log that recovery
//! is measured on (1024 by default), `FIGURES_DIR` the folder of the files, and `FIGURES_ONLY` picks one
//! of append, strict, recovery, replay, snapshot, memtable and search.

mod limits;
mod memtable;
mod search;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::data::Random;
use benches::frame::record;
use bytes::Bytes;
use engine::frame::Batch;
use engine::kv::{Change, Store, checkpoint, write_snapshot};
use engine::snapshot::{Meta, PAIRS, Pairs, read, save};
use engine::vfs::{Disk, Vfs};
use engine::wal::{Lsn, Mode, Options, Origin, Wal};
use limits::{Limits, best, best_of, gb_per_s, timed};

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let base = std::env::var_os("FIGURES_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let temporary = tempfile::tempdir_in(base)?;
    let dir = temporary.path();
    let limits = limits::measure(dir)?;
    limits.print();
    let only = std::env::var("FIGURES_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    if wanted("append") {
        appends(dir, &limits)?;
    }
    if wanted("strict") {
        strict(dir, &limits)?;
    }
    if wanted("recovery") {
        recovery(dir, &limits)?;
    }
    if wanted("replay") {
        replay(dir)?;
    }
    if wanted("snapshot") {
        snapshots(dir)?;
    }
    if wanted("memtable") {
        memtable::print(dir)?;
    }
    if wanted("search") {
        search::print()?;
    }
    Ok(())
}

fn buffered() -> Options {
    let mode = Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: u64::MAX,
    };
    Options {
        mode,
        ..Options::default()
    }
}

/// A log that reuses files, as one that has run for a while.
fn recycled(dir: &Path) -> Result<Wal<Disk>, Box<dyn Error>> {
    let options = Options {
        spares: 4,
        ..buffered()
    };
    let (wal, _) = Wal::open(Disk, dir, options)?;
    let payload = vec![1; 1 << 20];
    for _ in 0..5 * 64 {
        wal.append(record(&payload))?;
    }
    wal.sync()?;
    wal.truncate_below(wal.watermarks().durable)?;
    Ok(wal)
}

#[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Appends `total` bytes in batches, and waits until they are written.
fn append_batches(wal: &Wal<Disk>, len: usize, per_batch: usize, total: usize) -> Done {
    let payload = Random::new(1).bytes(len);
    let mut batch = Batch::default();
    for _ in 0..total / (len * per_batch) {
        batch.clear();
        for _ in 0..per_batch {
            let fits = batch.push(record(&payload));
            assert!(fits, "the batch is too large");
        }
        wal.append_batch(&batch)?;
    }
    wal.wait_written(wal.watermarks().accepted)?;
    Ok(())
}

fn appends(dir: &Path, limits: &Limits) -> Done {
    const ROUND: usize = 24 << 20;
    println!(
        "\nappend, accepted and written, not durable, one thread, recycled files\n  aims: 64 B 10 M/s, 256 B 8 M/s, below 1 µs each; alone at most 100 ns above crc + copy"
    );
    println!(
        "  (best of rounds of {} MiB, and in brackets all rounds with the syncs that full segments cost,\n   for which the device sets a limit: {:.1} M/s of 64 B, {:.1} M/s of 256 B)",
        ROUND >> 20,
        limits.device * 1e3 / 70.0,
        limits.device * 1e3 / 262.0,
    );
    for (len, per_batch) in [
        (64, 10),
        (64, 100),
        (64, 500),
        (256, 10),
        (256, 100),
        (256, 200),
        (1024, 50),
    ] {
        let wal = recycled(&dir.join("append"))?;
        let mut rounds = Vec::new();
        for _ in 0..8 {
            let begun = Instant::now();
            append_batches(&wal, len, per_batch, ROUND)?;
            rounds.push(begun.elapsed());
        }
        let count = ROUND / (len * per_batch) * per_batch;
        let all: Duration = rounds.iter().sum();
        let time = rounds.iter().copied().min().unwrap_or_default();
        let rate = gb_per_s(count * len, time);
        println!(
            "  {len:4} B in batches of {per_batch:3}  {:5.1} M/s ({:4.1})  {:4.0} ns each  {rate:.2} GB/s, {:.0} % of memcpy",
            per_second(count, time) / 1e6,
            per_second(count * 8, all) / 1e6,
            1e9 / per_second(count, time),
            rate / limits.memcpy_large * 100.0,
        );
        drop(wal);
        std::fs::remove_dir_all(dir.join("append"))?;
    }
    let wal = recycled(&dir.join("append"))?;
    let payload = Random::new(1).bytes(64);
    let time = best(5, 400_000, || {
        let _ = black_box(wal.append(record(black_box(&payload))));
    });
    let ns = time.as_secs_f64() * 1e9;
    println!(
        "    64 B alone             {:5.1} M/s  {ns:4.0} ns each  {:.0} ns above crc + copy",
        1e3 / ns,
        ns - limits.crc_and_copy_64_ns,
    );
    drop(wal);
    std::fs::remove_dir_all(dir.join("append"))?;
    Ok(())
}

fn strict(dir: &Path, limits: &Limits) -> Done {
    println!(
        "\ncommit, durable (fdatasync), 256 B, preallocated file\n  aims: at most 1 fdatasync per commit alone, 0.3 with 8 committers"
    );
    for committers in [1, 2, 8] {
        let path = dir.join("strict");
        let (wal, _) = Wal::open(Disk, &path, Options::default())?;
        let payload = Random::new(1).bytes(256);
        wal.commit(wal.append(record(&payload))?.end)?;
        let before = wal.counters();
        let commits_each = 800 / committers;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..committers {
                scope.spawn(|| {
                    for _ in 0..commits_each {
                        let committed = wal
                            .append(record(&payload))
                            .map(|done| wal.commit(done.end));
                        assert!(matches!(committed, Ok(Ok(()))), "the log failed");
                    }
                });
            }
        });
        let time = begun.elapsed();
        let commits = committers * commits_each;
        let syncs = usize::try_from(wal.counters().syncs - before.syncs)?;
        println!(
            "  {committers} committers  {:6.0} commits/s  {:.2} fdatasync per commit  (one alone could do {:.0}/s)",
            per_second(commits, time),
            per_second(syncs, Duration::from_secs(1)) / per_second(commits, Duration::from_secs(1)),
            1.0 / limits.sync_p50.as_secs_f64(),
        );
        drop(wal);
        std::fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// Anonymous memory of this process, in KiB.
fn heap_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}

fn recovery(dir: &Path, limits: &Limits) -> Done {
    let mib: usize = std::env::var("FIGURES_MIB")
        .ok()
        .and_then(|mib| mib.parse().ok())
        .unwrap_or(1024);
    println!(
        "\nrecovery, warm (files in the page cache)\n  aims: 1 GiB verified in 500 ms with two threads, below 64 MiB of heap"
    );
    for (len, per_batch) in [(64, 1), (64, 100), (1024, 1)] {
        let path = dir.join("recovery");
        let (wal, _) = Wal::open(Disk, &path, buffered())?;
        let payload = Random::new(1).bytes(len);
        let mut batch = Batch::default();
        while per_batch > 1 && batch.len() < per_batch {
            assert!(batch.push(record(&payload)), "the batch is too large");
        }
        while wal.counters().bytes < (mib as u64) << 20 {
            for _ in 0..1000 {
                if per_batch > 1 {
                    wal.append_batch(&batch)?;
                } else {
                    wal.append(record(&payload))?;
                }
            }
        }
        wal.close()?;
        for threads in [1, 2] {
            let options = Options {
                threads,
                ..buffered()
            };
            let mut times = Vec::new();
            let mut heap = 0;
            let mut found = None;
            for _ in 0..3 {
                let heap_before = heap_kib();
                let begun = Instant::now();
                let (wal, recovered) = Wal::open(Disk, &path, options)?;
                times.push(begun.elapsed());
                heap = heap_kib().saturating_sub(heap_before) >> 10;
                wal.close()?;
                found = Some(recovered);
            }
            let found = found.unwrap_or_default();
            let time = times.into_iter().min().unwrap_or_default();
            let bytes = usize::try_from(found.bytes)?;
            println!(
                "  verify {:4} MiB, {len:4} B x {per_batch:3}, {threads} threads  {:4.0} ms  {:5.1} M records/s  {:.1} GB/s (crc-32 alone {:.1})  heap +{heap} MiB",
                bytes >> 20,
                time.as_secs_f64() * 1e3,
                per_second(usize::try_from(found.records)?, time) / 1e6,
                gb_per_s(bytes, time),
                limits.crc_large,
            );
        }
        std::fs::remove_dir_all(path)?;
    }
    Ok(())
}

fn pairs(count: usize) -> impl Iterator<Item = (Bytes, Bytes)> {
    let mut random = Random::new(9);
    // An odd factor: no two numbers give the same key, and neighbours are far apart.
    (0..count as u64).map(move |number| {
        let key = format!(
            "key/{:012x}",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
        );
        (key.into(), random.bytes(100).into())
    })
}

/// Prints the best of three times.
fn show<T>(what: &str, work: impl FnMut() -> T) {
    if let Some(taken) = best_of(3, work) {
        println!("  {what:42} {taken}");
    }
}

fn replay(dir: &Path) -> Done {
    const COUNT: usize = 1_000_000;
    let path = dir.join("replay");
    let (wal, _) = Wal::open(Disk, &path, buffered())?;
    let mut payload = Vec::new();
    for (key, value) in pairs(COUNT) {
        wal.append(Change::put(&mut payload, &key, &value))?;
    }
    wal.close()?;
    let (wal, _) = Wal::open(Disk, &path, buffered())?;
    println!(
        "\nreplay of 1 M puts, 16 B keys, 100 B values, distinct, verified before\n  aim: 300 ms"
    );
    show("visited, nothing built", || {
        let bytes = wal.entries().flatten().map(|entry| entry.payload.len());
        bytes.sum::<usize>() == COUNT * 120
    });
    show("into a list of entries (Bytes)", || {
        wal.entries().flatten().collect::<Vec<_>>()
    });
    show("into a Store (hash + order)", || {
        Store::rebuild(wal.entries())
    });
    let store = Store::rebuild(wal.entries())?;
    assert_eq!(store.len(), COUNT);
    drop(wal);
    std::fs::remove_dir_all(path)?;
    Ok(())
}

/// A store of `count` keys, as it comes out of its log.
fn logged_store(dir: &Path, count: usize) -> Result<(Wal<Disk>, Store), Box<dyn Error>> {
    let (wal, _) = Wal::open(Disk, dir, buffered())?;
    let mut payload = Vec::new();
    for (key, value) in pairs(count) {
        wal.append(Change::put(&mut payload, &key, &value))?;
    }
    wal.sync()?;
    let store = Store::rebuild(wal.entries())?;
    Ok((wal, store))
}

fn snapshots(dir: &Path) -> Done {
    const COUNT: usize = 1_000_000;
    let dir = dir.join("snapshot");
    let (wal, mut store) = logged_store(&dir, COUNT)?;
    let view = store.freeze()?;
    let path = dir.join("unsynced");
    let mut rounds = Vec::new();
    let mut len = 0;
    // As all others the best of three.
    for lsn in [7, 8, 9].map(Lsn) {
        let meta = Meta {
            taken_us: 1,
            lsn,
            changes: lsn.0,
            origin: Origin::default(),
        };
        let write = |file: &File| write_snapshot(file, &view, &meta);
        let timed_write = |file: &File| timed(|| write(file));
        let (created, new) = timed_write(&Disk.create(&path)?);
        len = created?;
        let (_, again) = timed_write(&Disk.open(&path)?);
        std::fs::remove_file(&path)?;
        let (saved, synced) = timed(|| save(&Disk, &dir, lsn, write));
        saved?;
        rounds.push([again, new, synced]);
    }
    let best = |which: usize| rounds.iter().map(|it| it[which]).min_by_key(|it| it.clock);
    println!(
        "\nsnapshot of 1 M keys, {} MB ({} B a key)\n  aims: written in 100 ms, ready to serve in 200 ms",
        len / 1_000_000,
        len / COUNT as u64
    );
    show("pairs visited in order, nothing written", || {
        let pairs = view.iter().map(|pair| black_box(pair).as_bytes().len());
        pairs.sum::<usize>()
    });
    let what = [
        "written over an old file, no fsync",
        "written to a new file, no fsync",
        "saved: fsync, rename, former one read",
    ];
    for (index, what) in what.into_iter().enumerate() {
        if let Some(taken) = best(index) {
            println!("  {what:42} {taken}");
        }
    }
    drop(view);
    let mapped = Disk.map(&dir.join("00000000000000000009.snap"))?;
    show("load: ready to serve (get), warm, mapped", || {
        let pairs = read(&mapped)
            .ok()
            .and_then(|loaded| Pairs::load(loaded.section(PAIRS)?).ok());
        assert_eq!(pairs.as_ref().map_or(0, Pairs::len), COUNT);
        pairs
    });
    let loaded = read(&mapped)?;
    let pairs = Pairs::load(loaded.section(PAIRS).ok_or("no pairs")?)?;
    show("then a Store (hash + order)", || Store::restore(&pairs));
    stall(&dir, &wal, store)
}

/// The longest that a writer waited for one put while a checkpoint was taken, and while what
/// gathered meanwhile was carried over.
fn stall(dir: &Path, wal: &Wal<Disk>, mut store: Store) -> Done {
    let lsn = wal.watermarks().accepted;
    let begun = Instant::now();
    let view = store.freeze()?;
    let frozen = begun.elapsed();
    let value = [5; 100];
    let mut random = Random::new(3);
    let mut put = |store: &mut Store| {
        let begun = Instant::now();
        store.put(&random.number().to_le_bytes(), &value);
        begun.elapsed()
    };
    let mut waits = Vec::with_capacity(4_000_000);
    let begun = Instant::now();
    let took = std::thread::scope(|scope| {
        let checkpoint = scope.spawn(move || {
            let begun = Instant::now();
            let done = checkpoint(&Disk, dir, wal, &view, lsn);
            drop(view);
            done.map(|()| begun.elapsed())
        });
        while !checkpoint.is_finished() {
            waits.push(put(&mut store));
        }
        checkpoint.join()
    });
    let took = took.map_err(|_| "the checkpoint panicked")??;
    let during = (waits.len(), begun.elapsed());
    waits.sort_unstable();
    let mut after: Vec<_> = (0..waits.len()).map(|_| put(&mut store)).collect();
    after.sort_unstable();
    let [longest, later] = [&waits, &after].map(|waits| waits.last().copied().unwrap_or_default());
    let p999 = waits[waits.len() / 1000 * 999];
    println!(
        "  checkpoint of 1 M keys under writes     {:5.0} ms; frozen in {:.1?}",
        took.as_secs_f64() * 1e3,
        frozen
    );
    println!(
        "  a writer meanwhile                      {:5.2} M puts/s; one waits {p999:.1?} at p99.9, {longest:.1?} at most; afterwards {later:.1?} at most",
        per_second(during.0, during.1) / 1e6,
    );
    Ok(())
}
