//! Damage below a snapshot is a warning, and damage above it an error.

use engine::engine::OpenError;
use engine::vfs::{Memory, Plan, Sim};
use engine::wal::{self, HEADER_BYTES, Lsn, Policy};

use super::{change, contents, copy, files, flip, found, left_behind, model, open, place, used};

#[test]
fn rot_below_a_snapshot_is_a_warning_wherever_it_is() {
    let pristine = Memory::default();
    left_behind(&pristine, 300);
    let (holder, offset) = place(&pristine, 300);
    let segments = files(&pristine, ".wal");
    assert!(holder > 2 && holder + 1 < segments.len());
    for (index, path) in segments.iter().enumerate().take(holder + 1) {
        let end = if index == holder {
            offset
        } else {
            used(&pristine, path)
        };
        for at in (0..end).step_by(157).chain([end - 1]) {
            // A mark may be damaged without a record being so; the header of a segment is not.
            let story = format!("byte {at} of {}", path.display());
            let vfs = copy(&pristine);
            flip(&vfs, path, at);
            let policies = [Policy::TornTail, Policy::PointInTime];
            let policy = policies[at % 2];
            let (engine, recovery) = open(&vfs, policy).expect(&story);
            assert_eq!(contents(&engine), model("first", 400), "{story}");
            let damage = found(&engine, &recovery);
            assert_eq!(damage.len(), 1, "{story}");
            assert_eq!(&damage[0].path, path, "{story}");
            assert_eq!(recovery.log.end, Lsn(400), "{story}");
            let damaged = vfs.read(&path.with_extension("wal.lost")).unwrap();
            assert_eq!(damaged[at], pristine.read(path).unwrap()[at] ^ 1);
            // From here on it is an ordinary log again.
            change(&engine, "first", 400..420);
            drop(engine);
            let (engine, recovery) = open(&vfs, Policy::TornTail).expect(&story);
            assert!(found(&engine, &recovery).is_empty(), "{story}");
            assert_eq!(contents(&engine), model("first", 420), "{story}");
        }
    }
}

#[test]
fn rot_above_a_snapshot_is_an_error() {
    let pristine = Memory::default();
    left_behind(&pristine, 300);
    let (holder, offset) = place(&pristine, 300);
    let segments = files(&pristine, ".wal");
    for (path, at) in [
        (&segments[holder], offset + 6),
        (&segments[holder], offset + 40),
        (&segments[holder + 1], 80),
    ] {
        let vfs = copy(&pristine);
        flip(&vfs, path, at);
        let refused = open(&vfs, Policy::TornTail).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Log(wal::OpenError::Corrupt(found)) if found.path == *path),
            "{refused}"
        );
        let (engine, recovery) = open(&vfs, Policy::PointInTime).unwrap();
        assert!(recovery.log.end >= Lsn(300));
        let expected = model("first", recovery.log.end.0);
        assert_eq!(contents(&engine), expected, "{path:?}");
    }
}

#[test]
fn rot_below_a_snapshot_is_an_error_where_a_holder_needs_it_and_a_warning_where_none_does() {
    // The record of the holder is the last one below the snapshot.
    for (held, is_needed) in [(300, true), (301, false)] {
        let vfs = Memory::default();
        let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
        change(&engine, "first", 0..300);
        engine
            .transaction(|tx| tx.hold("reader", Lsn(held)))
            .unwrap();
        assert_eq!(engine.checkpoint().unwrap(), Lsn(301));
        change(&engine, "first", 301..400);
        drop(engine);
        let path = files(&vfs, ".wal").swap_remove(0);
        flip(&vfs, &path, HEADER_BYTES + 20);
        match open(&vfs, Policy::TornTail) {
            Ok((engine, recovery)) => {
                assert!(!is_needed, "held from {held}");
                assert_eq!(found(&engine, &recovery).len(), 1);
            }
            Err(refused) => {
                assert!(is_needed, "held from {held}: {refused}");
                let OpenError::Log(wal::OpenError::Corrupt(damage)) = refused else {
                    panic!("{refused}");
                };
                assert_eq!(damage.path, path);
            }
        }
    }
}

#[test]
fn everything_below_a_snapshot_may_be_gone() {
    let pristine = Memory::default();
    left_behind(&pristine, 300);
    let (holder, offset) = place(&pristine, 300);
    let vfs = copy(&pristine);
    let segments = files(&vfs, ".wal");
    for path in &segments[..holder] {
        vfs.write(path, b"nothing".to_vec());
    }
    let mut bytes = vfs.read(&segments[holder]).unwrap();
    bytes[..offset].fill(0x55);
    vfs.write(&segments[holder], bytes);
    let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
    assert_eq!(contents(&engine), model("first", 400));
    let log = recovery.log;
    assert_eq!((log.first, log.end), (Lsn(300), Lsn(400)));
}

#[test]
fn rot_below_a_snapshot_that_is_the_end_of_the_log_is_a_warning() {
    let pristine = Memory::default();
    let (engine, _) = open(&pristine, Policy::TornTail).unwrap();
    change(&engine, "first", 0..300);
    engine.checkpoint().unwrap();
    for is_closed in [false, true] {
        let vfs = copy(&pristine);
        if is_closed {
            drop(open(&vfs, Policy::TornTail).unwrap());
        }
        let segments = files(&vfs, ".wal");
        let path = &segments[segments.len() - 1 - usize::from(is_closed)];
        flip(&vfs, path, HEADER_BYTES + 20);
        let (engine, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&engine), model("first", 300));
        assert_eq!(recovery.log.set_aside.len(), 1);
        change(&engine, "first", 300..310);
        drop(engine);
        let (engine, _) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&engine), model("first", 310));
    }
}

#[test]
fn clearing_rot_below_a_snapshot_can_itself_be_interrupted() {
    let sim = Sim::default();
    left_behind(&sim, 300);
    let twin = Memory::default();
    left_behind(&twin, 300);
    let segments = files(&sim, ".wal");
    let (holder, offset) = place(&twin, 300);
    assert!(offset > 90);
    let mut crashes = 0;
    for path in [&segments[0], &segments[holder - 1], &segments[holder]] {
        let damaged = || {
            let sim = sim.crash(1);
            sim.damage(path, |bytes| bytes[90] ^= 1);
            sim
        };
        for call in 1.. {
            let sim = damaged();
            sim.plan(Plan::CrashAt(call));
            let policy =
                [Policy::TornTail, Policy::PointInTime][usize::try_from(call % 2).unwrap()];
            let is_done = open(&sim, policy).is_ok_and(|(engine, recovery)| {
                (0..=recovery.log.unverified).all(|_| engine.maintain().is_ok())
            });
            let is_over = is_done && !sim.has_crashed();
            for fate in 0..4 {
                let story = format!("{}, call {call}, fate {fate}", path.display());
                let (engine, _) = open(&sim.crash(fate), policy).expect(&story);
                assert_eq!(contents(&engine), model("first", 400), "{story}");
                crashes += 1;
            }
            if is_over {
                break;
            }
        }
    }
    assert!(crashes > 150, "{crashes}");
}
