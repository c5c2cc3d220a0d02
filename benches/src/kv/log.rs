//! Workloads of the store and its log: changes, replay, checkpoint and recovery.

use std::path::Path;

use bytes::Bytes;
use engine::frame::Kind;
use engine::kv::{Change, Frozen, Recovery, Store, checkpoint, recover};
use engine::pair::Pair;
use engine::vfs::Memory;
use engine::wal::{Lsn, Options, Wal};

use super::{OPERATIONS, pairs};
use crate::data;

const DIR: &str = "db";

fn open(vfs: &Memory) -> Wal<Memory> {
    let options = Options {
        segment_bytes: 1 << 20,
        threads: 1,
        ..Options::default()
    };
    let open = Wal::open(vfs.clone(), Path::new(DIR), options);
    open.expect("memory can be opened").0
}

fn log_put(wal: &Wal<Memory>, key: &[u8], value: &[u8]) {
    let mut payload = Vec::new();
    let change = Change::put(&mut payload, key, value);
    wal.append(change).expect("the log accepts it");
}

/// Pairs, and the payloads of records that put them.
pub struct Changes {
    pairs: Vec<(Bytes, Bytes)>,
    buffer: Vec<u8>,
    payloads: Vec<Bytes>,
    bytes: usize,
}

/// 1,000 pairs.
#[must_use]
pub fn changes_setup() -> Changes {
    Changes {
        pairs: pairs(0..OPERATIONS),
        buffer: Vec::with_capacity(1 << 10),
        payloads: Vec::new(),
        bytes: 0,
    }
}

/// Makes a record of every put.
#[must_use]
pub fn encode_changes(mut input: Changes) -> Changes {
    for (key, value) in &input.pairs {
        input.bytes += Change::put(&mut input.buffer, key, value).payload.len();
    }
    input
}

/// The records must be as long as what they hold, and the last one be right.
pub fn encode_check(output: Changes) {
    assert_eq!(output.bytes, OPERATIONS * (4 + 16 + 100));
    let change = Change::read(Lsn(0), Kind::KV_PUT, 1, output.buffer.into());
    let (key, value) = output.pairs.last().cloned().expect("there are pairs");
    assert_eq!(change, Ok(Some(Change::Put(Pair::new(&key, &value)))));
}

/// 1,000 pairs, and the payloads of their records.
#[must_use]
pub fn encoded_setup() -> Changes {
    let mut input = changes_setup();
    for (key, value) in &input.pairs {
        let payload = Change::put(&mut input.buffer, key, value).payload;
        input.payloads.push(Bytes::copy_from_slice(payload));
    }
    input
}

/// Reads every record.
#[must_use]
pub fn read_changes(mut input: Changes) -> Changes {
    for payload in &input.payloads {
        let change = Change::read(Lsn(0), Kind::KV_PUT, 1, payload.clone());
        if let Ok(Some(Change::Put(pair))) = change {
            input.bytes += pair.key().len() + pair.value().len();
        }
    }
    input
}

/// All keys and values must have been read.
pub fn read_check(output: Changes) {
    assert_eq!(output.bytes, OPERATIONS * (16 + 100));
}

/// A log, and a store to which accepted records are applied.
pub struct Logged {
    wal: Wal<Memory>,
    store: Store,
    pairs: Vec<(Bytes, Bytes)>,
    buffer: Vec<u8>,
}

/// A store of the first 1,000 of 2,000 pairs, and the other half.
#[must_use]
pub fn logged_setup() -> Logged {
    let mut input = Logged {
        wal: open(&Memory::default()),
        store: Store::default(),
        pairs: pairs(0..OPERATIONS),
        buffer: Vec::new(),
    };
    input = logged_puts(input);
    input.pairs = pairs(OPERATIONS..2 * OPERATIONS);
    input
}

/// Logs every put, applies it, and makes all of them durable at the end.
#[must_use]
pub fn logged_puts(mut input: Logged) -> Logged {
    for (key, value) in &input.pairs {
        let record = Change::put(&mut input.buffer, key, value);
        if input.wal.append(record).is_ok() {
            input.store.put(key, value);
        }
    }
    let _ = input.wal.sync();
    input
}

/// The store rebuilt from the log must equal the one that wrote it.
pub fn logged_check(output: Logged) {
    assert_eq!(output.wal.watermarks().durable.0, 2 * OPERATIONS as u64);
    let again = Store::rebuild(output.wal.entries()).expect("the log is whole");
    assert_eq!(again.len(), 2 * OPERATIONS);
    assert!(again.prefix(b"").eq(output.store.prefix(b"")));
}

/// A log of changes, then the store built from it.
pub struct Rebuild {
    wal: Wal<Memory>,
    store: Store,
    /// The numbers of the keys that are to be left.
    left: std::ops::Range<usize>,
}

fn to_rebuild(wal: Wal<Memory>, left: std::ops::Range<usize>) -> Rebuild {
    wal.sync().expect("memory can be synced");
    Rebuild {
        wal,
        store: Store::default(),
        left,
    }
}

/// 1,000 changes in a log: 800 puts to 700 keys, and 200 deletions.
#[must_use]
pub fn rebuild_setup() -> Rebuild {
    let wal = open(&Memory::default());
    for number in 0..800 {
        let key = data::key(number % 700);
        log_put(&wal, &key, &data::value(&key));
    }
    for number in 0..200 {
        wal.append(Change::delete(&data::key(number)))
            .expect("the log accepts it");
    }
    to_rebuild(wal, 200..700)
}

