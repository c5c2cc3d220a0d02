//! Workloads of the snapshot.

use std::path::Path;

use bytes::Bytes;
use engine::map::Item;
use engine::snapshot::{Meta, Newest, ROWS, Row, Rows, load_newest, read, save, write_rows};
use engine::vfs::{Memory, MemoryFile, Vfs, VfsFile};
use engine::wal::{Lsn, Origin};

use crate::data;
use crate::suite::suite;

/// How many rows a snapshot holds.
const ROW_COUNT: usize = 1000;
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

/// The size of a snapshot's rows.
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
            Self::Usual => (ROW_COUNT, 100),
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

fn items(size: Size) -> Vec<Item> {
    let item = |(number, (key, value)): (u64, (Bytes, Bytes))| {
        let key_len = u32::try_from(key.len()).expect("keys are short");
        Item::new(Lsn(number), 0, key_len, &[key, value].concat())
    };
    (0..).zip(size.pairs()).map(item).collect()
}

fn row(item: &Item) -> Row<'_> {
    Row {
        keyspace: 1,
        version: item.version(),
        expires_us: item.expires_us(),
        key: item.key(),
        bytes: item.as_bytes(),
    }
}

/// Sorted items, and the file of their snapshot.
pub struct Encode {
    size: Size,
    items: Vec<Item>,
    vfs: Memory,
    file: MemoryFile,
}

/// Items, and a file that is as long as their snapshot at least.
#[must_use]
pub fn encode_setup(size: Size) -> Encode {
    let vfs = Memory::default();
    let file = vfs.create(Path::new(FILE)).expect("memory has room");
    file.fill(0, 2 << 20).expect("memory has room");
    Encode {
        size,
        items: items(size),
        vfs,
        file,
    }
}

const FILE: &str = "snapshot";

/// Writes the snapshot.
#[must_use]
pub fn encode(input: Encode) -> Encode {
    let _ = write_rows(&input.file, &META, input.items.iter().map(row));
    input
}

/// The bytes of a snapshot, without the rest of its file.
fn encoded(size: Size) -> Bytes {
    encoded_at(size, META.lsn)
}

/// The same, taken at another record.
fn encoded_at(size: Size, lsn: Lsn) -> Bytes {
    let Encode {
        items, vfs, file, ..
    } = encode_setup(size);
    let meta = Meta { lsn, ..META };
    let len = write_rows(&file, &meta, items.iter().map(row)).expect("memory can be written");
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Bytes::from(vfs.read(Path::new(FILE)).expect("it is there")).slice(..len)
}

/// The snapshot must hold the items.
pub fn encode_check(output: Encode) {
    let expected = encoded(output.size);
    let file = output.vfs.read(Path::new(FILE)).expect("it is there");
    assert_eq!(file[..expected.len()], expected);
    let loaded = read(&expected).expect("the snapshot is good");
    let rows = Rows::load(loaded.section(ROWS).expect("it has rows")).expect("they add up");
    assert!(rows.eq(output.items.iter().map(row)));
}

/// A snapshot, and its items once they are loaded.
pub struct Load {
    size: Size,
    snapshot: Bytes,
    items: Vec<Item>,
}

/// The snapshot of a keyspace.
#[must_use]
pub fn load_setup(size: Size) -> Load {
    Load {
        size,
        snapshot: encoded(size),
        items: Vec::new(),
    }
}

fn items_of(snapshot: &Bytes) -> Option<Vec<Item>> {
    let loaded = read(snapshot).ok()?;
    let rows = Rows::load(loaded.section(ROWS)?).ok()?;
    let item = |row: Row<'_>| {
        let key_len = u32::try_from(row.key.len()).unwrap_or(u32::MAX);
        Item::new(row.version, row.expires_us, key_len, row.bytes)
    };
    Some(rows.map(item).collect())
}

/// Verifies the snapshot and makes an item of each row, as recovery does.
#[must_use]
pub fn load(mut input: Load) -> Load {
    input.items = items_of(&input.snapshot).unwrap_or_default();
    input
}

/// Every item must be as it was.
pub fn load_check(output: Load) {
    let expected = items(output.size);
    assert!(output.items.iter().map(row).eq(expected.iter().map(row)));
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
