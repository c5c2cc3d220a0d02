//! A store that is checkpointed, crashed at any call, and recovered equals a model of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use engine::kv::{Change, RecoverError, Store, checkpoint, recover};
use engine::vfs::{Memory, Plan, Sim, Vfs};
use engine::wal::{Lsn, Options, Wal};

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

fn change(wal: &Wal<impl Vfs>, store: &mut Store, number: u64) -> Option<Lsn> {
    let key = format!("key {}", number % 23);
    let mut payload = Vec::new();
    let appended = if number % 7 == 6 {
        store.delete(key.as_bytes());
        wal.append(Change::delete(key.as_bytes()))
    } else {
        let value = format!("value {number}");
        store.put(key.clone().into(), value.clone().into());
        wal.append(Change::put(&mut payload, key.as_bytes(), value.as_bytes()))
    };
    Some(appended.ok()?.end)
}

/// Makes 300 changes with a checkpoint every 60, and tells how many were durable.
fn run(vfs: &impl Vfs, durable: &mut u64) -> Option<()> {
    let wal = open(vfs)?;
    let mut store = Store::default();
    for number in 0..300 {
        let end = change(&wal, &mut store, number)?;
        if number % 10 == 9 {
            wal.commit(end).ok()?;
            *durable = end.0;
        }
        if number % 60 == 59 {
            checkpoint(vfs, dir(), &wal, &store, end).ok()?;
        }
    }
    Some(())
}

fn contents(store: &Store) -> Model {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    store
        .prefix(b"")
        .map(|(key, value)| (text(key), text(value)))
        .collect()
}

#[test]
fn a_crash_at_any_call_loses_nothing_durable() {
    let mut checked = 0;
    for call in 1.. {
        let sim = Sim::default();
        sim.plan(Plan::CrashAt(call));
        let mut durable = 0;
        let done = run(&sim, &mut durable);
        for fate in 0..4 {
            let disk = sim.crash(fate);
            let wal = open(&disk).unwrap();
            let count = wal.watermarks().accepted.0;
            assert!(
                durable <= count && count <= 300,
                "call {call}, fate {fate}: {count}"
            );
            let recovery = recover(&disk, dir(), &wal).unwrap();
            assert_eq!(
                contents(&recovery.store),
                model(count),
                "call {call}, fate {fate}"
            );
            checked += 1;
        }
        if done.is_some() {
            assert!(checked > 300, "only {checked} crashes");
            return;
        }
    }
}

#[test]
fn a_rotten_snapshot_is_passed_over_for_the_one_before() {
    let vfs = Memory::default();
    run(&vfs, &mut 0).unwrap();
    let newest = dir().join("00000000000000000300.snap");
    let mut bytes = vfs.read(&newest).unwrap();
    bytes[100] ^= 1;
    vfs.write(&newest, bytes);
    let wal = open(&vfs).unwrap();
    let recovery = recover(&vfs, dir(), &wal).unwrap();
    assert_eq!(recovery.snapshot.unwrap().lsn, Lsn(240));
    assert_eq!(recovery.passed_over[0].0, newest);
    assert_eq!(contents(&recovery.store), model(300));
}

#[test]
fn a_log_that_fits_no_snapshot_is_refused() {
    let vfs = Memory::default();
    run(&vfs, &mut 0).unwrap();
    let wal = open(&vfs).unwrap();
    assert!(wal.first_lsn() > Lsn(0), "the log was truncated");
    for name in ["00000000000000000240.snap", "00000000000000000300.snap"] {
        vfs.remove(&dir().join(name)).unwrap();
    }
    let refused = recover(&vfs, dir(), &wal).unwrap_err();
    assert!(
        matches!(refused, RecoverError::NoSnapshot { .. }),
        "{refused}"
    );

    let other = Memory::default();
    let short = open(&other).unwrap();
    let mut store = Store::default();
    change(&short, &mut store, 0).unwrap();
    let source = Memory::default();
    run(&source, &mut 0).unwrap();
    let snapshot = dir().join("00000000000000000300.snap");
    other.write(&snapshot, source.read(&snapshot).unwrap());
    let refused = recover(&other, dir(), &short).unwrap_err();
    assert!(
        matches!(refused, RecoverError::LogTooShort { .. }),
        "{refused}"
    );
}
