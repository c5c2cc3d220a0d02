//! What a snapshot makes unnecessary may rot; what it does not go with is never mixed with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::kv::{
    self, Change, CheckpointError, RecoverError, Recovery, Store, checkpoint, recover,
};
use engine::vfs::{Memory, Plan, Sim, Vfs};
use engine::wal::{
    Corruption, Fit, Floor, HEADER_BYTES, Lsn, Mode, OpenError, Options, Policy, ReadError,
    Recovered, Wal,
};

type Model = BTreeMap<String, String>;

fn dir() -> &'static Path {
    Path::new("db")
}

fn options(policy: Policy) -> Options {
    Options {
        segment_bytes: 4096,
        threads: 1,
        policy,
        ..Options::default()
    }
}

/// What the store looks like after `count` changes; `life` makes the values differ.
fn model(life: &str, count: u64) -> Model {
    let mut model = Model::default();
    for number in 0..count {
        model.insert(format!("key {}", number % 97), format!("{life} {number}"));
    }
    model
}

fn change<V: Vfs>(wal: &Wal<V>, store: &mut Store, life: &str, numbers: std::ops::Range<u64>) {
    let mut payload = Vec::new();
    for number in numbers {
        let (key, value) = (format!("key {}", number % 97), format!("{life} {number}"));
        store.put(key.as_bytes(), value.as_bytes());
        let change = Change::put(&mut payload, key.as_bytes(), value.as_bytes());
        let appended = wal.append(change).unwrap();
        assert_eq!(appended.first, Lsn(number));
        wal.commit(appended.end).unwrap();
    }
}

fn contents(store: &Store) -> Model {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let pairs = store.prefix(b"");
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

/// 400 commits with a snapshot at `floor`, left behind without a close.
fn left_behind<V: Vfs>(vfs: &V, floor: u64) {
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
    let mut store = Store::default();
    change(&wal, &mut store, "first", 0..floor);
    checkpoint(vfs, dir(), &wal, &store.freeze().unwrap(), Lsn(floor)).unwrap();
    change(&wal, &mut store, "first", floor..400);
}

fn files<V: Vfs>(vfs: &V, end: &str) -> Vec<PathBuf> {
    let names = vfs.list(dir()).unwrap().into_iter();
    let names = names.filter(|name| name.ends_with(end));
    names.map(|name| dir().join(name)).collect()
}

fn flip(vfs: &Memory, path: &Path, at: usize) {
    let mut bytes = vfs.read(path).unwrap();
    bytes[at] ^= 1;
    vfs.write(path, bytes);
}

fn copy(vfs: &Memory) -> Memory {
    let copy = Memory::default();
    for name in vfs.list(dir()).unwrap() {
        let path = dir().join(name);
        copy.write(&path, vfs.read(&path).unwrap());
    }
    copy
}

type Opened = (Wal<Memory>, Recovered, Recovery);

fn open(vfs: &Memory, policy: Policy) -> Result<Opened, RecoverError> {
    kv::open(vfs.clone(), dir(), options(policy))
}

/// Where the frames of a segment end.
fn used(vfs: &Memory, path: &Path) -> usize {
    let bytes = vfs.read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// The segment of a floor, and where in it the floor is.
fn place(vfs: &Memory, floor: u64) -> (usize, usize) {
    let (wal, _) = Wal::open(copy(vfs), dir(), options(Policy::TornTail)).unwrap();
    let origin = wal.origin(Lsn(floor)).unwrap();
    let number = |at: u64| usize::try_from(at).unwrap();
    (number(origin.segment), number(origin.offset))
}

/// What is damaged below the floor, as far as opening and upkeep find it.
fn found<V: Vfs>(wal: &Wal<V>, recovered: &Recovered) -> Vec<Corruption> {
    for _ in 0..=recovered.unverified {
        wal.maintain().unwrap();
    }
    [&recovered.set_aside[..], &wal.set_aside()].concat()
}

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
            let (wal, recovered, recovery) = open(&vfs, policy).expect(&story);
            assert_eq!(contents(&recovery.store), model("first", 400), "{story}");
            let damage = found(&wal, &recovered);
            assert_eq!(damage.len(), 1, "{story}");
            assert_eq!(&damage[0].path, path, "{story}");
            assert_eq!(recovered.end, Lsn(400), "{story}");
            let damaged = vfs.read(&path.with_extension("wal.lost")).unwrap();
            assert_eq!(damaged[at], pristine.read(path).unwrap()[at] ^ 1);
            // From here on it is an ordinary log again.
            let mut rebuilt = recovery.store;
            change(&wal, &mut rebuilt, "first", 400..420);
            drop((wal, rebuilt));
            let (wal, recovered, recovery) = open(&vfs, Policy::TornTail).expect(&story);
            assert!(found(&wal, &recovered).is_empty(), "{story}");
            assert_eq!(contents(&recovery.store), model("first", 420), "{story}");
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
            matches!(&refused, RecoverError::Open(OpenError::Corrupt(found)) if found.path == *path),
            "{refused}"
        );
        let (_, recovered, recovery) = open(&vfs, Policy::PointInTime).unwrap();
        assert!(recovered.end >= Lsn(300));
        assert_eq!(
            contents(&recovery.store),
            model("first", recovered.end.0),
            "{path:?}"
        );
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
    let (_, recovered, recovery) = open(&vfs, Policy::TornTail).unwrap();
    assert_eq!(contents(&recovery.store), model("first", 400));
    assert_eq!((recovered.first, recovered.end), (Lsn(300), Lsn(400)));
}

