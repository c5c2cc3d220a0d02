//! A store that is checkpointed while it is written, crashed at any call, and recovered equals a
//! model of it.
//!
//! The changes meanwhile are no matter of luck: a disk that does something else before every call
//! about a snapshot makes them between any two steps of a checkpoint.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod meanwhile;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::kv::{Change, RecoverError, Store, checkpoint, recover};
use engine::vfs::{Failure, Memory, Plan, Sim, Vfs};
use engine::wal::{Lsn, Options, Wal};
use meanwhile::Meanwhile;
use parking_lot::Mutex;

type Model = BTreeMap<String, String>;

fn dir() -> &'static Path {
    Path::new("db")
}

fn open<V: Vfs>(vfs: &V) -> Option<Wal<V>> {
    let options = Options {
        segment_bytes: 4096,
        threads: 1,
        ..Options::default()
    };
    Some(Wal::open(vfs.clone(), dir(), options).ok()?.0)
}

/// What the store looks like after `count` changes.
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

/// A store and its log.
struct Db<V: Vfs> {
    wal: Wal<V>,
    store: Store,
    changes: u64,
    durable: u64,
    /// Changes that were made in the middle of a checkpoint.
    meanwhile: u64,
}

impl<V: Vfs> Db<V> {
    /// Makes the next change, and tells where the log is then.
    fn change(&mut self) -> Option<Lsn> {
        let number = self.changes;
        let key = format!("key {}", number % 23);
        let mut payload = Vec::new();
        let appended = if number % 7 == 6 {
            self.store.delete(key.as_bytes());
            self.wal.append(Change::delete(key.as_bytes()))
        } else {
            let value = format!("value {number}");
            self.store.put(key.as_bytes(), value.as_bytes());
            let change = Change::put(&mut payload, key.as_bytes(), value.as_bytes());
            self.wal.append(change)
        };
        self.changes += 1;
        let end = appended.ok()?.end;
        if number % 10 == 9 {
            self.wal.commit(end).ok()?;
            self.durable = end.0;
        }
        Some(end)
    }
}

/// Makes at least 300 changes, with a checkpoint every 60 and changes in the middle of each, and
/// tells how many there were, how many of them in the middle, and how many were durable.
fn run(disk: &impl Vfs, told: &mut [u64; 3]) -> Option<()> {
    let vfs = Meanwhile::new(disk.clone());
    let db = Arc::new(Mutex::new(Db {
        wal: open(&vfs)?,
        store: Store::default(),
        changes: 0,
        durable: 0,
        meanwhile: 0,
    }));
    let writer = Arc::clone(&db);
    let meanwhile = move || {
        // Not to wait is the point: a checkpoint leaves the store to its writers.
        let mut db = writer.try_lock().expect("nobody holds the store");
        for _ in 0..2 {
            let _ = db.change();
            db.meanwhile += 1;
        }
    };
    vfs.meanwhile(meanwhile);
    let done = checkpointed(&vfs, &db);
    vfs.rest();
    let db = db.lock();
    *told = [db.changes, db.meanwhile, db.durable];
    done
}

fn checkpointed<V: Vfs>(vfs: &V, db: &Mutex<Db<V>>) -> Option<()> {
    for number in 0..300 {
        let (wal, end, view) = {
            let mut db = db.lock();
            let end = db.change()?;
            let view = (number % 60 == 59).then(|| db.store.freeze().unwrap());
            (db.wal.clone(), end, view)
        };
        if let Some(view) = view {
            checkpoint(vfs, dir(), &wal, &view, end).ok()?;
        }
    }
    Some(())
}

