//! What a snapshot makes unnecessary may rot; what it does not go with is never mixed with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod history;
mod retention;
mod rot;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::engine::{OpenError, Recovery};
use engine::vfs::{Memory, Vfs};
use engine::wal::{self, Corruption, Lsn, Policy, Wal};
use engine::{Engine, Options};

type Model = BTreeMap<String, String>;

fn dir() -> &'static Path {
    Path::new("db")
}

fn log_options(policy: Policy) -> wal::Options {
    wal::Options {
        segment_bytes: 4096,
        threads: 1,
        policy,
        ..wal::Options::default()
    }
}

fn options(policy: Policy) -> Options {
    Options {
        log: log_options(policy),
        background: false,
        ..Options::default()
    }
}

/// What the engine holds after `count` changes; `life` makes the values differ.
fn model(life: &str, count: u64) -> Model {
    let mut model = Model::default();
    for number in 0..count {
        model.insert(format!("key {}", number % 97), format!("{life} {number}"));
    }
    model
}

/// Makes the changes `numbers`, each of which is the record of that number.
fn change(engine: &Engine, life: &str, numbers: Range<u64>) {
    let space = engine.keyspace("default").unwrap();
    for number in numbers {
        let (key, value) = (format!("key {}", number % 97), format!("{life} {number}"));
        let lsn = space.put(key.as_bytes(), value.as_bytes()).unwrap();
        assert_eq!(lsn, Lsn(number));
    }
}

fn contents(engine: &Engine) -> Model {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let space = engine.keyspace("default").unwrap();
    space
        .scan()
        .map(|item| (text(item.key()), text(item.value())))
        .collect()
}

fn open<V: Vfs>(vfs: &V, policy: Policy) -> Result<(Engine, Recovery), OpenError> {
    Engine::open_with(vfs.clone(), dir(), options(policy))
}

/// 400 commits with a snapshot at `floor`, left behind without a close.
fn left_behind<V: Vfs>(vfs: &V, floor: u64) {
    let (engine, _) = open(vfs, Policy::TornTail).unwrap();
    change(&engine, "first", 0..floor);
    assert_eq!(engine.checkpoint().unwrap(), Lsn(floor));
    change(&engine, "first", floor..400);
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

/// Where the frames of a segment end.
fn used(vfs: &Memory, path: &Path) -> usize {
    let bytes = vfs.read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// The segment of a floor, and where in it the floor is.
fn place(vfs: &Memory, floor: u64) -> (usize, usize) {
    let (wal, _) = Wal::open(copy(vfs), dir(), log_options(Policy::TornTail)).unwrap();
    let origin = wal.origin(Lsn(floor)).unwrap();
    let number = |at: u64| usize::try_from(at).unwrap();
    (number(origin.segment), number(origin.offset))
}

/// What is damaged below the floor, as far as opening and upkeep find it.
fn found(engine: &Engine, recovery: &Recovery) -> Vec<Corruption> {
    for _ in 0..=recovery.log.unverified {
        engine.maintain().unwrap();
    }
    [&recovery.log.set_aside[..], &engine.set_aside()].concat()
}

/// A log that was rewound below its snapshot, behind the snapshot's back, and written again.
fn rewound(until: u64) -> Memory {
    let vfs = Memory::default();
    left_behind(&vfs, 300);
    flip(&vfs, &files(&vfs, ".wal")[2], 500);
    let hidden: Vec<_> = files(&vfs, ".snap")
        .into_iter()
        .map(|path| (vfs.read(&path).unwrap(), path))
        .collect();
    for (_, path) in &hidden {
        vfs.remove(path).unwrap();
    }
    let (engine, recovery) = open(&vfs, Policy::PointInTime).unwrap();
    let end = recovery.log.end.0;
    assert!(end < 300);
    change(&engine, "second", end..until);
    for (bytes, path) in hidden {
        vfs.write(&path, bytes);
    }
    vfs
}
