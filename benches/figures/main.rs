//! The engine's figures with mode, size, and what was warm or synced, next to the limits of the
//! machine, measured in the same run.
//!
//! Wall time is shown, never checked. `FIGURES_MIB` sets the size of the log that recovery
//! is measured on (1024 by default), `FIGURES_DIR` the folder of the files, and `FIGURES_ONLY` picks one
//! of append, strict, recovery, replay, snapshot, memtable, streams and search.

mod keyspace;
mod limits;
mod memtable;
mod search;
mod streams;

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::data::Random;
use benches::frame::record;
use engine::frame::Batch;
use engine::vfs::Disk;
use engine::wal::{Mode, Options, Wal};
use limits::{Limits, best, gb_per_s};

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
        keyspace::replay(dir)?;
    }
    if wanted("snapshot") {
        keyspace::snapshots(dir)?;
    }
    if wanted("memtable") {
        memtable::print(dir)?;
    }
    if wanted("streams") {
        streams::print(dir)?;
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