#[test]
fn rot_below_a_snapshot_that_is_the_end_of_the_log_is_a_warning() {
    let pristine = Memory::default();
    let (wal, _) = Wal::open(pristine.clone(), dir(), options(Policy::TornTail)).unwrap();
    let mut store = Store::default();
    change(&wal, &mut store, "first", 0..300);
    checkpoint(&pristine, dir(), &wal, &store.freeze().unwrap(), Lsn(300)).unwrap();
    for is_closed in [false, true] {
        let vfs = copy(&pristine);
        if is_closed {
            drop(open(&vfs, Policy::TornTail).unwrap());
        }
        let segments = files(&vfs, ".wal");
        let path = &segments[segments.len() - 1 - usize::from(is_closed)];
        flip(&vfs, path, HEADER_BYTES + 20);
        let (wal, recovered, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&recovery.store), model("first", 300));
        assert_eq!(recovered.set_aside.len(), 1);
        let mut store = recovery.store;
        change(&wal, &mut store, "first", 300..310);
        drop((wal, store));
        let (_, _, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&recovery.store), model("first", 310));
    }
}

#[test]
fn clearing_rot_below_a_snapshot_can_itself_be_interrupted() {
    let sim = Sim::default();
    left_behind(&sim, 300);
    let segments = files(&sim, ".wal");
    let holder = segments.len() - 2;
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
            let opened = kv::open(sim.clone(), dir(), options(policy));
            let opened = opened.is_ok_and(|(wal, recovered, _)| {
                (0..=recovered.unverified).all(|_| wal.maintain().is_ok())
            });
            for fate in 0..4 {
                let after = sim.crash(fate);
                let again = kv::open(after, dir(), options(policy));
                let story = format!("{}, call {call}, fate {fate}", path.display());
                let (_, _, recovery) = again.expect(&story);
                assert_eq!(contents(&recovery.store), model("first", 400), "{story}");
                crashes += 1;
            }
            if opened {
                break;
            }
        }
    }
    assert!(crashes > 150, "{crashes}");
}

/// A log that was rewound below its snapshot, behind the snapshot's back, and written again.
fn rewound(until: u64) -> Memory {
    let vfs = Memory::default();
    left_behind(&vfs, 300);
    flip(&vfs, &files(&vfs, ".wal")[2], 500);
    let (wal, recovered) = Wal::open(vfs.clone(), dir(), options(Policy::PointInTime)).unwrap();
    let end = recovered.end.0;
    assert!(end < 300);
    let mut store = Store::default();
    change(&wal, &mut store, "first", end..end);
    change(&wal, &mut store, "second", end..until);
    vfs
}

