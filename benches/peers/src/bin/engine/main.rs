//! The engine's keyspaces beside other maps, and beside other embedded stores.
//!
//! One run prints ratios: the engine's time over the peer's, so that below 1 the engine is ahead. All
//! do the same work on the same keys, rounds alternate, and each takes its median. What one thread does
//! in memory is measured in processor time, which a busy machine changes little; the rest by the clock
//! on the wall.
//!
//! Expected are at most 1.5 times hashbrown with the same hasher for a get and a deletion, 1.5 for a put
//! of a new key, or 2 where keys share a prefix; 2 times `BTreeMap` for an ordered scan; 80/20 of two
//! threads ahead of dashmap and papaya; on disk ahead of redb, fjall and sled at an equal durability; a
//! million keys saved in 100 ms and, with 100,000 records more, opened in 150; no put that waits for 5 ms
//! beside a checkpoint.

mod large;
mod maps;
mod stores;

use std::error::Error;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

/// How often each is run.
const ROUNDS: usize = 5;

/// The time of what `work` does.
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    drop(std::hint::black_box(work()));
    begun.elapsed()
}

/// The processor time of what `work` does in this thread.
fn timed_alone<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = processor_time(ClockId::ThreadCPUTime);
    drop(std::hint::black_box(work()));
    processor_time(ClockId::ThreadCPUTime) - begun
}

/// The processor time so far, of this thread or of the process.
fn processor_time(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

/// The median.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// One line: the time per operation of each, and the engine's over each.
#[expect(clippy::cast_precision_loss, reason = "figures of three digits")]
fn report(what: &str, operations: usize, names: &[&str], times: Vec<Vec<Duration>>) {
    let medians: Vec<_> = times.into_iter().map(median).collect();
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / operations as f64;
    let engine = nanos(medians[0]);
    print!("{what:<28} engine {engine:>8.0} ns");
    for (name, time) in names.iter().zip(&medians).skip(1) {
        print!(
            "   {name} {:>8.0} ns ({:.2})",
            nanos(*time),
            engine / nanos(*time)
        );
    }
    println!();
}

fn main() -> Result<(), Box<dyn Error>> {
    let only = std::env::args().nth(1).unwrap_or_default();
    if only.is_empty() || only == "maps" {
        maps::compare();
    }
    if only.is_empty() || only == "stores" {
        stores::compare()?;
    }
    if only.is_empty() || only == "large" {
        large::measure()?;
    }
    Ok(())
}
