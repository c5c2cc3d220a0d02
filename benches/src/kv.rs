//! Workloads of the key-value stores behind their trait, in memory and in the engine.
//!
//! The engine writes its log to files in memory, without a thread of its own. SQLite and Redis are not
//! here: their code is not ours, and a server's instructions are not in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::Options;
use engine::kv::engine::{EngineOptions, EngineStore};
use engine::kv::{Batch, Expect, KeyValueStore, ManualClock, MemoryStore, Outcome, Version};
use engine::vfs::Memory;
use engine::wal::Mode;

use crate::data;
use crate::suite::suite;

/// How many keys a store holds before a run.
const KEYS: usize = 2000;
/// How many operations a run performs.
const OPERATIONS: usize = 1000;

suite!(kv {
    put: put(Points) {
        memory_new: setup(Store::Memory, New) => put_check,
        memory_update: setup(Store::Memory, Present) => put_check,
        engine_new: setup(Store::Engine, New) => put_check,
        engine_update: setup(Store::Engine, Present) => put_check,
    }
    put_with_ttl: put_with_ttl(Points) {
        memory: setup(Store::Memory, Present) => put_check,
        engine: setup(Store::Engine, Present) => put_check,
    }
    get: get(Points) {
        memory: setup(Store::Memory, Present) => found_check,
        engine: setup(Store::Engine, Present) => found_check,
    }
    exists: exists(Points) {
        memory: setup(Store::Memory, Present) => found_check,
        engine: setup(Store::Engine, Present) => found_check,
    }
    delete: delete(Points) {
        memory: setup(Store::Memory, Present) => delete_check,
        engine: setup(Store::Engine, Present) => delete_check,
    }
    compare_and_swap: compare_and_swap(Points) {
        memory: setup(Store::Memory, Present) => put_check,
        engine: setup(Store::Engine, Present) => put_check,
    }
    batch_put: batch_put(Points) {
        memory: batch_setup(Store::Memory) => put_check,
        engine: batch_setup(Store::Engine) => put_check,
    }
    batch_get: batch_get(Points) {
        memory: setup(Store::Memory, Present) => found_check,
        engine: setup(Store::Engine, Present) => found_check,
    }
    mixed: mixed(Points) {
        memory: setup(Store::Memory, Present) => found_check,
        engine: setup(Store::Engine, Present) => found_check,
    }
    list: list(Points) {
        memory: setup(Store::Memory, Present) => list_check,
        engine: setup(Store::Engine, Present) => list_check,
    }
});

/// Which store a run works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// In memory.
    Memory,
    /// In the engine.
    Engine,
}

/// Which keys a run works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Keys that the store holds.
    Present,
    /// Keys that it does not.
    New,
}

pub use Keys::{New, Present};

/// A store, and the pairs to work on.
pub struct Points {
    store: Box<dyn KeyValueStore>,
    pairs: Vec<(Bytes, Bytes)>,
    versions: Vec<Version>,
    batch: Batch,
    keys: Keys,
    found: usize,
}

fn empty(store: Store) -> Box<dyn KeyValueStore> {
    let clock = Arc::new(ManualClock::at(1_000_000));
    if store == Store::Memory {
        return Box::new(MemoryStore::new(clock));
    }
    let mode = Mode::Buffered {
        interval: Duration::from_hours(1),
        max_bytes: u64::MAX,
    };
    let mut options = Options::in_mode(mode);
    options.log.segment_bytes = 4 << 20;
    options.log.threads = 1;
    options.background = false;
    let options = EngineOptions {
        engine: options,
        clock,
        ..EngineOptions::default()
    };
    let opened = EngineStore::open_with(Memory::default(), Path::new("db"), options);
    Box::new(opened.expect("memory can be opened"))
}

fn pairs(numbers: std::ops::Range<usize>) -> Vec<(Bytes, Bytes)> {
    let pair = |number| {
        let key = data::key(number);
        (key.clone(), data::value(&key))
    };
    let mut pairs: Vec<_> = numbers.map(pair).collect();
    data::Random::new(4).shuffle(&mut pairs);
    pairs
}

