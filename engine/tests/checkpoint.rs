//! An engine that is checkpointed while it is written, crashed at any call, and recovered equals a
//! model of it.
//!
//! The changes meanwhile are no matter of luck: a disk that does something else before every call
//! about a snapshot makes them between any two steps of a checkpoint.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod meanwhile;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::engine::{CommitError, OpenError, Recovery};
use engine::vfs::{Failure, Memory, Plan, Sim, Vfs};
use engine::wal::{self, Lsn};
use engine::{Engine, Options};
use meanwhile::Meanwhile;
use parking_lot::Mutex;

type Model = BTreeMap<String, String>;

fn dir() -> &'static Path {
    Path::new("db")
}

/// Buffered, so that what is durable is what was waited for.
fn open<V: Vfs>(vfs: &V) -> Result<(Engine, Recovery), OpenError> {
    let mode = wal::Mode::Buffered {
        interval: std::time::Duration::ZERO,
        max_bytes: u64::MAX,
    };
    let options = Options {
        log: wal::Options {
            mode,
            segment_bytes: 4096,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    };
    Engine::open_with(vfs.clone(), dir(), options)
}

/// What the engine holds after `count` changes.
fn model(count: u64) -> Model {
    let mut model = Model::default();
    for number in 0..count {
        let key = format!("key {}", number % 23);
        if number % 7 == 6 {
            model.remove(&key);
        } else {
            model.insert(key, format!("value {number}"));
        }
    }
    model
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    changes: u64,
    durable: u64,
    /// Changes that were made in the middle of a checkpoint.
    meanwhile: u64,
}

/// Makes the next change.
fn change(engine: &Engine, told: &Mutex<Told>) -> Result<(), CommitError> {
    let space = engine.keyspace("default")?;
    let number = told.lock().changes;
    let key = format!("key {}", number % 23);
    told.lock().changes += 1;
    let lsn = if number % 7 == 6 {
        space.delete(key.as_bytes())?
    } else {
        space.put(key.as_bytes(), format!("value {number}").as_bytes())?
    };
    assert_eq!(lsn, Lsn(number));
    if number % 10 == 9 {
        engine.wait_durable(Lsn(number + 1))?;
        told.lock().durable = number + 1;
    }
    Ok(())
}

/// Makes at least 300 changes, with a checkpoint every 60 and changes in the middle of each. Answers
/// with how far it came, and whether that was to the end.
fn run(disk: &impl Vfs) -> (Told, bool) {
    let vfs = Meanwhile::new(disk.clone());
    let told = Arc::new(Mutex::new(Told::default()));
    let Ok((engine, _)) = open(&vfs) else {
        return (Told::default(), false);
    };
    let (writer, counted) = (engine.clone(), Arc::clone(&told));
    vfs.meanwhile(move || {
        // If a checkpoint held a lock of the writers meanwhile, this would wait for ever.
        for _ in 0..2 {
            let _ = change(&writer, &counted);
            counted.lock().meanwhile += 1;
        }
    });
    let done = (0..300).all(|number| {
        change(&engine, &told).is_ok() && (number % 60 != 59 || engine.checkpoint().is_ok())
    });
    vfs.rest();
    let told = *told.lock();
    (told, done)
}

fn contents(engine: &Engine) -> Model {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let space = engine.keyspace("default").unwrap();
    space
        .scan()
        .map(|item| (text(item.key()), text(item.value())))
        .collect()
}

/// What is recovered must be the model after some number of changes, not fewer than were durable.
fn recovers(disk: &Sim, told: Told, story: &str) {
    let Told {
        changes, durable, ..
    } = told;
    let (engine, recovery) = open(disk).unwrap();
    let count = recovery.log.end.0;
    let story = format!("{story}: {durable} ≤ {count} ≤ {changes}");
    assert!(durable <= count && count <= changes, "{story}");
    assert_eq!(contents(&engine), model(count), "{story}");
}

#[test]
fn a_crash_at_any_call_of_a_checkpoint_under_writes_loses_nothing_durable() {
    let mut checked = 0;
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let (told, is_done) = run(&sim);
        for fate in 0..4 {
            let story = format!("crash at call {call}, fate {fate}");
            recovers(&sim.crash(fate), told, &story);
            checked += 1;
        }
        if is_done && !sim.has_crashed() {
            assert!(checked > 300, "only {checked} crashes");
            return;
        }
    }
}

#[test]
fn a_failure_of_any_call_of_a_checkpoint_under_writes_loses_nothing_durable() {
    let sim = Sim::default();
    assert!(run(&sim).1);
    let calls = sim.calls().all;
    assert!(calls > 150, "{calls} calls");
    for call in 1..=calls {
        for failure in [Failure::Refused, Failure::Partial] {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, failure));
            let (told, _) = run(&sim);
            sim.plan(Plan::Fair);
            let story = format!("{failure:?} at call {call}");
            for fate in [0, 4] {
                recovers(&sim.crash(fate), told, &story);
            }
            // A new process on the same system, whose cache may lie.
            recovers(&sim, told, &story);
        }
    }
}

#[test]
fn writers_go_on_between_any_two_calls_of_a_checkpoint() {
    let (told, is_done) = run(&Memory::default());
    assert!(is_done);
    // Create, two writes of the file's parts and one of its checksum, sync, rename: two changes
    // before each, but for the last checkpoints, in which older snapshots go as well.
    assert!(told.meanwhile >= 5 * 6 * 2, "{told:?}");
    assert_eq!(told.changes, 300 + told.meanwhile);
}