#[test]
fn snapshot_from_before_a_rewind_is_never_replayed_over() {
    for until in [200, 299, 300, 301, 350, 700] {
        let vfs = rewound(until);
        let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
        let recovery = recover(&vfs, dir(), &wal).unwrap();
        let [(path, Fit::Rewound)] = &recovery.set_aside[..] else {
            panic!("{until}: {:?}", recovery.set_aside);
        };
        assert!(vfs.read(path).is_some() && path.to_string_lossy().contains(".snap.lost"));
        assert!(recovery.snapshot.is_none());
        let values = contents(&recovery.store);
        let entries = Store::rebuild(wal.entries()).unwrap();
        assert_eq!(values, contents(&entries), "{until}: the log alone counts");
        drop((wal, recovery));
        // The next opening has nothing to say.
        let (_, recovered, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert!(recovered.set_aside.is_empty() && recovery.set_aside.is_empty());
        assert_eq!(contents(&recovery.store), values);
    }
}

#[test]
fn snapshots_from_before_a_rewind_do_not_let_the_log_be_truncated() {
    let vfs = rewound(350);
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
    let mut store = Store::rebuild(wal.entries()).unwrap();
    checkpoint(&vfs, dir(), &wal, &store.freeze().unwrap(), Lsn(350)).unwrap();
    assert_eq!(
        wal.first_lsn(),
        Lsn(0),
        "there is one snapshot of this history"
    );
    drop(wal);
    let expected = contents(&store);
    let newest = files(&vfs, "350.snap").remove(0);
    flip(&vfs, &newest, 60);
    let (_, _, recovery) = open(&vfs, Policy::TornTail).unwrap();
    assert_eq!(contents(&recovery.store), expected);
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
            let RecoverError::Open(OpenError::TooShort { end, floor, .. }) = &refused else {
                panic!("{refused}");
            };
            assert!(*end < Lsn(300) && *floor == Lsn(300));
            assert!(refused.to_string().contains("PointInTime"), "{refused}");
            assert_eq!(vfs.list(dir()).unwrap(), before, "nothing was changed");
        }
        let (wal, recovered, recovery) = open(&vfs, Policy::PointInTime).unwrap();
        assert_eq!((recovered.first, recovered.end), (Lsn(300), Lsn(300)));
        assert_eq!(contents(&recovery.store), model("first", 300), "{gone}");
        let mut store = recovery.store;
        change(&wal, &mut store, "first", 300..310);
        drop((wal, store));
        let (_, _, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert_eq!(contents(&recovery.store), model("first", 310), "{gone}");
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
    assert!(
        matches!(refused, RecoverError::AnotherLog { .. }),
        "{refused}"
    );
    let (_, _, recovery) = open(&other, Policy::PointInTime).unwrap();
    assert!(matches!(recovery.set_aside[..], [(_, Fit::AnotherLog)]));
    assert_eq!(contents(&recovery.store), model("first", 400));
}

#[test]
fn checkpoint_of_a_record_that_was_never_given_out_is_refused() {
    let vfs = Memory::default();
    let (wal, _) = Wal::open(vfs.clone(), dir(), options(Policy::TornTail)).unwrap();
    let mut store = Store::default();
    change(&wal, &mut store, "first", 0..10);
    let view = store.freeze().unwrap();
    for lsn in [11, 1000, u64::MAX] {
        match checkpoint(&vfs, dir(), &wal, &view, Lsn(lsn)).unwrap_err() {
            CheckpointError::Beyond {
                lsn: named,
                accepted,
            } => {
                assert_eq!((named, accepted), (Lsn(lsn), Lsn(10)));
            }
            other => panic!("{other}"),
        }
    }
    assert!(files(&vfs, ".snap").is_empty());
    checkpoint(&vfs, dir(), &wal, &view, Lsn(10)).unwrap();
}

#[test]
fn checkpoint_of_records_that_were_let_go_is_refused() {
    let vfs = Memory::default();
    left_behind(&vfs, 300);
    let (wal, _, recovery) = open(&vfs, Policy::TornTail).unwrap();
    let first = wal.truncate_below(Lsn(300)).unwrap();
    assert!(first > Lsn(0));
    let mut store = recovery.store;
    let view = store.freeze().unwrap();
    let refused = checkpoint(&vfs, dir(), &wal, &view, Lsn(first.0 - 1)).unwrap_err();
    assert!(matches!(refused, CheckpointError::Read(_)), "{refused}");
    checkpoint(&vfs, dir(), &wal, &view, first).unwrap();
}

#[test]
fn snapshot_goes_with_its_log_wherever_it_was_taken() {
    // Segments end, are closed, are reopened and truncated around every one of these.
    let vfs = Memory::default();
    let mut end = 0;
    let mut store = Store::default();
    for round in 0..60 {
        let (wal, _, recovery) = open(&vfs, Policy::TornTail).unwrap();
        assert!(
            recovery.set_aside.is_empty(),
            "round {round}: {:?}, {:?}",
            recovery.set_aside,
            files(&vfs, "")
        );
        assert_eq!(contents(&recovery.store), contents(&store), "round {round}");
        store = recovery.store;
        change(&wal, &mut store, "first", end..end + round % 23);
        end += round % 23;
        if round % 3 == 0 {
            wal.clone().close().unwrap();
        }
        let view = store.freeze().unwrap();
        checkpoint(&vfs, dir(), &wal, &view, Lsn(end)).unwrap();
        drop(view);
        if round % 4 == 0 {
            wal.close().unwrap();
        }
    }
    let (wal, ..) = open(&vfs, Policy::TornTail).unwrap();
    assert!(wal.first_lsn() > Lsn(0));
}

#[test]
fn store_in_memory_leaves_the_directory_alone() {
    let vfs = Memory::default();
    left_behind(&vfs, 300);
    let before = vfs.list(dir()).unwrap();
    let in_memory = Options {
        mode: Mode::InMemory,
        ..options(Policy::TornTail)
    };
    let (wal, _, recovery) = kv::open(vfs.clone(), dir(), in_memory).unwrap();
    assert!(recovery.store.is_empty());
    wal.append(Change::delete(b"key")).unwrap();
    assert_eq!(vfs.list(dir()).unwrap(), before);
}

/// 300 commits, a snapshot after the first `floor` of them, and a log that keeps all.
fn retained(floor: u64) -> Memory {
    let vfs = Memory::default();
    left_behind(&vfs, floor);
    vfs
}

#[test]
fn what_is_kept_below_a_snapshot_does_not_make_opening_dearer() {
    let opened = |floor| {
        let (_, recovered, recovery) = open(&retained(floor), Policy::TornTail).unwrap();
        assert_eq!(contents(&recovery.store), model("first", 400));
        assert_eq!((recovered.first, recovered.records), (Lsn(0), 400));
        (recovered.unverified, recovered.bytes)
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
    let (wal, ..) = open(&vfs, Policy::TornTail).unwrap();
    let read = |wal: &Wal<Memory>, lsn| wal.read(Lsn(lsn)).map(|entry| entry.unwrap().lsn);
    assert_eq!(read(&wal, 100).unwrap(), Lsn(100), "it is intact");
    assert_eq!(wal.entries().count(), 400);
    drop(wal);
    flip(&vfs, path, 1000);
    let (wal, recovered, _) = open(&vfs, Policy::TornTail).unwrap();
    let first = wal
        .entries_from(Lsn(0))
        .unwrap()
        .position(|entry| entry.is_err());
    let first = first.expect("the damage is noticed") as u64;
    let begins = u64::from(place_of(&vfs, path));
    assert_eq!(
        first, begins,
        "no record of the damaged segment is given away"
    );
    for _ in 0..2 {
        let refused = read(&wal, begins).unwrap_err();
        assert!(
            matches!(&refused, ReadError::Corrupt(damage) if damage.path == *path),
            "{refused}"
        );
    }
    assert_eq!(found(&wal, &recovered).len(), 1);
    assert!(wal.first_lsn() > Lsn(begins));
    assert!(wal.entries().all(|entry| entry.is_ok()));
    assert!(vfs.read(&path.with_extension("wal.lost")).is_some());
}

/// The first record of a segment.
fn place_of(vfs: &Memory, path: &Path) -> u8 {
    vfs.read(path).unwrap()[24]
}

#[test]
fn log_of_a_snapshot_that_is_not_its_own_is_verified_whole() {
    let unverified = |vfs: &Memory, chain: u32| {
        let floor = || {
            let loaded = engine::snapshot::load_newest(vfs, dir())?.loaded.unwrap();
            let (lsn, mut origin) = (loaded.meta.lsn, loaded.meta.origin);
            origin.chain ^= chain;
            Ok(Some(Floor { lsn, origin }))
        };
        let opened = Wal::open_above(vfs.clone(), dir(), options(Policy::TornTail), floor);
        opened.unwrap().1.unverified
    };
    assert!(unverified(&retained(390), 0) > 4);
    assert_eq!(unverified(&retained(390), 1), 0, "another history");
    assert_eq!(unverified(&rewound(350), 0), 0);
}
