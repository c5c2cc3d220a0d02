//! Workloads of the store.

use bytes::Bytes;
use engine::kv::Store;

use crate::data;
use crate::suite::suite;

mod log;

pub use log::*;

/// How many keys a store holds before a run.
const KEYS: usize = 2000;
/// How many operations a run performs.
const OPERATIONS: usize = 1000;
/// The bytes of a key and its value.
const PAIR_BYTES: usize = 16 + 100;

suite!(kv {
    put: put(Points) {
        new: points_setup(Keys::New) => put_check,
        update: points_setup(Keys::Present) => put_check,
        one_key: one_key_setup() => one_key_check,
    }
    get: get(Points) {
        hit: points_setup(Keys::Present) => get_check,
        miss: points_setup(Keys::New) => get_check,
    }
    delete: delete(Points) {
        hit: points_setup(Keys::Present) => delete_check,
        miss: points_setup(Keys::New) => get_check,
    }
    exists: exists(Points) {
        hit: points_setup(Keys::Present) => get_check,
        miss: points_setup(Keys::New) => get_check,
    }
    mixed: mixed(Points) {
        read80: points_setup(Keys::Present) => mixed_check,
    }
    prefix_scan: prefix_scan(Scan) {
        n10: scan_setup(10) => scan_check,
        n100: scan_setup(100) => scan_check,
        n1000: scan_setup(1000) => scan_check,
        nothing: nothing_setup() => nothing_check,
    }
    change_encode: encode_changes(Changes) {
        n1000: changes_setup() => encode_check,
    }
    change_read: read_changes(Changes) {
        n1000: encoded_setup() => read_check,
    }
    logged_put: logged_puts(Logged) {
        n1000: logged_setup() => logged_check,
    }
    rebuild: rebuild(Rebuild) {
        n1000: rebuild_setup() => rebuild_check,
        overwrites: overwrites_setup() => rebuild_check,
    }
    replay: replay(Rebuild) {
        n1000: replay_setup() => rebuild_check,
    }
    checkpoint: take_checkpoint(Durable) {
        n1000: checkpoint_setup() => checkpoint_check,
    }
    put_beside: put_beside(FrozenPuts) {
        frozen: beside_setup() => beside_check,
        carried: carried_setup() => beside_check,
    }
    recover: recover_all(Durable) {
        snapshot_and_log: recover_setup() => recover_check,
    }
});

/// Which keys a run works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Keys that the store holds.
    Present,
    /// Keys that it does not.
    New,
}

/// A store, and the pairs to work on.
pub struct Points {
    store: Store,
    pairs: Vec<(Bytes, Bytes)>,
    keys: Keys,
    found: usize,
}

fn pairs(numbers: std::ops::Range<usize>) -> Vec<(Bytes, Bytes)> {
    let mut pairs: Vec<_> = numbers
        .map(|number| {
            let key = data::key(number);
            (key.clone(), data::value(&key))
        })
        .collect();
    data::Random::new(4).shuffle(&mut pairs);
    pairs
}

fn filled() -> Store {
    let mut store = Store::default();
    for (key, value) in pairs(0..KEYS) {
        store.put(&key, &value);
    }
    store
}

/// A store of 2,000 keys, and 1,000 pairs that it holds, or does not.
#[must_use]
pub fn points_setup(keys: Keys) -> Points {
    let numbers = match keys {
        Keys::Present => 0..OPERATIONS,
        Keys::New => KEYS..KEYS + OPERATIONS,
    };
    Points {
        store: filled(),
        pairs: pairs(numbers),
        keys,
        found: 0,
    }
}

/// Puts each pair.
#[must_use]
pub fn put(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        let before = input.store.put(key, value);
        input.found += usize::from(before.is_some());
    }
    input
}

/// Gets each key.
#[must_use]
pub fn get(mut input: Points) -> Points {
    for (key, value) in &input.pairs {
        let found = input
            .store
            .get(key)
            .is_some_and(|found| found.len() == value.len());
        input.found += usize::from(found);
    }
    input
}

/// Asks for each key.
#[must_use]
pub fn exists(mut input: Points) -> Points {
    for (key, _) in &input.pairs {
        input.found += usize::from(input.store.exists(key));
    }
    input
}

