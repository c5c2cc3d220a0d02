//! The engine's keyspaces beside other maps, and beside other embedded stores.
//!
//! One run prints ratios: the engine's time over the peer's, so that below 1 the engine is ahead. All
//! do the same work on the same keys, rounds alternate, and each takes its median. Expectations are
//! those of the engine's issue list: get at most 1.5 times hashbrown with the same hasher, puts 2
//! times where keys share a prefix and 1.5 where not, deletions 1.5, an ordered scan 2 times
//! `BTreeMap`, mixed reads and writes of two threads ahead of dashmap and papaya; on disk ahead of
//! redb, fjall and sled at an equal durability.

mod maps;
mod stores;

use std::error::Error;
use std::time::{Duration, Instant};

/// How often each is run.
const ROUNDS: usize = 5;

/// The time of what `work` does.
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    drop(std::hint::black_box(work()));
    begun.elapsed()
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
    Ok(())
}
