//! Workloads of an engine's keyspaces: points, scans, transactions, checkpoints, recovery.
//!
//! Without a log where the log is not the matter, and over files in memory where it is.

use bytes::Bytes;
use engine::engine::{Engine, Keyspace, Options};
use engine::vfs::Memory;
use engine::wal::{self, Mode};

use crate::data;
use crate::suite::suite;

/// How many keys a keyspace holds before a run.
const KEYS: usize = 2000;
/// How many operations a run performs.
const OPERATIONS: usize = 1000;
/// How many keys a transaction reads and writes.
const TOUCHED: usize = 10;

suite!(keyspace {
    get: get(Points) {
        hit: points_setup(Keys::Present) => found_check,
        miss: points_setup(Keys::New) => missed_check,
    }
    put: put(Points) {
        new: points_setup(Keys::New) => put_check,
        update: points_setup(Keys::Present) => put_check,
        beneath: beneath_setup() => put_check,
        logged: logged_setup() => put_check,
    }
    delete: delete(Points) {
        hit: points_setup(Keys::Present) => deleted_check,
        beneath: beneath_setup() => deleted_check,
    }
    mixed: mixed(Points) {
        read80: points_setup(Keys::Present) => put_check,
    }
    scan: scan(Scans) {
        first: first_scan_setup() => scan_check,
        again: scan_setup() => scan_check,
        beside: beside_setup() => scan_check,
        reverse: reverse_setup() => scan_check,
    }
    prefix: prefixes(Scans) {
        n100: scan_setup() => prefix_check,
    }
    transaction: transact(Transactions) {
        keys10: transaction_setup(false) => transaction_check,
        logged: transaction_setup(true) => transaction_check,
    }
    transaction_scan: scan_and_write(Transactions) {
        n100: transaction_setup(false) => transaction_check,
    }
    checkpoint: take_checkpoint(Points) {
        n2000: logged_setup() => checkpoint_check,
    }
    recovery: recover(Recovery) {
        log: recovery_setup(false) => recovery_check,
        snapshot: recovery_setup(true) => recovery_check,
    }
});

/// Which keys a run works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Keys that the keyspace holds.
    Present,
    /// Keys that it does not.
    New,
}

/// A keyspace, and the pairs to work on.
pub struct Points {
    engine: Engine,
    space: Keyspace,
    pairs: Vec<(Bytes, Bytes)>,
    found: usize,
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

fn options() -> Options {
    Options {
        log: wal::Options {
            mode: Mode::Strict,
            segment_bytes: 4 << 20,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    }
}

fn logged(vfs: &Memory) -> Engine {
    let opened = Engine::open_with(vfs.clone(), "db", options());
    opened.expect("files in memory open").0
}

fn fill(engine: &Engine) -> Keyspace {
    let space = engine.keyspace("default").expect("it is always there");
    for (key, value) in pairs(0..KEYS) {
        space.put(&key, &value).expect("memory refuses nothing");
    }
    space
}

fn points(engine: Engine, keys: Keys) -> Points {
    let numbers = match keys {
        Keys::Present => 0..OPERATIONS,
        Keys::New => KEYS..KEYS + OPERATIONS,
    };
    Points {
        space: fill(&engine),
        engine,
        pairs: pairs(numbers),
        found: 0,
    }
}

/// A keyspace of 2,000 keys without a log, and 1,000 pairs that it holds, or does not.
#[must_use]
pub fn points_setup(keys: Keys) -> Points {
    points(Engine::in_memory_with(Memory::default()), keys)
}

/// As with present keys, and all of them are in an older generation.
#[must_use]
pub fn beneath_setup() -> Points {
    let input = points_setup(Keys::Present);
    assert_eq!(input.space.scan().count(), KEYS);
    input
}

/// A keyspace of 2,000 keys whose commits are written and synced, and 1,000 pairs that it holds.
#[must_use]
pub fn logged_setup() -> Points {
    points(logged(&Memory::default()), Keys::Present)
}

/// Gets each key.
#[must_use]
pub fn get(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        let is_found = input.space.get_with(key, |found| found == value);
        input.found += usize::from(is_found == Some(true));
    }
    input
}

/// Puts each pair.
#[must_use]
pub fn put(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        input.found += usize::from(input.space.put(key, value).is_ok());
    }
    input
}

/// Deletes each key.
#[must_use]
pub fn delete(mut input: Points) -> Points {
    for (key, _) in &input.pairs {
        input.found += usize::from(input.space.delete(key).is_ok());
    }
    input
}

/// Gets four keys, and puts the fifth.
#[must_use]
pub fn mixed(mut input: Points) -> Points {
    for (number, (key, value)) in (1..).zip(&input.pairs) {
        let is_done = if number % 5 == 0 {
            input.space.put(key, value).is_ok()
        } else {
            input.space.contains(key)
        };
        input.found += usize::from(is_done);
    }
    input
}

/// Takes a checkpoint.
#[must_use]
pub fn take_checkpoint(input: Points) -> Points {
    input.engine.checkpoint().expect("files in memory take it");
    input
}

/// Every key must have been found.
pub fn found_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
}

/// No key may have been found.
pub fn missed_check(output: Points) {
    assert_eq!(output.found, 0);
}

/// Every pair must be there.
pub fn put_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
    for (key, value) in &output.pairs {
        assert!(output.space.get(key).is_some_and(|found| found == *value));
    }
    assert_eq!(output.space.scan().count(), output.space.len());
}

/// No key may be there any more, and all others must.
pub fn deleted_check(output: Points) {
    assert_eq!(output.found, OPERATIONS);
    assert!(
        output
            .pairs
            .iter()
            .all(|(key, _)| !output.space.contains(key))
    );
    assert_eq!(output.space.scan().count(), KEYS - OPERATIONS);
}

