//! What this machine can do at best, measured in the same run as the figures.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The limits of this machine.
pub(crate) struct Limits {
    /// Copying 64 KiB in the cache.
    pub memcpy_cached: f64,
    /// Copying 256 MiB.
    pub memcpy_large: f64,
    /// CRC-32 over 64 KiB.
    pub crc_large: f64,
    /// CRC-32 and copy of 64 bytes, in nanoseconds.
    pub crc_and_copy_64_ns: f64,
    /// Overwriting a file in the page cache.
    pub overwrite: f64,
    /// Writing a file that has no pages yet.
    pub new_file: f64,
    /// Overwriting a file and syncing it: what can be sustained.
    pub device: f64,
    /// One write of 512 bytes, in nanoseconds.
    pub write_call_ns: f64,
    /// Syncing 4 KiB in a file of zeros.
    pub sync_p50: Duration,
    pub sync_p99: Duration,
}

/// The best of `rounds` times, per repetition.
pub(crate) fn best(rounds: usize, repetitions: u32, mut work: impl FnMut()) -> Duration {
    let time = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        for _ in 0..repetitions {
            work();
        }
        begun.elapsed() / repetitions
    };
    (0..rounds)
        .map(|_| time(&mut work))
        .min()
        .unwrap_or_default()
}

/// Wall time and processor time. On a shared machine they differ widely.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub clock: Duration,
    pub processor: Duration,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [clock, processor] = [self.clock, self.processor].map(|time| time.as_secs_f64() * 1e3);
        write!(f, "{clock:5.0} ms ({processor:.0} ms of processor)")
    }
}

/// The time that this thread has had a processor.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(first.unwrap_or(0))
}

/// Times `work`, without the drop of its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let (processor, begun) = (processor_time(), Instant::now());
    let made = black_box(work());
    let taken = Taken {
        clock: begun.elapsed(),
        processor: processor_time().saturating_sub(processor),
    };
    (made, taken)
}

/// The best of `rounds` times.
pub(crate) fn best_of<T>(rounds: usize, mut work: impl FnMut() -> T) -> Option<Taken> {
    let taken = (0..rounds).map(|_| timed(&mut work).1);
    taken.min_by_key(|taken| taken.clock)
}

/// Bytes per nanosecond, which are gigabytes per second.
pub(crate) fn gb_per_s(bytes: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let bytes = bytes as f64;
    bytes / time.as_secs_f64() / 1e9
}

pub(crate) fn measure(dir: &Path) -> std::io::Result<Limits> {
    let copy = |len: usize, repetitions| {
        let source = vec![1_u8; len];
        let mut target = vec![0_u8; len];
        let time = best(5, repetitions, || {
            target.copy_from_slice(black_box(&source));
            black_box(&mut target);
        });
        gb_per_s(len, time)
    };
    let large = vec![7_u8; 64 << 10];
    let crc_time = best(5, 200, || {
        black_box(crc32fast::hash(black_box(&large)));
    });
    let small = [7_u8; 64];
    let mut out = Vec::with_capacity(1 << 20);
    let both = best(5, 100_000, || {
        if out.len() + 64 > out.capacity() {
            out.clear();
        }
        out.extend_from_slice(black_box(&small));
        black_box(crc32fast::hash(black_box(&small)));
    });

    let chunk = vec![3_u8; 1 << 20];
    let path = dir.join("limits");
    let file = File::create(&path)?;
    let write_all = |megabytes: u64| -> std::io::Result<Duration> {
        let begun = Instant::now();
        for number in 0..megabytes {
            file.write_all_at(&chunk, number << 20)?;
        }
        Ok(begun.elapsed())
    };
    let new_file = gb_per_s(256 << 20, write_all(256)?);
    file.sync_all()?;
    let overwrite = gb_per_s(256 << 20, write_all(256)?.min(write_all(256)?));
    file.sync_all()?;
    let begun = Instant::now();
    write_all(256)?;
    file.sync_data()?;
    let device = gb_per_s(256 << 20, begun.elapsed());
    let call = best(3, 2000, || {
        let _ = black_box(file.write_all_at(&chunk[..512], 0));
    });
    let mut syncs = Vec::new();
    for number in 0..300 {
        file.write_all_at(&chunk[..4096], number << 12)?;
        let begun = Instant::now();
        file.sync_data()?;
        syncs.push(begun.elapsed());
    }
    syncs.sort_unstable();
    std::fs::remove_file(path)?;
    Ok(Limits {
        memcpy_cached: copy(64 << 10, 2000),
        memcpy_large: copy(256 << 20, 1),
        crc_large: gb_per_s(large.len(), crc_time),
        crc_and_copy_64_ns: both.as_secs_f64() * 1e9,
        overwrite,
        new_file,
        device,
        write_call_ns: call.as_secs_f64() * 1e9,
        sync_p50: syncs[150],
        sync_p99: syncs[297],
    })
}

impl Limits {
    pub(crate) fn print(&self) {
        println!("limits of this machine, measured now");
        println!(
            "  memcpy          {:.1} GB/s in cache, {:.1} GB/s beyond",
            self.memcpy_cached, self.memcpy_large
        );
        println!("  crc-32          {:.1} GB/s over 64 KiB", self.crc_large);
        println!(
            "  crc + copy      {:.0} ns for 64 B",
            self.crc_and_copy_64_ns
        );
        println!(
            "  page cache      {:.1} GB/s overwriting, {:.1} GB/s in a new file",
            self.overwrite, self.new_file
        );
        println!(
            "  device          {:.1} GB/s overwriting and synced",
            self.device
        );
        println!("  write call      {:.0} ns for 512 B", self.write_call_ns);
        println!(
            "  fdatasync 4 KiB p50 {:.0?}, p99 {:.0?}, into zeros",
            self.sync_p50, self.sync_p99
        );
    }
}