/// 1,000 puts to fifty keys.
#[must_use]
pub fn overwrites_setup() -> Rebuild {
    let wal = open(&Memory::default());
    for number in 0..OPERATIONS {
        let key = data::key(number % 50);
        log_put(&wal, &key, &data::value(&key));
    }
    to_rebuild(wal, 0..50)
}

/// Builds the store.
#[must_use]
pub fn rebuild(mut input: Rebuild) -> Rebuild {
    if let Ok(store) = Store::rebuild(input.wal.entries()) {
        input.store = store;
    }
    input
}

/// The same changes for a store that holds 300 keys already, of which 200 are deleted.
#[must_use]
pub fn replay_setup() -> Rebuild {
    let mut input = rebuild_setup();
    for number in 0..300 {
        input.store.put(&data::key(number), b"old");
    }
    input
}

/// Applies the changes to the store.
#[must_use]
pub fn replay(mut input: Rebuild) -> Rebuild {
    let _ = input.store.replay(input.wal.entries());
    input
}

/// The store must hold exactly what the changes left.
pub fn rebuild_check(output: Rebuild) {
    assert_eq!(output.wal.watermarks().durable.0, OPERATIONS as u64);
    let keys: Vec<_> = output
        .store
        .prefix(b"")
        .map(|(key, _)| Bytes::copy_from_slice(key))
        .collect();
    assert!(keys.iter().cloned().eq(output.left.map(data::key)));
    for key in keys {
        assert_eq!(output.store.get(&key), Some(&data::value(&key)[..]));
    }
}

/// A store with its log in a directory, and what recovery makes of it.
pub struct Durable {
    vfs: Memory,
    wal: Wal<Memory>,
    store: Store,
    recovery: Option<Recovery>,
}

/// A store of 1,000 keys, all logged.
#[must_use]
pub fn checkpoint_setup() -> Durable {
    let vfs = Memory::default();
    let wal = open(&vfs);
    let mut store = Store::default();
    for (key, value) in pairs(0..OPERATIONS) {
        log_put(&wal, &key, &value);
        store.put(&key, &value);
    }
    Durable {
        vfs,
        wal,
        store,
        recovery: None,
    }
}

/// Takes a checkpoint: sync, snapshot, truncation.
#[must_use]
pub fn take_checkpoint(mut input: Durable) -> Durable {
    let lsn = input.wal.watermarks().accepted;
    if let Ok(view) = input.store.freeze() {
        let _ = checkpoint(&input.vfs, Path::new(DIR), &input.wal, &view, lsn);
    }
    input
}

/// A store of 1,000 keys with a frozen view, and pairs to put while the view exists.
pub struct FrozenPuts {
    store: Store,
    view: Option<Frozen>,
    pairs: Vec<(Bytes, Bytes)>,
}

/// A frozen view, and 1,000 pairs: half of the keys are in it, half are new.
#[must_use]
pub fn beside_setup() -> FrozenPuts {
    let mut store = Store::default();
    for (key, value) in pairs(0..OPERATIONS) {
        store.put(&key, &value);
    }
    let view = store.freeze().ok();
    let numbers = OPERATIONS / 2..OPERATIONS + OPERATIONS / 2;
    FrozenPuts {
        store,
        view,
        pairs: pairs(numbers),
    }
}

/// Puts every pair while the view exists: the cost of a put during a checkpoint.
#[must_use]
pub fn put_beside(mut input: FrozenPuts) -> FrozenPuts {
    for (key, value) in &input.pairs {
        input.store.put(key, value);
    }
    input
}

/// The same after the view was dropped: each put merges a few entries back.
#[must_use]
pub fn carried_setup() -> FrozenPuts {
    let mut input = put_beside(beside_setup());
    input.view = None;
    for (_, value) in &mut input.pairs {
        value.truncate(50);
    }
    input
}

/// The store must have all pairs, and the view those it began with.
pub fn beside_check(output: FrozenPuts) {
    assert_eq!(output.store.len(), OPERATIONS + OPERATIONS / 2);
    assert_eq!(output.store.prefix(b"").count(), output.store.len());
    for (key, value) in &output.pairs {
        assert_eq!(output.store.get(key), Some(&value[..]));
    }
    if let Some(view) = output.view {
        let kept = view
            .iter()
            .filter(|pair| data::value(pair.key()) == pair.value());
        assert_eq!((kept.count(), view.len()), (OPERATIONS, OPERATIONS));
    }
}

/// Recovery must start from the snapshot.
pub fn checkpoint_check(output: Durable) {
    recover_check(recover_all(output));
}

/// A snapshot of 1,000 keys, and a log of 500 changes since.
#[must_use]
pub fn recover_setup() -> Durable {
    let mut input = take_checkpoint(checkpoint_setup());
    for (key, value) in pairs(OPERATIONS - 250..OPERATIONS + 250) {
        let value = value.slice(..50);
        log_put(&input.wal, &key, &value);
        input.store.put(&key, &value);
    }
    input.wal.sync().expect("memory can be synced");
    input
}

/// Builds the store from both.
#[must_use]
pub fn recover_all(mut input: Durable) -> Durable {
    input.recovery = recover(&input.vfs, Path::new(DIR), &input.wal).ok();
    input
}

/// The recovered store must equal the one before, and start from the snapshot.
pub fn recover_check(output: Durable) {
    let recovery = output.recovery.expect("it can be recovered");
    let lsn = recovery.snapshot.map(|meta| meta.lsn);
    assert_eq!(lsn, Some(Lsn(OPERATIONS as u64)));
    assert!(recovery.store.prefix(b"").eq(output.store.prefix(b"")));
}