/// The snapshot must be there.
pub fn checkpoint_check(output: Points) {
    assert_eq!(output.engine.stats().checkpoints, 1);
}

/// A keyspace to be scanned.
pub struct Scans {
    space: Keyspace,
    is_reverse: bool,
    found: usize,
}

/// A keyspace whose order nobody has asked for yet.
#[must_use]
pub fn first_scan_setup() -> Scans {
    Scans {
        space: fill(&Engine::in_memory_with(Memory::default())),
        is_reverse: false,
        found: 0,
    }
}

/// A keyspace that was scanned before.
#[must_use]
pub fn scan_setup() -> Scans {
    let input = first_scan_setup();
    assert_eq!(input.space.scan().count(), KEYS);
    input
}

/// A keyspace of which 100 keys changed since it was scanned.
#[must_use]
pub fn beside_setup() -> Scans {
    let input = scan_setup();
    for (key, value) in pairs(0..100) {
        input
            .space
            .put(&key, &value)
            .expect("memory refuses nothing");
    }
    input
}

/// A keyspace to be scanned from its end.
#[must_use]
pub fn reverse_setup() -> Scans {
    Scans {
        is_reverse: true,
        ..scan_setup()
    }
}

/// Scans all keys.
#[must_use]
pub fn scan(mut input: Scans) -> Scans {
    let scan = input.space.scan();
    input.found = if input.is_reverse {
        scan.rev().filter(|item| item.value().len() == 100).count()
    } else {
        scan.filter(|item| item.value().len() == 100).count()
    };
    input
}

/// Scans each hundred keys that share a prefix.
#[must_use]
pub fn prefixes(mut input: Scans) -> Scans {
    for hundred in 0..KEYS / 100 {
        let prefix = data::key(hundred * 100).slice(..14);
        input.found += input.space.prefix(&prefix).count();
    }
    input
}

/// All keys must have been seen.
pub fn scan_check(output: Scans) {
    assert_eq!(output.found, KEYS);
}

/// All keys must have been seen.
pub fn prefix_check(output: Scans) {
    scan_check(output);
}

/// Two keyspaces, and the keys to work on.
pub struct Transactions {
    engine: Engine,
    spaces: [Keyspace; 2],
    pairs: Vec<(Bytes, Bytes)>,
    committed: usize,
}

/// Two keyspaces, one with 2,000 keys.
#[must_use]
pub fn transaction_setup(is_logged: bool) -> Transactions {
    let vfs = Memory::default();
    let engine = if is_logged {
        logged(&vfs)
    } else {
        Engine::in_memory_with(vfs)
    };
    let other = engine.keyspace("other").expect("it is created");
    Transactions {
        spaces: [fill(&engine), other],
        engine,
        pairs: pairs(0..OPERATIONS),
        committed: 0,
    }
}

/// A hundred transactions that move ten keys each from one keyspace to the other.
#[must_use]
pub fn transact(mut input: Transactions) -> Transactions {
    let [from, to] = &input.spaces;
    for pairs in input.pairs.chunks(TOUCHED) {
        let done = input.engine.transaction(|tx| {
            for (key, _) in pairs {
                if let Some(value) = tx.get(from, key) {
                    tx.put(to, key, &value)?;
                    tx.delete(from, key)?;
                }
            }
            Ok(())
        });
        input.committed += usize::from(done.is_ok()) * pairs.len();
    }
    input
}

/// A hundred transactions that scan a prefix of the one keyspace and put ten keys into the other.
#[must_use]
pub fn scan_and_write(mut input: Transactions) -> Transactions {
    let [from, to] = &input.spaces;
    for (number, pairs) in input.pairs.chunks(TOUCHED).enumerate() {
        let prefix = data::key(number % 20 * 100).slice(..14);
        let done = input.engine.transaction(|tx| {
            let count = tx.prefix(from, &prefix).count();
            for (key, value) in pairs {
                tx.put(to, key, value)?;
            }
            Ok(count)
        });
        input.committed += usize::from(done.is_ok_and(|it| it.value == 100)) * pairs.len();
    }
    input
}

/// All must have committed, and the other keyspace must have the pairs.
pub fn transaction_check(output: Transactions) {
    assert_eq!(output.committed, OPERATIONS);
    let [_, to] = &output.spaces;
    for (key, value) in &output.pairs {
        assert!(to.get(key).is_some_and(|found| found == *value));
    }
}

/// A directory in memory, and what was recovered of it.
pub struct Recovery {
    vfs: Memory,
    recovered: Option<Engine>,
}

/// A directory with a log of 3,000 puts, and a snapshot of two thirds of them, or none.
#[must_use]
pub fn recovery_setup(has_snapshot: bool) -> Recovery {
    let vfs = Memory::default();
    let engine = logged(&vfs);
    let space = fill(&engine);
    if has_snapshot {
        engine.checkpoint().expect("files in memory take it");
    }
    for (key, value) in pairs(KEYS..KEYS + OPERATIONS) {
        space.put(&key, &value).expect("memory refuses nothing");
    }
    engine.close().expect("files in memory close");
    Recovery {
        vfs,
        recovered: None,
    }
}

/// Opens the engine.
#[must_use]
pub fn recover(mut input: Recovery) -> Recovery {
    input.recovered = Some(logged(&input.vfs));
    input
}

/// All pairs must be there.
pub fn recovery_check(output: Recovery) {
    let engine = output.recovered.expect("it was opened");
    let space = engine.keyspace("default").expect("it is always there");
    assert_eq!(space.len(), KEYS + OPERATIONS);
    for (key, value) in pairs(0..KEYS + OPERATIONS) {
        assert!(space.get(&key).is_some_and(|found| found == value));
    }
}
