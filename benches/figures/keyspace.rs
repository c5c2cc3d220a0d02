//! A keyspace of a million keys: its log replayed, its snapshot saved and opened, and how long a writer
//! waits beside a checkpoint.

use std::path::Path;
use std::time::{Duration, Instant};

use benches::data::Random;
use bytes::Bytes;
use engine::engine::Keyspace;
use engine::vfs::Disk;
use engine::wal::Wal;
use engine::{Engine, Options};

use super::limits::{best_of, timed};
use super::{Done, buffered, per_second};

/// How many keys there are.
const COUNT: usize = 1_000_000;

fn options() -> Options {
    Options {
        log: buffered(),
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        ..Options::default()
    }
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

/// Opens an engine and fills its keyspace.
fn filled(dir: &Path) -> Result<(Engine, Keyspace), Box<dyn std::error::Error>> {
    let (engine, _) = Engine::open(dir, options())?;
    let space = engine.keyspace("default")?;
    for (key, value) in pairs(COUNT) {
        space.put(&key, &value)?;
    }
    Ok((engine, space))
}

fn opened(dir: &Path) -> Option<Engine> {
    let (engine, _) = Engine::open(dir, options()).ok()?;
    assert_eq!(engine.keyspace("default").ok()?.len(), COUNT);
    engine.close().ok()?;
    Some(engine)
}

/// A log of a million puts.
pub(super) fn replay(dir: &Path) -> Done {
    let path = dir.join("replay");
    let (engine, space) = filled(&path)?;
    engine.close()?;
    drop((engine, space));
    println!("\nreplay of 1 M puts, 16 B keys, 100 B values, distinct\n  aim: 300 ms");
    let (wal, _) = Wal::open(Disk, &path, buffered())?;
    show("log visited, verified before", || {
        let bytes = wal.entries().flatten().map(|entry| entry.payload.len());
        bytes.sum::<usize>() == COUNT * 132
    });
    wal.close()?;
    show("engine opened: verified and replayed", || opened(&path));
    std::fs::remove_dir_all(path)?;
    Ok(())
}

/// A snapshot of a million keys.
pub(super) fn snapshots(dir: &Path) -> Done {
    let path = dir.join("snapshot");
    let (engine, space) = filled(&path)?;
    println!(
        "\nsnapshot of 1 M keys, 16 B keys, 100 B values\n  aims: saved in 100 ms, ready to serve in 200 ms"
    );
    let (saved, first) = timed(|| engine.checkpoint());
    saved?;
    println!("  {:42} {first}", "saved: sorted, fsync, rename");
    // Another record, so that it is another snapshot.
    show("saved again: fsync, rename, former one read", || {
        let put = space.put(b"key/", b"value").is_ok();
        put && engine.checkpoint().is_ok()
    });
    space.delete(b"key/")?;
    stall(&engine, &space)?;
    engine.checkpoint()?;
    engine.close()?;
    drop((engine, space));
    show("engine opened: ready to serve", || opened(&path));
    std::fs::remove_dir_all(path)?;
    Ok(())
}

/// The longest that a writer waited for one put while a checkpoint was taken, and afterwards.
fn stall(engine: &Engine, space: &Keyspace) -> Done {
    let keys: Vec<_> = pairs(COUNT).map(|(key, _)| key).collect();
    let mut random = Random::new(3);
    let mut put = || {
        let key = &keys[random.below(COUNT)];
        let begun = Instant::now();
        space.put(key, &[5; 100]).map(|_| begun.elapsed())
    };
    let mut waits = Vec::with_capacity(4_000_000);
    let begun = Instant::now();
    let took = std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| {
            let begun = Instant::now();
            engine.checkpoint().map(|_| begun.elapsed())
        });
        while !checkpoint.is_finished() {
            waits.push(put()?);
        }
        let done = checkpoint.join();
        Ok::<_, Box<dyn std::error::Error>>(done.map_err(|_| "the checkpoint panicked")??)
    })?;
    let (count, during) = (waits.len(), begun.elapsed());
    waits.sort_unstable();
    let mut after = Vec::with_capacity(count);
    for _ in 0..count {
        after.push(put()?);
    }
    let [longest, later] =
        [&waits, &after].map(|waits| waits.iter().max().copied().unwrap_or_default());
    let p999 = waits
        .get(count / 1000 * 999)
        .copied()
        .unwrap_or(Duration::ZERO);
    println!(
        "  checkpoint of 1 M keys under writes     {:5.0} ms",
        took.as_secs_f64() * 1e3,
    );
    println!(
        "  a writer meanwhile                      {:5.2} M puts/s; one waits {p999:.1?} at p99.9, {longest:.1?} at most; afterwards {later:.1?} at most",
        per_second(count, during) / 1e6,
    );
    Ok(())
}
