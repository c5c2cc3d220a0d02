//! Workloads of the snapshot.

use std::path::Path;

use bytes::Bytes;
use engine::kv::{Frozen, Store, write_snapshot};
use engine::snapshot::{Meta, Newest, PAIRS, Pairs, load_newest, read, save};
use engine::vfs::{Memory, MemoryFile, Vfs, VfsFile};
use engine::wal::{Lsn, Origin};

use crate::data;
use crate::suite::suite;

/// How many pairs a snapshot holds.
const PAIR_COUNT: usize = 1000;
const META: Meta = Meta {
    taken_us: 1,
    lsn: Lsn(2),
    changes: 3,
    origin: Origin {
        log_id: 1,
        epoch: 2,
        segment: 3,
        salt: 4,
        offset: 5,
        chain: 6,
    },
};

/// The size of a snapshot's pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 2,000 values of 8 bytes.
    Tiny,
    /// 1,000 values of 100 bytes.
    Usual,
    /// 64 values of 16 KiB.
    Large,
}

suite!(snapshot {
    encode: encode(Encode) {
        n1000: encode_setup(Size::Usual) => encode_check,
        tiny: encode_setup(Size::Tiny) => encode_check,
        large: encode_setup(Size::Large) => encode_check,
    }
    load: load(Load) {
        n1000: load_setup(Size::Usual) => load_check,
        tiny: load_setup(Size::Tiny) => load_check,
        large: load_setup(Size::Large) => load_check,
    }
    restore: restore(Restore) {
        n1000: restore_setup(Size::Usual) => restore_check,
        tiny: restore_setup(Size::Tiny) => restore_check,
    }
    get: lookup(Lookup) {
        hit: lookup_setup(true) => lookup_check,
        miss: lookup_setup(false) => lookup_check,
    }
    save: save_all(Saved) {
        n1000: save_setup() => save_check,
    }
    open: open(Saved) {
        passed_over: open_setup() => open_check,
    }
});

impl Size {
    fn pairs(self) -> Vec<(Bytes, Bytes)> {
        let (count, len) = match self {
            Self::Tiny => (2000, 8),
            Self::Usual => (PAIR_COUNT, 100),
            Self::Large => (64, 16 << 10),
        };
        let mut random = data::Random::new(6);
        let pair = |key: Bytes| match self {
            Self::Usual => (key.clone(), data::value(&key)),
            Self::Tiny | Self::Large => (key, random.bytes(len).into()),
        };
        data::keys(count).into_iter().map(pair).collect()
    }
}

fn filled(size: Size) -> Store {
    let mut store = Store::default();
    for (key, value) in size.pairs() {
        store.put(&key, &value);
    }
    store
}

/// A frozen store, and the file of its snapshot.
pub struct Encode {
    size: Size,
    view: Frozen,
    vfs: Memory,
    file: MemoryFile,
}

/// A store, and a file that is as long as its snapshot at least.
#[must_use]
pub fn encode_setup(size: Size) -> Encode {
    let vfs = Memory::default();
    let file = vfs.create(Path::new(FILE)).expect("memory has room");
    file.fill(0, 2 << 20).expect("memory has room");
    Encode {
        size,
        view: filled(size).freeze().expect("it has no other view"),
        vfs,
        file,
    }
}

const FILE: &str = "snapshot";

/// Writes the snapshot.
#[must_use]
pub fn encode(input: Encode) -> Encode {
    let _ = write_snapshot(&input.file, &input.view, &META);
    input
}

/// The bytes of a snapshot, without the rest of its file.
fn encoded(size: Size) -> Bytes {
    encoded_at(size, META.lsn)
}

/// The same, taken at another record.
fn encoded_at(size: Size, lsn: Lsn) -> Bytes {
    let Encode {
        view, vfs, file, ..
    } = encode_setup(size);
    let meta = Meta { lsn, ..META };
    let len = write_snapshot(&file, &view, &meta).expect("memory can be written");
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Bytes::from(vfs.read(Path::new(FILE)).expect("it is there")).slice(..len)
}

/// The snapshot must hold the store's pairs.
pub fn encode_check(output: Encode) {
    let expected = encoded(output.size);
    let file = output.vfs.read(Path::new(FILE)).expect("it is there");
    assert_eq!(file[..expected.len()], expected);
    let pairs = pairs_of(&expected).expect("the snapshot is good");
    assert_eq!(pairs.len(), output.view.len());
    assert!(pairs.iter().eq(output.view.iter().cloned()));
}

/// A snapshot, and its pairs once they are loaded.
pub struct Load {
    size: Size,
    snapshot: Bytes,
    pairs: Option<Pairs>,
}

/// The snapshot of a store.
#[must_use]
pub fn load_setup(size: Size) -> Load {
    Load {
        size,
        snapshot: encoded(size),
        pairs: None,
    }
}

fn pairs_of(snapshot: &Bytes) -> Option<Pairs> {
    let loaded = read(snapshot).ok()?;
    Pairs::load(loaded.section(PAIRS)?).ok()
}