/// A store of 2,000 keys, and 1,000 pairs that it holds, or does not.
#[must_use]
pub fn setup(store: Store, keys: Keys) -> Points {
    let store = empty(store);
    for (key, value) in pairs(0..KEYS) {
        store.put(&key, &value).expect("memory takes it");
    }
    let numbers = match keys {
        Present => 0..OPERATIONS,
        New => KEYS..KEYS + OPERATIONS,
    };
    let pairs = pairs(numbers);
    let version = |(key, _): &(Bytes, Bytes)| {
        let entry = store.entry(key).expect("memory answers");
        entry.map_or(Version(0), |entry| entry.version)
    };
    Points {
        versions: pairs.iter().map(version).collect(),
        store,
        pairs,
        batch: Batch::default(),
        keys,
        found: 0,
    }
}

/// The same with the pairs in one batch.
#[must_use]
pub fn batch_setup(store: Store) -> Points {
    let mut input = setup(store, Present);
    for (key, value) in &input.pairs {
        input.batch = input.batch.put(key, value);
    }
    input
}

/// Puts each pair.
#[must_use]
pub fn put(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        input.found += usize::from(input.store.put(key, value).is_ok());
    }
    input
}

/// Puts each pair for a minute.
#[must_use]
pub fn put_with_ttl(mut input: Points) -> Points {
    let ttl = Duration::from_mins(1);
    for (key, value) in &input.pairs {
        input.found += usize::from(input.store.put_with_ttl(key, value, ttl).is_ok());
    }
    input
}

/// Gets each key.
#[must_use]
pub fn get(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        let found = input.store.get(key);
        let found = found.is_ok_and(|it| it.is_some_and(|it| it.len() == value.len()));
        input.found += usize::from(found);
    }
    input
}

/// Asks for each key.
#[must_use]
pub fn exists(mut input: Points) -> Points {
    for (key, _) in &input.pairs {
        input.found += usize::from(input.store.exists(key).is_ok_and(|it| it));
    }
    input
}

/// Deletes each key.
#[must_use]
pub fn delete(mut input: Points) -> Points {
    for (key, _) in &input.pairs {
        input.found += usize::from(input.store.delete(key).is_ok_and(|it| it));
    }
    input
}

/// Swaps each pair in, knowing the version that is there.
#[must_use]
pub fn compare_and_swap(mut input: Points) -> Points {
    for ((key, value), version) in input.pairs.iter().zip(&input.versions) {
        let expect = Expect::Version(*version);
        let outcome = input.store.compare_and_swap(key, expect, value);
        input.found += usize::from(matches!(outcome, Ok(Outcome::Applied { .. })));
    }
    input
}

/// Puts all pairs at once.
#[must_use]
pub fn batch_put(mut input: Points) -> Points {
    if input.store.write(&input.batch).is_ok() {
        input.found = input.batch.writes().len();
    }
    input
}

/// Gets all keys at once.
#[must_use]
pub fn batch_get(mut input: Points) -> Points {
    let keys: Vec<&[u8]> = input.pairs.iter().map(|(key, _)| &key[..]).collect();
    let found = input.store.get_many(&keys).unwrap_or_default();
    input.found = found.iter().flatten().count();
    input
}

/// Gets four keys, and puts the fifth.
#[must_use]
pub fn mixed(mut input: Points) -> Points {
    for (number, (key, value)) in (1..).zip(&input.pairs) {
        let done = if number % 5 == 0 {
            input.store.put(key, value).is_ok()
        } else {
            input.store.get(key).is_ok_and(|it| it.is_some())
        };
        input.found += usize::from(done);
    }
    input
}

/// Lists 1,000 keys, a hundred a page.
#[must_use]
pub fn list(mut input: Points) -> Points {
    let mut after: Option<Bytes> = None;
    while let Ok(page) = input.store.list(b"group/0000000", after.as_deref(), 100) {
        input.found += page.entries.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    input
}

/// Every operation must have succeeded, and every key have its value.
pub fn put_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
    let expected = match output.keys {
        Present => KEYS,
        New => KEYS + OPERATIONS,
    };
    let stats = output.store.stats().expect("memory answers");
    assert_eq!(stats.keys, expected as u64);
    for (key, value) in &output.pairs {
        let found = output.store.get(key).expect("memory answers");
        assert_eq!(found.as_ref(), Some(value));
    }
}

/// Every key must have been found.
pub fn found_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
}

/// Every key must have been there and be gone.
pub fn delete_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
    let stats = output.store.stats().expect("memory answers");
    assert_eq!(stats.keys, (KEYS - OPERATIONS) as u64);
}

/// Every key under the prefix must have been listed once.
pub fn list_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
}
