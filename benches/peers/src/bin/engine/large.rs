//! A keyspace of a million keys: a checkpoint, the longest wait of a writer beside it, and recovery.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::engine::Keyspace;
use engine::vfs::Disk;
use engine::wal::Mode;
use engine::{Engine, Options};

use rustix::time::ClockId;

use crate::{median, processor_time};

const KEYS: u64 = 1_000_000;
/// Puts after the snapshot.
const AFTER: u64 = 100_000;
const ROUNDS: usize = 3;

fn key(at: u64) -> [u8; 16] {
    let mut key = *b"key/............";
    key[8..].copy_from_slice(&at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn options() -> Options {
    let mode = Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: 256 << 20,
    };
    Options {
        checkpoint_bytes: None,
        checkpoint_interval: None,
        ..Options::in_mode(mode)
    }
}

/// The longest of many puts, as long as `is_on`, and how many there were.
fn longest(space: &Keyspace, is_on: &AtomicBool) -> (Duration, u64) {
    let (mut longest, mut count) = (Duration::ZERO, 0);
    while is_on.load(Ordering::Relaxed) {
        let begun = Instant::now();
        space
            .put(&key(count % KEYS), &[8; 100])
            .expect("the disk has room");
        longest = longest.max(begun.elapsed());
        count += 1;
    }
    (longest, count)
}

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    let (mut views, mut walls) = (Vec::new(), Vec::new());
    let (mut first, mut alone, mut beside, mut calm, mut opened) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir_in(std::env::current_dir()?)?;
        let (engine, _) = Engine::open(dir.path(), options())?;
        let space = engine.keyspace("default")?;
        for at in 0..KEYS {
            space.put(&key(at), &[7; 100])?;
        }
        engine.durable()?;
        // All that a checkpoint does under the sequencer's lock.
        let begun = processor_time(ClockId::ThreadCPUTime);
        drop(engine.view());
        views.push(processor_time(ClockId::ThreadCPUTime) - begun);
        let begun = processor_time(ClockId::ThreadCPUTime);
        engine.checkpoint()?;
        first.push(processor_time(ClockId::ThreadCPUTime) - begun);
        space.put(&key(0), &[7; 100])?;
        let begun = processor_time(ClockId::ThreadCPUTime);
        let wall = Instant::now();
        engine.checkpoint()?;
        alone.push(processor_time(ClockId::ThreadCPUTime) - begun);
        walls.push(wall.elapsed());
        let is_on = AtomicBool::new(true);
        let time = std::thread::scope(|scope| {
            let waits = scope.spawn(|| longest(&space, &is_on));
            std::thread::sleep(Duration::from_millis(300));
            is_on.store(false, Ordering::Relaxed);
            waits.join().expect("no panic").0
        });
        calm.push(time);
        is_on.store(true, Ordering::Relaxed);
        let time = std::thread::scope(|scope| {
            let waits = scope.spawn(|| longest(&space, &is_on));
            let done = engine.checkpoint();
            is_on.store(false, Ordering::Relaxed);
            let (longest, _) = waits.join().expect("no panic");
            done.map(|_| longest)
        })?;
        beside.push(time);
        engine.checkpoint()?;
        for at in KEYS..KEYS + AFTER {
            space.put(&key(at), &[7; 100])?;
        }
        engine.close()?;
        drop((space, engine));
        let begun = processor_time(ClockId::ProcessCPUTime);
        let (engine, recovery) = Engine::open_with(Disk, dir.path(), options())?;
        opened.push(processor_time(ClockId::ProcessCPUTime) - begun);
        assert_eq!((recovery.snapshot_keys, recovery.replayed), (KEYS, AFTER));
        drop(engine);
    }
    println!(
        "checkpoint of 1 M keys, sorting   {:?} of processor time",
        median(first)
    );
    println!(
        "checkpoint of 1 M keys, sorted    {:?} of processor time",
        median(alone)
    );
    println!(
        "checkpoint of 1 M keys, sorted    {:?} on the wall",
        median(walls)
    );
    println!("longest put, no checkpoint        {:?}", median(calm));
    println!("longest put beside a checkpoint   {:?}", median(beside));
    println!(
        "open: snapshot and 100 K records  {:?} of processor time",
        median(opened)
    );
    Ok(())
}
