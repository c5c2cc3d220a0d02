//! A snapshot is used only with the log, and the history of the log, that it was taken of.

use engine::Engine;
use engine::engine::OpenError;
use engine::frame::{Kind, Record};
use engine::vfs::{Memory, Vfs};
use engine::wal::{self, Fit, Floor, HEADER_BYTES, Lsn, Mode, Origin, Policy, Wal};

use super::{
    change, contents, dir, files, flip, left_behind, log_options, model, open, options, rewound,
};

#[test]
fn snapshot_from_before_a_rewind_is_never_replayed_over() {
    for until in [200, 299, 300, 301, 350, 700] {
        let vfs = rewound(until);
        let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
        let [(path, Fit::Rewound)] = &recovery.set_aside[..] else {
            panic!("{until}: {:?}", recovery.set_aside);
        };
        assert!(vfs.read(path).is_some() && path.to_string_lossy().contains(".snap.lost"));
        assert!(recovery.snapshot.is_none());
        assert_eq!(recovery.replayed, until, "the log alone counts");
        let values = contents(&engine);
        let second = values
            .iter()
            .filter(|(_, value)| value.starts_with("second"));
        assert!(second.count() > 0, "{until}");
        for (key, value) in &values {
            let number: u64 = value.split(' ').nth(1).unwrap().parse().unwrap();
            assert_eq!(*key, format!("key {}", number % 97));
            assert!(number + 97 >= until, "{key} is {value} of {until}");
        }
        drop(engine);
        // The next opening has nothing to say.
        let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert!(recovery.log.set_aside.is_empty() && recovery.set_aside.is_empty());
        assert_eq!(contents(&engine), values);
    }
}

#[test]
fn snapshots_from_before_a_rewind_do_not_let_the_log_be_truncated() {
    let vfs = rewound(350);
    let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
    assert_eq!(engine.checkpoint().unwrap(), Lsn(350));
    assert_eq!(
        engine.stats().first,
        Lsn(0),
        "there is one snapshot of this history"
    );
    let expected = contents(&engine);
    drop(engine);
    let newest = files(&vfs, "350.snap").remove(0);
    flip(&vfs, &newest, 60);
    let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
    assert_eq!(contents(&engine), expected);
}

#[test]
fn log_that_ends_before_its_snapshot_is_refused_and_begins_again_there_where_that_is_wanted() {
    for gone in ["the last segments", "all segments"] {
        let vfs = Memory::default();
        left_behind(&vfs, 300);
        let first = if gone == "all segments" { 0 } else { 3 };
        for path in &files(&vfs, ".wal")[first..] {
            vfs.remove(path).unwrap();
        }
        let before = vfs.list(dir()).unwrap();
        for policy in [Policy::TornTail, Policy::Strict] {
            let refused = open(&vfs, policy).unwrap_err();
            let OpenError::Log(wal::OpenError::TooShort { end, floor, .. }) = &refused else {
                panic!("{refused}");
            };
            assert!(*end < Lsn(300) && *floor == Lsn(300));
            assert!(refused.to_string().contains("PointInTime"), "{refused}");
            assert_eq!(vfs.list(dir()).unwrap(), before, "nothing was changed");
        }
        let (engine, recovery) = open(&vfs, Policy::PointInTime).unwrap();
        let log = recovery.log;
        assert_eq!((log.first, log.end), (Lsn(300), Lsn(300)));
        assert_eq!(contents(&engine), model("first", 300), "{gone}");
        change(&engine, "first", 300..310);
        drop(engine);
        let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&engine), model("first", 310), "{gone}");
    }
}

#[test]
fn snapshot_of_another_log_is_refused_by_name() {
    let (vfs, other) = (Memory::default(), Memory::default());
    left_behind(&vfs, 300);
    // Another identity than the first log of a memory has.
    other.random();
    left_behind(&other, 200);
    for path in files(&vfs, ".snap") {
        other.write(&path, vfs.read(&path).unwrap());
    }
    let refused = open(&other, Policy::TornTail).unwrap_err();
    assert!(matches!(refused, OpenError::AnotherLog { .. }), "{refused}");
    let (engine, recovery) = open(&other, Policy::PointInTime).unwrap();
    assert!(matches!(recovery.set_aside[..], [(_, Fit::AnotherLog)]));
    assert_eq!(contents(&engine), model("first", 400));
}

