//! Workloads of the snapshot.

#![expect(
    clippy::missing_panics_doc,
    reason = "a workload panics where its setup or its check fails"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "harnesses hand a result to its check by value"
)]

use bytes::Bytes;
use engine::kv::{Store, encode_snapshot};
use engine::snapshot::{Meta, PAIRS, Pairs, read};
use engine::wal::Lsn;

use crate::data;
use crate::workload::Workload;

/// How many pairs a snapshot holds.
const PAIR_COUNT: usize = 1000;
const META: Meta = Meta {
    taken_us: 1,
    lsn: Lsn(2),
    changes: 3,
};

/// The workloads of this suite.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new("snapshot/encode/n1000", encode_setup, encode, encode_check),
        Workload::new("snapshot/load/n1000", load_setup, load, load_check),
        Workload::new(
            "snapshot/restore/n1000",
            restore_setup,
            restore,
            restore_check,
        ),
    ]
}

fn filled() -> Store {
    let mut store = Store::default();
    for key in data::keys(PAIR_COUNT) {
        let value = data::value(&key);
        store.put(key, value);
    }
    store
}

/// A store, and its snapshot once there is one.
pub struct Encode {
    store: Store,
    snapshot: Vec<u8>,
}

/// A store of 1,000 pairs.
#[must_use]
pub fn encode_setup() -> Encode {
    Encode {
        store: filled(),
        snapshot: Vec::new(),
    }
}

/// Puts the snapshot together.
#[must_use]
pub fn encode(mut input: Encode) -> Encode {
    input.snapshot = encode_snapshot(&input.store, &META);
    input
}

/// The snapshot must hold the store's pairs.
pub fn encode_check(output: Encode) {
    let pairs = pairs_of(&output.snapshot.into()).expect("the snapshot is good");
    let expected = output
        .store
        .prefix(b"")
        .map(|(key, value)| (key.clone(), value.clone()));
    assert!(pairs.iter().eq(expected));
}

/// A snapshot, and its pairs once they are loaded.
pub struct Load {
    snapshot: Bytes,
    pairs: Option<Pairs>,
}

/// The snapshot of 1,000 pairs.
#[must_use]
pub fn load_setup() -> Load {
    Load {
        snapshot: encode(encode_setup()).snapshot.into(),
        pairs: None,
    }
}

fn pairs_of(snapshot: &Bytes) -> Option<Pairs> {
    let loaded = read(snapshot).ok()?;
    Pairs::load(loaded.section(PAIRS)?).ok()
}

/// Verifies the snapshot and indexes its keys: from here on it can be served.
#[must_use]
pub fn load(mut input: Load) -> Load {
    input.pairs = pairs_of(&input.snapshot);
    input
}

/// Every key must be found.
pub fn load_check(output: Load) {
    let pairs = output.pairs.expect("the snapshot is good");
    assert_eq!(pairs.len(), PAIR_COUNT);
    assert!(
        data::keys(PAIR_COUNT)
            .iter()
            .all(|key| pairs.get(key) == Some(data::value(key)))
    );
}

/// Pairs, and the store that is built from them.
pub struct Restore {
    pairs: Pairs,
    store: Store,
}

/// The loaded pairs of a snapshot.
#[must_use]
pub fn restore_setup() -> Restore {
    let pairs = load(load_setup()).pairs.expect("the snapshot is good");
    Restore {
        pairs,
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
    assert!(output.store.prefix(b"").eq(filled().prefix(b"")));
    assert_eq!(output.store.len(), output.pairs.len());
}