fn loaded(size: Size) -> Pairs {
    let pairs = load(load_setup(size)).pairs;
    pairs.expect("the snapshot is good")
}

/// Verifies the snapshot and indexes its keys, after which it can serve reads.
#[must_use]
pub fn load(mut input: Load) -> Load {
    input.pairs = pairs_of(&input.snapshot);
    input
}

/// Every key must be found.
pub fn load_check(output: Load) {
    let pairs = output.pairs.expect("the snapshot is good");
    let expected = output.size.pairs();
    assert_eq!(pairs.len(), expected.len());
    for (key, value) in expected {
        assert_eq!(pairs.get(&key), Some(value));
    }
}

/// Pairs, and the store that is built from them.
pub struct Restore {
    size: Size,
    pairs: Pairs,
    store: Store,
}

/// The loaded pairs of a snapshot.
#[must_use]
pub fn restore_setup(size: Size) -> Restore {
    Restore {
        size,
        pairs: loaded(size),
        store: Store::default(),
    }
}

/// Builds both indexes of a store.
#[must_use]
pub fn restore(mut input: Restore) -> Restore {
    input.store = Store::restore(&input.pairs);
    input
}

/// The store must be the one that the snapshot was taken of.
pub fn restore_check(output: Restore) {
    assert!(output.store.prefix(b"").eq(filled(output.size).prefix(b"")));
    assert_eq!(output.store.len(), output.pairs.len());
}

/// Loaded pairs, keys to look for, and how many of them were found.
pub struct Lookup {
    pairs: Pairs,
    keys: Vec<Bytes>,
    present: bool,
    found: usize,
}

/// A snapshot of 1,000 pairs, and 1,000 keys that it holds, or does not.
#[must_use]
pub fn lookup_setup(present: bool) -> Lookup {
    let keys = data::keys(2 * PAIR_COUNT).into_iter();
    let held = |key: &Bytes| (*key < data::key(PAIR_COUNT)) == present;
    Lookup {
        pairs: loaded(Size::Usual),
        keys: keys.filter(held).collect(),
        present,
        found: 0,
    }
}

/// Looks for each key.
#[must_use]
pub fn lookup(mut input: Lookup) -> Lookup {
    for key in &input.keys {
        input.found += usize::from(input.pairs.get(key).is_some());
    }
    input
}

/// All must have been found, or none.
pub fn lookup_check(output: Lookup) {
    assert_eq!(output.keys.len(), PAIR_COUNT);
    let expected = if output.present { PAIR_COUNT } else { 0 };
    assert_eq!(output.found, expected);
}

/// A directory of snapshots, one more to be saved there, and what was loaded.
pub struct Saved {
    vfs: Memory,
    snapshot: Bytes,
    newest: Option<Newest>,
}

const DIR: &str = "db";

/// Two snapshots, and the temporary file of an unfinished one.
#[must_use]
pub fn save_setup() -> Saved {
    let vfs = Memory::default();
    for lsn in [Lsn(0), Lsn(1)] {
        let snapshot = encoded_at(Size::Usual, lsn);
        let write = |file: &MemoryFile| file.write_at(&snapshot, 0).map(|()| 0);
        save(&vfs, Path::new(DIR), lsn, write).expect("memory can be written");
    }
    let draft = Path::new(DIR).join("00000000000000000009.snap.tmp");
    vfs.write(&draft, b"half".to_vec());
    Saved {
        vfs,
        snapshot: encoded(Size::Usual),
        newest: None,
    }
}

/// Saves the third, and removes what is outdated.
#[must_use]
pub fn save_all(input: Saved) -> Saved {
    let write = |file: &MemoryFile| file.write_at(&input.snapshot, 0).map(|()| 0);
    let _ = save(&input.vfs, Path::new(DIR), META.lsn, write);
    input
}

/// The two newest must be left, and nothing else.
pub fn save_check(output: Saved) {
    let names = output
        .vfs
        .list(Path::new(DIR))
        .expect("memory can be listed");
    let expected = ["00000000000000000001.snap", "00000000000000000002.snap"];
    assert_eq!(names, expected);
    let bytes = output.vfs.read(&Path::new(DIR).join(expected[1]));
    assert_eq!(bytes, Some(output.snapshot.to_vec()));
}

/// Two snapshots, the newer one with a flipped bit.
#[must_use]
pub fn open_setup() -> Saved {
    let input = save_all(save_setup());
    let path = Path::new(DIR).join("00000000000000000002.snap");
    let mut bytes = input.snapshot.to_vec();
    bytes[1000] ^= 1;
    input.vfs.write(&path, bytes);
    input
}

/// Loads the newest valid snapshot.
#[must_use]
pub fn open(mut input: Saved) -> Saved {
    input.newest = load_newest(&input.vfs, Path::new(DIR)).ok();
    input
}

/// The older one must be loaded, and the newer one reported.
pub fn open_check(output: Saved) {
    let newest = output.newest.expect("memory can be read");
    assert_eq!(newest.passed_over.len(), 1);
    assert_eq!(newest.loaded.map(|loaded| loaded.meta.lsn), Some(Lsn(1)));
}