#[test]
fn snapshot_goes_with_its_log_wherever_it_was_taken() {
    // Segments end, are closed, are reopened and truncated around every one of these.
    let vfs = Memory::default();
    let mut end = 0;
    for round in 0..60 {
        let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert!(
            recovery.set_aside.is_empty(),
            "round {round}: {:?}, {:?}",
            recovery.set_aside,
            files(&vfs, "")
        );
        assert_eq!(contents(&engine), model("first", end), "round {round}");
        change(&engine, "first", end..end + round % 23);
        end += round % 23;
        if round % 3 == 0 {
            engine.close().unwrap();
            let reopened = open(&vfs, Policy::Strict).unwrap().0;
            assert_eq!(reopened.checkpoint().unwrap(), Lsn(end));
            continue;
        }
        assert_eq!(engine.checkpoint().unwrap(), Lsn(end));
        if round % 4 == 0 {
            engine.close().unwrap();
        }
    }
    let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
    assert!(engine.stats().first > Lsn(0));
}

#[test]
fn engine_in_memory_leaves_the_directory_alone() {
    let vfs = Memory::default();
    left_behind(&vfs, 300);
    let before = vfs.list(dir()).unwrap();
    let mut in_memory = options(Policy::TornTail);
    in_memory.log.mode = Mode::InMemory;
    let (engine, recovery) = Engine::open_with(vfs.clone(), dir(), in_memory).unwrap();
    assert!(contents(&engine).is_empty() && recovery.snapshot.is_none());
    engine.keyspace("default").unwrap().delete(b"key").unwrap();
    assert_eq!(vfs.list(dir()).unwrap(), before);
}

#[test]
fn log_of_a_snapshot_that_is_not_its_own_is_verified_whole() {
    let retained = |floor| {
        let vfs = Memory::default();
        left_behind(&vfs, floor);
        vfs
    };
    let unverified = |vfs: &Memory, chain: u32| {
        let floor = || {
            let loaded = engine::snapshot::load_newest(vfs, dir())?.loaded.unwrap();
            let (lsn, mut origin) = (loaded.meta.lsn, loaded.meta.origin);
            origin.chain ^= chain;
            Ok(Some(Floor { lsn, origin }))
        };
        let opened = Wal::open_above(vfs.clone(), dir(), log_options(Policy::TornTail), floor);
        opened.unwrap().1.unverified
    };
    assert!(unverified(&retained(390), 0) > 4);
    assert_eq!(unverified(&retained(390), 1), 0, "another history");
    assert_eq!(unverified(&rewound(350), 0), 0);
}

#[test]
fn end_of_one_segment_is_the_beginning_of_the_next_of_the_same_history_only() {
    let vfs = Memory::default();
    let open = || Wal::open(vfs.clone(), dir(), log_options(Policy::TornTail)).unwrap();
    let (wal, _) = open();
    let record = Record {
        kind: Kind(0x40),
        version: 1,
        payload: b"record",
    };
    for _ in 0..10 {
        wal.append(record).unwrap();
    }
    wal.sync().unwrap();
    let noted = wal.origin(Lsn(10)).unwrap();
    drop(wal);
    // Recovery goes on in a segment that begins with the next record.
    let (wal, _) = open();
    let here = wal.origin(Lsn(10)).unwrap();
    assert_eq!(
        (here.segment, here.offset),
        (noted.segment + 1, HEADER_BYTES as u64)
    );
    assert_eq!(wal.fit(Lsn(10), &noted).unwrap(), Fit::Held);
    for other in [
        Origin {
            chain: noted.chain ^ 1,
            ..noted
        },
        Origin {
            epoch: noted.epoch + 1,
            ..noted
        },
        Origin {
            segment: noted.segment + 2,
            ..noted
        },
    ] {
        assert_eq!(wal.fit(Lsn(10), &other).unwrap(), Fit::Rewound, "{other:?}");
    }
}