fn contents(store: &Store) -> Model {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let pairs = store.prefix(b"");
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

/// What is recovered must be the model after some number of changes, not fewer than were durable.
fn recovers(disk: &Sim, [changes, _, durable]: [u64; 3], story: &str) {
    let wal = open(disk).unwrap();
    let count = wal.watermarks().accepted.0;
    let story = format!("{story}: {durable} ≤ {count} ≤ {changes}");
    assert!(durable <= count && count <= changes, "{story}");
    let recovery = recover(disk, dir(), &wal).unwrap();
    assert_eq!(contents(&recovery.store), model(count), "{story}");
}

#[test]
fn a_crash_at_any_call_of_a_checkpoint_under_writes_loses_nothing_durable() {
    let mut checked = 0;
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut told = [0; 3];
        let done = run(&sim, &mut told);
        for fate in 0..4 {
            let story = format!("crash at call {call}, fate {fate}");
            recovers(&sim.crash(fate), told, &story);
            checked += 1;
        }
        if done.is_some() {
            assert!(checked > 300, "only {checked} crashes");
            return;
        }
    }
}

#[test]
fn a_failure_of_any_call_of_a_checkpoint_under_writes_loses_nothing_durable() {
    let sim = Sim::default();
    run(&sim, &mut [0; 3]).unwrap();
    let calls = sim.calls().all;
    assert!(calls > 150, "{calls} calls");
    for call in 1..=calls {
        for failure in [Failure::Refused, Failure::Partial] {
            let sim = Sim::default();
            sim.plan(Plan::FailAt(call, failure));
            let mut told = [0; 3];
            let _ = run(&sim, &mut told);
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
    let mut told = [0; 3];
    let vfs = Memory::default();
    run(&vfs, &mut told).unwrap();
    let [changes, meanwhile, _] = told;
    // Create, two writes of the file's parts and one of its checksum, sync, rename: two changes
    // before each, but for the last checkpoints, in which older snapshots go as well.
    assert!(meanwhile >= 5 * 6 * 2, "{meanwhile} of {changes}");
    assert_eq!(changes, 300 + meanwhile);
}

/// Runs undisturbed, and tells the LSNs of the two snapshots that are left.
fn ran(vfs: &Memory) -> [u64; 2] {
    run(vfs, &mut [0; 3]).unwrap();
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

#[test]
fn a_rotten_snapshot_is_passed_over_for_the_one_before() {
    let vfs = Memory::default();
    let [older, newest] = ran(&vfs);
    let mut bytes = vfs.read(&snapshot_path(newest)).unwrap();
    bytes[100] ^= 1;
    vfs.write(&snapshot_path(newest), bytes);
    let wal = open(&vfs).unwrap();
    let recovery = recover(&vfs, dir(), &wal).unwrap();
    assert_eq!(recovery.snapshot.unwrap().lsn, Lsn(older));
    assert_eq!(recovery.passed_over[0].0, snapshot_path(newest));
    let count = wal.watermarks().accepted.0;
    assert!(count >= newest);
    assert_eq!(contents(&recovery.store), model(count));
}

#[test]
fn a_log_that_fits_no_snapshot_is_refused() {
    let vfs = Memory::default();
    let saved = ran(&vfs);
    let wal = open(&vfs).unwrap();
    assert!(wal.first_lsn() > Lsn(0), "the log was truncated");
    let newest = vfs.read(&snapshot_path(saved[1])).unwrap();
    for lsn in saved {
        vfs.remove(&snapshot_path(lsn)).unwrap();
    }
    let refused = recover(&vfs, dir(), &wal).unwrap_err();
    assert!(
        matches!(refused, RecoverError::NoSnapshot { .. }),
        "{refused}"
    );

    let other = Memory::default();
    let short = open(&other).unwrap();
    short.append(Change::delete(b"key")).unwrap();
    other.write(&snapshot_path(saved[1]), newest);
    let refused = recover(&other, dir(), &short).unwrap_err();
    assert!(
        matches!(refused, RecoverError::LogTooShort { .. }),
        "{refused}"
    );
}

/// A log of 100 records, the first half of which a snapshot covers too if `is_covered`; recovered,
/// and let go of by two more checkpoints.
fn shrinks(is_covered: bool) {
    let disk = Memory::default();
    let mut payload = Vec::new();
    let mut put = |wal: &Wal<Memory>, store: &mut Store, number: u32| {
        let key = format!("key {number}");
        wal.append(Change::put(&mut payload, key.as_bytes(), &[7; 200]))
            .unwrap();
        store.put(key.as_bytes(), &[7; 200]);
    };
    let save = |wal: &Wal<Memory>, store: &mut Store| {
        let lsn = wal.watermarks().accepted;
        wal.sync().unwrap();
        checkpoint(&disk, dir(), wal, &store.freeze().unwrap(), lsn).unwrap();
    };
    let wal = open(&disk).unwrap();
    let mut store = Store::default();
    for number in 0..100 {
        put(&wal, &mut store, number);
        if is_covered && number == 50 {
            save(&wal, &mut store);
        }
    }
    wal.sync().unwrap();
    drop(wal);
    let wal = open(&disk).unwrap();
    let mut store = recover(&disk, dir(), &wal).unwrap().store;
    assert_eq!((store.len(), wal.first_lsn()), (100, Lsn(0)));
    // Two snapshots are kept, and the log goes back to the older.
    for _ in 0..2 {
        save(&wal, &mut store);
        put(&wal, &mut store, 100);
    }
    assert!(wal.first_lsn() > Lsn(90), "{:?}", wal.first_lsn());
    assert_eq!(store.get(b"key 0"), Some(&[7; 200][..]));
}

#[test]
fn a_log_shrinks_under_a_store_that_was_rebuilt_from_it() {
    shrinks(false);
}

#[test]
fn a_log_shrinks_under_a_store_that_replayed_it_over_a_snapshot() {
    shrinks(true);
}

#[test]
fn a_rotten_snapshot_of_three_leaves_a_way_back() {
    let vfs = Memory::default();
    let saved = ran(&vfs);
    flip(&vfs, &snapshot_path(saved[1]));
    let wal = open(&vfs).unwrap();
    let mut store = recover(&vfs, dir(), &wal).unwrap().store;
    let count = wal.append(Change::delete(b"nothing")).unwrap().end;
    wal.sync().unwrap();
    checkpoint(&vfs, dir(), &wal, &store.freeze().unwrap(), count).unwrap();
    let expected = contents(&store);
    drop((wal, store));
    // The new one rots as well: the oldest and the log still give everything.
    flip(&vfs, &snapshot_path(count.0));
    let wal = open(&vfs).unwrap();
    let recovery = recover(&vfs, dir(), &wal).unwrap();
    assert_eq!(recovery.snapshot.unwrap().lsn, Lsn(saved[0]));
    assert_eq!(recovery.passed_over.len(), 2);
    assert_eq!(contents(&recovery.store), expected);
}

#[test]
fn a_snapshot_alone_may_rot_too() {
    let vfs = Memory::default();
    let wal = open(&vfs).unwrap();
    let mut store = Store::default();
    let mut payload = Vec::new();
    for number in 0..100_u32 {
        let key = number.to_be_bytes();
        wal.append(Change::put(&mut payload, &key, &[1; 100]))
            .unwrap();
        store.put(&key, &[1; 100]);
    }
    let lsn = wal.watermarks().accepted;
    wal.sync().unwrap();
    checkpoint(&vfs, dir(), &wal, &store.freeze().unwrap(), lsn).unwrap();
    drop(wal);
    flip(&vfs, &snapshot_path(lsn.0));
    let wal = open(&vfs).unwrap();
    let recovery = recover(&vfs, dir(), &wal).unwrap();
    assert!(recovery.snapshot.is_none());
    assert_eq!(contents(&recovery.store), contents(&store));
}

/// Flips a bit in the middle of a file.
fn flip(vfs: &Memory, path: &Path) {
    let mut bytes = vfs.read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    vfs.write(path, bytes);
}