/// Deletes each key.
#[must_use]
pub fn delete(mut input: Points) -> Points {
    for (key, _) in &input.pairs {
        input.found += usize::from(input.store.delete(key).is_some());
    }
    input
}

/// Gets four keys, and puts the fifth.
#[must_use]
pub fn mixed(mut input: Points) -> Points {
    for (number, (key, value)) in (1..).zip(&input.pairs) {
        let found = if number % 5 == 0 {
            input.store.put(key, value).is_some()
        } else {
            input.store.get(key).is_some()
        };
        input.found += usize::from(found);
    }
    input
}

/// Every key must have been found, and have its value.
pub fn mixed_check(output: Points) {
    put_check(output);
}

/// A store of 2,000 keys, and 1,000 values for one of them.
#[must_use]
pub fn one_key_setup() -> Points {
    let mut input = points_setup(Keys::Present);
    let key = input.pairs[0].0.clone();
    for pair in &mut input.pairs {
        pair.0 = key.clone();
    }
    input
}

/// The key must have the last value.
pub fn one_key_check(output: Points) {
    check_found(&output);
    let (key, value) = output.pairs.last().expect("there are pairs");
    assert_eq!(output.store.get(key), Some(&value[..]));
    assert_eq!(output.store.prefix(b"").count(), KEYS);
}

fn check_found(output: &Points) {
    let expected = if output.keys == Keys::Present {
        OPERATIONS
    } else {
        0
    };
    assert_eq!(output.found, expected, "keys that were found");
}

/// The store must hold every pair.
pub fn put_check(output: Points) {
    check_found(&output);
    let all = if output.keys == Keys::Present {
        KEYS
    } else {
        KEYS + OPERATIONS
    };
    assert_eq!(output.store.prefix(b"").count(), all);
    assert!(
        output
            .pairs
            .iter()
            .all(|(key, value)| output.store.get(key) == Some(&value[..]))
    );
}

/// The right number of keys must have been found, and the store be as it was.
pub fn get_check(output: Points) {
    check_found(&output);
    assert_eq!(output.store.len(), KEYS);
}

/// No key may be left.
pub fn delete_check(output: Points) {
    check_found(&output);
    assert_eq!(output.store.prefix(b"").count(), KEYS - OPERATIONS);
    assert!(!output.pairs.iter().any(|(key, _)| output.store.exists(key)));
}

/// A store, a prefix, and what was found under it.
pub struct Scan {
    store: Store,
    prefix: Bytes,
    rounds: usize,
    matches: usize,
    /// Key and value, one after the other.
    found: Vec<u8>,
}

/// A store of 2,000 keys, and a prefix of `matches` of them, to be scanned until 1,000 pairs
/// were seen.
#[must_use]
pub fn scan_setup(matches: usize) -> Scan {
    let digits = matches.to_string().len() - 1;
    let mut prefix = data::key(1000);
    prefix.truncate(prefix.len() - digits);
    let found = Vec::with_capacity(OPERATIONS * PAIR_BYTES);
    Scan {
        store: filled(),
        prefix,
        rounds: OPERATIONS / matches,
        matches,
        found,
    }
}

/// Collects the pairs under the prefix.
#[must_use]
pub fn prefix_scan(mut input: Scan) -> Scan {
    for _ in 0..input.rounds {
        for (key, value) in input.store.prefix(&input.prefix) {
            input.found.extend_from_slice(key);
            input.found.extend_from_slice(value);
        }
    }
    input
}

/// The pairs must be those of the prefix, in order, once a round.
pub fn scan_check(output: Scan) {
    assert_eq!(output.found.len(), OPERATIONS * PAIR_BYTES);
    for round in output.found.chunks(output.matches * PAIR_BYTES) {
        for (number, pair) in (1000..).zip(round.chunks(PAIR_BYTES)) {
            let key = data::key(number);
            assert_eq!(pair, [&key[..], &data::value(&key)].concat());
        }
    }
}

/// The same store, and a thousand rounds with a prefix that no key has.
#[must_use]
pub fn nothing_setup() -> Scan {
    let mut input = scan_setup(1);
    input.prefix = "group/00000015x".into();
    input
}

/// Nothing must have been found.
pub fn nothing_check(output: Scan) {
    assert_eq!((output.rounds, output.found.len()), (OPERATIONS, 0));
}
