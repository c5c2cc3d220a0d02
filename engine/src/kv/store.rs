//! The store in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Slot;

use super::change::{Change, UnreadableChange};
use crate::snapshot::Pairs;
use crate::wal::{Entry, ReadError};

/// Keys and values in memory: hashed for points, ordered for scans.
///
/// ```
/// use engine::kv::Store;
///
/// let mut store = Store::default();
/// store.put("tea/green".into(), "sencha".into());
/// store.put("tea/black".into(), "assam".into());
/// assert_eq!(store.get(b"tea/green").unwrap(), "sencha");
/// let keys: Vec<_> = store.prefix(b"tea/").map(|(key, _)| key.clone()).collect();
/// assert_eq!(keys, ["tea/black", "tea/green"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Store {
    // A fixed seed: the same keys take the same probes in every process.
    points: HashMap<Bytes, Bytes, FixedState>,
    order: BTreeSet<Bytes>,
}

/// A store could not be rebuilt from the log.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record could not be understood.
    #[error(transparent)]
    Unreadable(#[from] UnreadableChange),
}

impl Store {
    /// Gives `key` a value, and answers with the one it had.
    pub fn put(&mut self, key: Bytes, value: Bytes) -> Option<Bytes> {
        match self.points.entry(key) {
            Slot::Occupied(mut slot) => Some(slot.insert(value)),
            Slot::Vacant(slot) => {
                self.order.insert(slot.key().clone());
                slot.insert(value);
                None
            }
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.points.get(key)
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn exists(&self, key: &[u8]) -> bool {
        self.points.contains_key(key)
    }

    /// Takes `key` away, and answers with the value it had.
    pub fn delete(&mut self, key: &[u8]) -> Option<Bytes> {
        let value = self.points.remove(key)?;
        self.order.remove(key);
        Some(value)
    }

    /// The pairs whose keys begin with `prefix`, in key order.
    pub fn prefix<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.order.range::<[u8], _>(from);
        let keys = keys.take_while(move |key| key.starts_with(prefix));
        keys.filter_map(|key| self.points.get_key_value(key))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Does what a logged record says.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put { key, value } => {
                self.put(key, value);
            }
            Change::Delete { key } => {
                self.delete(&key);
            }
        }
    }

    /// Builds a store from the records of a log. Records of other types are passed over. Keys
    /// and values stay where they are and keep their segments mapped.
    ///
    /// # Errors
    /// - [`RebuildError::Read`]: the log could not be read.
    /// - [`RebuildError::Unreadable`]: a record is not what its type promises.
    pub fn rebuild(
        entries: impl Iterator<Item = Result<Entry, ReadError>>,
    ) -> Result<Self, RebuildError> {
        let mut points = HashMap::default();
        for entry in entries {
            match read(entry)? {
                Some(Change::Put { key, value }) => drop(points.insert(key, value)),
                Some(Change::Delete { key }) => drop(points.remove(&key)),
                None => {}
            }
        }
        let order = in_order(points.keys());
        Ok(Self { points, order })
    }

    /// Applies the records of a log to what is there. Records of other types are passed over.
    ///
    /// # Errors
    /// As for [`rebuild`](Self::rebuild).
    pub fn replay(
        &mut self,
        entries: impl Iterator<Item = Result<Entry, ReadError>>,
    ) -> Result<(), RebuildError> {
        for entry in entries {
            if let Some(change) = read(entry)? {
                self.apply(change);
            }
        }
        Ok(())
    }

    /// The pairs of a snapshot, as a store. Keys and values stay where they are.
    #[must_use]
    pub fn restore(pairs: &Pairs) -> Self {
        let points: HashMap<_, _, _> = pairs.iter().collect();
        // Sorted already, so the set is built from the bottom up.
        let order = pairs.iter().map(|(key, _)| key).collect();
        Self { points, order }
    }
}

/// The keys as an ordered set. Sorting all of them once is several times faster than finding each
/// its place, and comparing sixteen bytes at hand several times faster than following pointers.
fn in_order<'a>(keys: impl Iterator<Item = &'a Bytes>) -> BTreeSet<Bytes> {
    let mut keys: Vec<_> = keys.map(|key| (beginning(key), key)).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, key)| key.clone()).collect()
}

/// The first sixteen bytes, as a number that sorts like them.
fn beginning(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = key.len().min(16);
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

fn read(entry: Result<Entry, ReadError>) -> Result<Option<Change>, RebuildError> {
    let Entry {
        lsn,
        kind,
        version,
        payload,
    } = entry?;
    Ok(Change::read(lsn, kind, version, &payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Store {
        let mut store = Store::default();
        for key in ["b", "a/2", "a/1", "a", "\u{ff}"] {
            assert_eq!(
                store.put(key.into(), format!("value of {key}").into()),
                None
            );
        }
        store
    }

    fn keys(store: &Store, prefix: &[u8]) -> Vec<Bytes> {
        store.prefix(prefix).map(|(key, _)| key.clone()).collect()
    }

    #[test]
    fn the_last_value_put_is_the_one_got() {
        let mut store = filled();
        assert_eq!(store.put("a".into(), "new".into()).unwrap(), "value of a");
        assert_eq!(store.get(b"a").unwrap(), "new");
        assert_eq!(store.len(), 5);
    }

    #[test]
    fn a_deleted_key_is_gone_from_points_and_scans() {
        let mut store = filled();
        assert_eq!(store.delete(b"a/1").unwrap(), "value of a/1");
        assert_eq!(store.delete(b"a/1"), None);
        assert!(!store.exists(b"a/1"));
        assert_eq!(keys(&store, b"a"), ["a", "a/2"]);
    }

    #[test]
    fn keys_are_put_in_the_order_of_their_bytes() {
        let long = "a common beginning of more than sixteen bytes";
        let keys = [
            "b",
            "a\0",
            "a",
            "",
            "\0",
            long,
            &long[..16],
            &long[..17],
            "\u{ff}",
        ];
        let keys = keys.map(|key| Bytes::copy_from_slice(key.as_bytes()));
        let mut expected = keys.to_vec();
        expected.sort();
        let order = in_order(keys.iter());
        assert!(order.iter().eq(&expected));
    }

    #[test]
    fn a_scan_gives_its_prefix_in_order_and_nothing_else() {
        let store = filled();
        assert_eq!(keys(&store, b"a/"), ["a/1", "a/2"]);
        assert_eq!(keys(&store, b"c"), [""; 0]);
        assert_eq!(keys(&store, b"").len(), 5);
        assert_eq!(keys(&store, "\u{ff}".as_bytes()), ["\u{ff}"]);
    }
}