/// Runs undisturbed, and answers with the LSNs of the two snapshots that are left.
fn ran(vfs: &Memory) -> [u64; 2] {
    assert!(run(vfs).1);
    snapshots(vfs).try_into().unwrap()
}

/// The LSNs of the snapshots.
fn snapshots(vfs: &Memory) -> Vec<u64> {
    let names = vfs.list(dir()).unwrap();
    let lsns = names
        .iter()
        .filter_map(|name| name.strip_suffix(".snap")?.parse().ok());
    lsns.collect()
}

fn snapshot_path(lsn: u64) -> std::path::PathBuf {
    dir().join(format!("{lsn:020}.snap"))
}

/// Flips a bit in the middle of a file.
fn flip(vfs: &Memory, path: &Path) {
    let mut bytes = vfs.read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    vfs.write(path, bytes);
}

#[test]
fn a_rotten_snapshot_is_passed_over_for_the_one_before() {
    let vfs = Memory::default();
    let [older, newest] = ran(&vfs);
    flip(&vfs, &snapshot_path(newest));
    let (engine, recovery) = open(&vfs).unwrap();
    assert_eq!(recovery.snapshot.unwrap().lsn, Lsn(older));
    assert_eq!(recovery.passed_over[0].0, snapshot_path(newest));
    let count = recovery.log.end.0;
    assert!(count >= newest);
    assert_eq!(contents(&engine), model(count));
}

#[test]
fn a_log_that_fits_no_snapshot_is_refused() {
    let vfs = Memory::default();
    let saved = ran(&vfs);
    let (engine, _) = open(&vfs).unwrap();
    assert!(engine.stats().first > Lsn(0), "the log was truncated");
    drop(engine);
    let newest = vfs.read(&snapshot_path(saved[1])).unwrap();
    for lsn in saved {
        vfs.remove(&snapshot_path(lsn)).unwrap();
    }
    let refused = open(&vfs).unwrap_err();
    assert!(matches!(refused, OpenError::NoSnapshot { .. }), "{refused}");

    let other = Memory::default();
    let (short, _) = open(&other).unwrap();
    short.keyspace("default").unwrap().delete(b"key").unwrap();
    short.close().unwrap();
    drop(short);
    other.write(&snapshot_path(saved[1]), newest);
    let refused = open(&other).unwrap_err();
    let is_short = matches!(&refused, OpenError::Log(wal::OpenError::TooShort { .. }));
    assert!(is_short, "{refused}");
}

/// A log of 100 records, the first half of which a snapshot covers too if `is_covered`; recovered,
/// and let go of by two more checkpoints.
fn shrinks(is_covered: bool) {
    let disk = Memory::default();
    let put = |engine: &Engine, number: u32| {
        let space = engine.keyspace("default").unwrap();
        let key = format!("key {number}");
        space.put(key.as_bytes(), &[7; 200]).unwrap();
    };
    let (engine, _) = open(&disk).unwrap();
    for number in 0..100 {
        put(&engine, number);
        if is_covered && number == 50 {
            engine.checkpoint().unwrap();
        }
    }
    drop(engine);
    let (engine, _) = open(&disk).unwrap();
    let space = engine.keyspace("default").unwrap();
    assert_eq!((space.len(), engine.stats().first), (100, Lsn(0)));
    // Two snapshots are kept, and the log goes back to the older.
    for _ in 0..2 {
        engine.checkpoint().unwrap();
        put(&engine, 100);
    }
    let first = engine.stats().first;
    assert!(first > Lsn(90), "{first:?}");
    assert_eq!(space.get(b"key 0").unwrap(), [7; 200]);
}

#[test]
fn a_log_shrinks_under_an_engine_that_was_rebuilt_from_it() {
    shrinks(false);
}

#[test]
fn a_log_shrinks_under_an_engine_that_replayed_it_over_a_snapshot() {
    shrinks(true);
}

#[test]
fn a_rotten_snapshot_of_three_leaves_a_way_back() {
    let vfs = Memory::default();
    let saved = ran(&vfs);
    flip(&vfs, &snapshot_path(saved[1]));
    let (engine, _) = open(&vfs).unwrap();
    engine
        .keyspace("default")
        .unwrap()
        .delete(b"nothing")
        .unwrap();
    let newest = engine.checkpoint().unwrap();
    let expected = contents(&engine);
    drop(engine);
    // The new one rots as well: the oldest and the log still give everything.
    flip(&vfs, &snapshot_path(newest.0));
    let (engine, recovery) = open(&vfs).unwrap();
    assert_eq!(recovery.snapshot.unwrap().lsn, Lsn(saved[0]));
    assert_eq!(recovery.passed_over.len(), 2);
    assert_eq!(contents(&engine), expected);
}

#[test]
fn a_snapshot_alone_may_rot_too() {
    let vfs = Memory::default();
    let (engine, _) = open(&vfs).unwrap();
    let space = engine.keyspace("default").unwrap();
    for number in 0..100_u32 {
        space.put(format!("{number}").as_bytes(), b"value").unwrap();
    }
    let lsn = engine.checkpoint().unwrap();
    let expected = contents(&engine);
    drop((engine, space));
    flip(&vfs, &snapshot_path(lsn.0));
    let (engine, recovery) = open(&vfs).unwrap();
    assert!(recovery.snapshot.is_none());
    assert_eq!(contents(&engine), expected);
}
