//! How long it takes to read one record of a 64 MiB segment by its number, warm, and beside that
//! a read of 4 KiB at a random place of the same file.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::frame::{Batch, Kind, Record};
use engine::vfs::Disk;
use engine::wal::{Lsn, Mode, Options, Wal};

/// How many reads are timed.
const READS: usize = 200_000;
/// The bytes of records, somewhat less than a segment.
const BYTES: usize = 62 << 20;

/// A record's bytes.
fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: Kind(0x40),
        version: 1,
        payload,
    }
}

/// Times `read` at random numbers below `count`, and prints how the times are distributed.
fn distribution(what: &str, count: u64, mut read: impl FnMut(u64)) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let number = state % count;
        let begun = Instant::now();
        read(number);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[(READS - 1) * share / 1000].as_secs_f64() * 1e6;
    println!(
        "  {what:34} p50 {:5.2} µs  p90 {:5.2}  p99 {:5.2}  p99.9 {:6.2}  worst {:7.1}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    );
}

fn by_number(what: &str, wal: &Wal<Disk>, count: u64) {
    let begun = Instant::now();
    let first = wal.read(Lsn(count / 2));
    assert!(matches!(first, Ok(Some(_))), "the record is there");
    println!("  {what:34} the first {:.1?}", begun.elapsed());
    distribution(what, count, |number| {
        let entry = wal.read(Lsn(number));
        assert!(matches!(black_box(entry), Ok(Some(entry)) if entry.lsn == Lsn(number)));
    });
}

/// Prints all of it.
pub fn show(base: &Path) -> Result<(), Box<dyn Error>> {
    println!("reads of one record by its number, in a segment of 64 MiB, warm");
    for (len, per_batch) in [(100, 1), (4000, 1), (100, 100)] {
        let dir = tempfile::tempdir_in(base)?;
        let options = Options {
            mode: Mode::Buffered {
                interval: Duration::from_secs(1),
                max_bytes: u64::MAX,
            },
            ..Options::default()
        };
        let (wal, _) = Wal::open(Disk, dir.path(), options)?;
        let payload = vec![7; len];
        let mut batch = Batch::default();
        for _ in 0..per_batch {
            assert!(batch.push(record(&payload)), "the batch is full");
        }
        for _ in 0..BYTES / ((len + 10) * per_batch) {
            if per_batch > 1 {
                wal.append_batch(&batch)?;
            } else {
                wal.append(record(&payload))?;
            }
        }
        wal.sync()?;
        let count = wal.watermarks().accepted.0;
        println!("  {count} records of {len} B, {per_batch} to a frame");
        let file = File::open(dir.path().join("00000000000000000000.wal"))?;
        let mut buffer = [0; 4096];
        distribution("pread of 4 KiB", wal.counters().bytes >> 12, |place| {
            let read = file.read_exact_at(&mut buffer, place << 12);
            assert!(read.is_ok(), "the file is that long");
        });
        by_number("active", &wal, count);
        wal.clone().close()?;
        by_number("sealed", &wal, count);
        drop(wal);
        let (wal, _) = Wal::open(Disk, dir.path(), options)?;
        by_number("sealed, opened again", &wal, count);
    }
    Ok(())
}
