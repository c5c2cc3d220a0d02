//! What is kept below a snapshot: it costs an opening nothing, and is verified before it is read.

use std::path::Path;

use engine::Engine;
use engine::vfs::Memory;
use engine::wal::{Lsn, Policy, ReadError};

use super::{contents, files, flip, found, left_behind, model, open};

/// 400 commits, a snapshot after the first `floor` of them, and a log that keeps all.
fn retained(floor: u64) -> Memory {
    let vfs = Memory::default();
    left_behind(&vfs, floor);
    vfs
}

/// The first record of a segment.
fn place_of(vfs: &Memory, path: &Path) -> u8 {
    vfs.read(path).unwrap()[24]
}

#[test]
fn what_is_kept_below_a_snapshot_adds_nothing_to_opening() {
    let opened = |floor| {
        let (engine, recovery) = open(&retained(floor), Policy::TornTail).unwrap();
        assert_eq!(contents(&engine), model("first", 400));
        let log = recovery.log;
        assert_eq!((log.first, log.records), (Lsn(0), 400));
        assert_eq!(recovery.replayed, 400 - floor);
        (log.unverified, log.bytes)
    };
    let (few, all) = opened(1);
    assert_eq!(few, 0);
    let (many, rest) = opened(390);
    assert!(many > 4, "{many}");
    assert!(rest <= 2 * 4096, "{rest} of {all} bytes were verified");
}

#[test]
fn segment_below_a_snapshot_is_verified_before_its_first_reader_gets_a_record() {
    let vfs = retained(390);
    let path = &files(&vfs, ".wal")[1];
    let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
    let read = |engine: &Engine, lsn| engine.read(Lsn(lsn)).map(|entry| entry.unwrap().lsn);
    assert_eq!(read(&engine, 100).unwrap(), Lsn(100), "it is intact");
    assert_eq!(engine.records_from(Lsn(0)).unwrap().count(), 400);
    drop(engine);
    flip(&vfs, path, 1000);
    let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
    let mut records = engine.records_from(Lsn(0)).unwrap();
    let first = records.position(|entry| entry.is_err());
    let first = first.expect("the damage is noticed") as u64;
    drop(records);
    let begins = u64::from(place_of(&vfs, path));
    assert_eq!(
        first, begins,
        "no record of the damaged segment is given away"
    );
    for _ in 0..2 {
        let refused = read(&engine, begins).unwrap_err();
        assert!(
            matches!(&refused, ReadError::Corrupt(damage) if damage.path == *path),
            "{refused}"
        );
    }
    assert_eq!(found(&engine, &recovery).len(), 1);
    let first = engine.stats().first;
    assert!(first > Lsn(begins));
    assert!(engine.records_from(first).unwrap().all(|it| it.is_ok()));
    assert!(vfs.read(&path.with_extension("wal.lost")).is_some());
}
